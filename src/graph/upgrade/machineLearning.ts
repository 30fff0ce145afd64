import { int, type Node, onnxDataType } from "../../onnx/types.js";
import { attributeFloat, attributeFloats, attributeInt, attributeInts, attributeString } from "../attributes.js";
import { Composition } from "./composition.js";
import type { Rule, Surroundings } from "./rules.js";

// What scikit-learn's exporter writes around and for linear models on tables [N, F] (domain ai.onnx.ml), as operators of ONNX.

/** The input as float32: these operators take integers too. */
const asFloat = (c: Composition, x: string) => c.op("Cast", [x], { to: int(onnxDataType.float32) });

/** (x - offset) scale, each one number or one a column. */
const scaler: Rule = (node, surroundings) => {
  const c = new Composition(node, surroundings);
  const [offset, scale] = ["offset", "scale"].map((name) => attributeFloats(node.attributes, name));
  if (!offset || !scale) return undefined;
  const centred = c.op("Sub", [asFloat(c, node.inputs[0]!), surroundings.floats(node, "offset", offset)]);
  c.op("Mul", [centred, surroundings.floats(node, "scale", scale)], {}, node.outputs[0]);
  return c.nodes;
};

/** Each row over its largest number, its sum of magnitudes or its length, a row of zeros as it is. */
const normalizer: Rule = (node, surroundings) => {
  const reductions: Readonly<Record<string, string>> = { MAX: "ReduceMax", L1: "ReduceL1", L2: "ReduceL2" };
  const reduction = reductions[attributeString(node.attributes, "norm", "MAX")];
  if (!reduction) return undefined;
  const c = new Composition(node, surroundings);
  const x = asFloat(c, node.inputs[0]!);
  const norm = c.op(reduction, [x, c.integers("last", [-1])]);
  const safe = c.op("Where", [c.op("Equal", [norm, c.scalar("zero", 0)]), c.scalar("one", 1), norm]);
  c.op("Div", [x, safe], {}, node.outputs[0]);
  return c.nodes;
};

/** A number for each of one value, NaN by default. */
const imputer: Rule = (node, surroundings) => {
  const imputed = attributeFloats(node.attributes, "imputed_value_floats");
  if (!imputed) return undefined;
  const replaced = attributeFloat(node.attributes, "replaced_value_float", 0);
  const c = new Composition(node, surroundings);
  const x = node.inputs[0]!;
  const missing = Number.isNaN(replaced) ? c.op("IsNaN", [x]) : c.op("Equal", [x, c.scalar("replaced", replaced)]);
  c.op("Where", [missing, surroundings.floats(node, "imputed", imputed), x], {}, node.outputs[0]);
  return c.nodes;
};

/** 1 where x is above the threshold, else 0. */
const binarizer: Rule = (node, surroundings) => {
  const c = new Composition(node, surroundings);
  const above = c.op("Greater", [
    node.inputs[0]!,
    c.scalar("threshold", attributeFloat(node.attributes, "threshold", 0)),
  ]);
  c.op("CastLike", [above, node.inputs[0]!], {}, node.outputs[0]);
  return c.nodes;
};

const featureVectorizer: Rule = (node, surroundings) => {
  const c = new Composition(node, surroundings);
  c.op(
    "Concat",
    node.inputs.map((x) => asFloat(c, x)),
    { axis: int(-1) },
    node.outputs[0],
  );
  return c.nodes;
};

const arrayFeatureExtractor: Rule = (node) => [{ ...node, op: "Gather", domain: "", attributes: { axis: int(-1) } }];

/** Coefficients [K, F] by row and intercepts [K] as a Gemm; undefined where the numbers do not make K rows. */
function linear(
  c: Composition,
  node: Node,
  surroundings: Surroundings,
  rows: number,
  output?: string,
): string | undefined {
  const coefficients = attributeFloats(node.attributes, "coefficients") ?? [];
  const intercepts = attributeFloats(node.attributes, "intercepts");
  if (rows < 1 || coefficients.length === 0 || coefficients.length % rows !== 0) return undefined;
  if (intercepts && intercepts.length !== rows) return undefined;
  const weight = surroundings.matrix(node, "coefficients", [rows, coefficients.length / rows], coefficients);
  const bias = intercepts ? [surroundings.floats(node, "intercepts", intercepts)] : [];
  return c.op("Gemm", [asFloat(c, node.inputs[0]!), weight, ...bias], { transB: int(1) }, output);
}

/** What follows the scores; PROBIT is not among what isonorm knows. */
const transforms: Readonly<Record<string, string | undefined>> = { LOGISTIC: "Sigmoid", SOFTMAX: "Softmax" };

function transformed(c: Composition, node: Node): ((x: string, output?: string) => string) | undefined {
  const name = attributeString(node.attributes, "post_transform", "NONE");
  if (name === "NONE") return (x, output) => c.op("Identity", [x], {}, output);
  const op = transforms[name];
  if (!op) return undefined;
  return (x, output) => c.op(op, [x], op === "Softmax" ? { axis: int(-1) } : {}, output);
}

/** Scores of K classes from K rows of coefficients, and the label of the largest. With one row for two classes, and with names for labels, it stays as it is. */
const linearClassifier: Rule = (node, surroundings) => {
  const labels = attributeInts(node.attributes, "classlabels_ints");
  const names = node.attributes.classlabels_strings;
  const classes = labels?.length || (names?.kind === "strings" ? names.value.length : 0);
  const rows = attributeFloats(node.attributes, "intercepts")?.length ?? classes;
  const [label = "", scores = ""] = node.outputs;
  if (rows !== classes || classes < 2) return undefined;
  const c = new Composition(node, surroundings);
  const transform = transformed(c, node);
  const raw = transform && linear(c, node, surroundings, rows);
  if (!raw) return undefined;
  transform(raw, scores || undefined);
  if (label) {
    const table = labels?.length
      ? c.integers("labels", labels)
      : surroundings.strings(node, "labels", names?.kind === "strings" ? names.value : []);
    c.op("Gather", [table, c.op("ArgMax", [raw], { axis: int(-1), keepdims: int(0) })], {}, label);
  }
  return c.nodes;
};

const linearRegressor: Rule = (node, surroundings) => {
  const c = new Composition(node, surroundings);
  const transform = transformed(c, node);
  const raw = transform && linear(c, node, surroundings, attributeInt(node.attributes, "targets", 1));
  if (!raw) return undefined;
  transform(raw, node.outputs[0]);
  return c.nodes;
};

/** A last axis of ones and zeros, one for each category of integers. */
const oneHotEncoder: Rule = (node, surroundings) => {
  const categories = attributeInts(node.attributes, "cats_int64s");
  if (!categories?.length || surroundings.typeOf(node.inputs[0]!).dtype !== "int64") return undefined;
  const c = new Composition(node, surroundings);
  const same = c.op("Equal", [
    c.op("Unsqueeze", [node.inputs[0]!, c.integers("last", [-1])]),
    c.integers("categories", categories),
  ]);
  c.op("Cast", [same], { to: int(onnxDataType.float32) }, node.outputs[0]);
  return c.nodes;
};

export const machineLearningRules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["Scaler", scaler],
  ["Normalizer", normalizer],
  ["Imputer", imputer],
  ["Binarizer", binarizer],
  ["FeatureVectorizer", featureVectorizer],
  ["ArrayFeatureExtractor", arrayFeatureExtractor],
  ["LinearClassifier", linearClassifier],
  ["LinearRegressor", linearRegressor],
  ["OneHotEncoder", oneHotEncoder],
]);
