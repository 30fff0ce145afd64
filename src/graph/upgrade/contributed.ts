import { type Attributes, float, int, ints, onnxDataType, string } from "../../onnx/types.js";
import { attributeFloat, attributeInt, attributeString } from "../attributes.js";
import { Composition } from "./composition.js";
import type { Rule } from "./rules.js";

// Operators of domain com.microsoft that later came into ONNX, or that are a few of its operators, as these.

const renamed =
  (op: string, domain = ""): Rule =>
  (node) => [{ ...node, op, domain }];

/** Unsqueeze with the axis a scalar of int32. */
const expandDims: Rule = (node, surroundings) => {
  const c = new Composition(node, surroundings);
  const axes = c.op("Reshape", [
    c.op("Cast", [node.inputs[1]!], { to: int(onnxDataType.int64) }),
    c.integers("one", [1]),
  ]);
  c.op("Unsqueeze", [node.inputs[0]!, axes], {}, node.outputs[0]);
  return c.nodes;
};

/** Its value is a row of one number. */
const pad: Rule = (node, surroundings) => {
  const c = new Composition(node, surroundings);
  const [x, pads, value] = node.inputs as [string, string, string?];
  c.op(
    "Pad",
    [x, pads, value ? c.op("Reshape", [value, c.integers("scalar", [])]) : ""],
    node.attributes,
    node.outputs[0],
  );
  return c.nodes;
};

const gridSample: Rule = (node) => {
  const mode = attributeString(node.attributes, "mode", "bilinear").replace(/^bi/, "");
  return [{ ...node, domain: "", attributes: { ...node.attributes, mode: string(mode) } }];
};

/** Distances between the rows of A [n, d] and B [m, d]: [n, m]. */
const pairwiseDistance: Rule = (node, surroundings) => {
  const c = new Composition(node, surroundings);
  const [rows, columns] = node.inputs.map((x, axis) => c.op("Unsqueeze", [x, c.integers("axis", [1 - axis])]));
  const root = attributeString(node.attributes, "metric", "sqeuclidean") === "euclidean";
  const inputs = [c.op("Sub", [rows!, columns!]), c.integers("last", [-1])];
  c.op(root ? "ReduceL2" : "ReduceSumSquare", inputs, { keepdims: int(0) }, node.outputs[0]);
  return c.nodes;
};

/** ConvTranspose whose pads are an input. */
const transposedConvolution: Rule = (node, surroundings) => {
  const [x, w, pads, bias] = node.inputs as [string, string, string?, string?];
  const numbers = pads ? surroundings.constantNumbers(pads) : [];
  if (!numbers) return undefined;
  const attributes = numbers.length > 0 ? { ...node.attributes, pads: ints(numbers) } : node.attributes;
  return [{ ...node, op: "ConvTranspose", domain: "", inputs: bias ? [x, w, bias] : [x, w], attributes }];
};

/** Windows of `size` elements, every `step`, along an axis of n; they become its elements, and what is in them a last axis: index [windows, size] = step w + i. */
const unfolded: Rule = (node, surroundings) => {
  const { attributes } = node;
  const rank = surroundings.rank(node);
  const given = attributeInt(attributes, "dim", -1);
  if (rank === undefined && given !== -1) return undefined;
  const axis = rank !== undefined && given < 0 ? given + rank : given;
  const [size, step] = [attributeInt(attributes, "size", 1), attributeInt(attributes, "step", 1)];
  const c = new Composition(node, surroundings);
  const [x, y] = [node.inputs[0]!, node.outputs[0]!];
  const next: Attributes = axis === -1 || axis + 1 === rank ? {} : { end: int(axis + 1) };
  const length = c.op("Reshape", [c.op("Shape", [x], { start: int(axis), ...next }), c.integers("scalar", [])]);
  const [zero, one, stride, width] = [0, 1, step, size].map((number) => c.integer("number", number));
  const end = c.op("Sub", [length, c.integer("overlap", size - 1)]);
  const starts = c.op("Unsqueeze", [c.op("Range", [zero!, end, stride!]), c.integers("axis", [1])]);
  const indices = c.op("Add", [starts, c.op("Range", [zero!, width!, one!])]);
  const last = rank === undefined || axis === rank - 1;
  const windows = c.op("Gather", [x, indices], { axis: int(axis) }, last ? y : undefined);
  if (last) return c.nodes;
  const order = [...Array(rank + 1).keys()].filter((each) => each !== axis + 1);
  c.op("Transpose", [windows], { perm: ints([...order, axis + 1]) }, y);
  return c.nodes;
};

/** input + skip gate, with one gate for each row. */
const gatedAdd: Rule = (node, surroundings) => {
  const [a, b, gate] = node.inputs as [string, string, string];
  const c = new Composition(node, surroundings);
  c.op("Add", [a, c.op("Mul", [b, gate])], {}, node.outputs[0]);
  return c.nodes;
};

/**
 * The first layer of BERT: the sums of the vectors of words, positions and segments, normalised. mask_index is how many ones each row of the mask has, 0 without a mask.
 */
const embedLayerNormalization: Rule = (node, surroundings) => {
  const [words, segments, wordVectors, positionVectors, segmentVectors, scale, bias, mask, positions] = node.inputs as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string?,
    string?,
  ];
  const [y, count, sum] = node.outputs as [string, string?, string?];
  const c = new Composition(node, surroundings);
  const word = c.op("Gather", [wordVectors, words]);
  const length = () =>
    c.op("Reshape", [c.op("Shape", [words], { start: int(1), end: int(2) }), c.integers("scalar", [])]);
  const places = positions || c.op("Range", [c.integer("first", 0), length(), c.integer("step", 1)]);
  const parts = [
    c.op("Gather", [positionVectors, places]),
    ...(segments ? [c.op("Gather", [segmentVectors, segments])] : []),
  ];
  const total = parts.reduce(
    (before, part, index) => c.op("Add", [before, part], {}, index + 1 === parts.length ? sum || undefined : undefined),
    word,
  );
  const epsilon = float(attributeFloat(node.attributes, "epsilon", 1e-12));
  c.op("LayerNormalization", [total, scale, bias], { axis: int(-1), epsilon }, y);
  if (count) {
    const ones = mask || c.op("Mul", [words, c.op("CastLike", [c.integer("zero", 0), words])]);
    c.op("ReduceSum", [ones, c.integers("axis", [1])], { keepdims: int(0) }, count);
  }
  return c.nodes;
};

/** A depthwise convolution along time [B, C, L] that sees what came before; the state [B, C, k - 1] is what the last call ended with, else zeros. */
const causalConvolution: Rule = (node, surroundings) => {
  const [x, w, bias, state] = node.inputs as [string, string, string?, string?];
  const [channels, , ...kernel] = surroundings.typeOf(w).shape ?? [];
  const [taps] = kernel;
  const activation = attributeString(node.attributes, "activation", "none");
  if (typeof channels !== "number" || typeof taps !== "number" || kernel.length !== 1) return undefined;
  if (!["none", "silu", "swish"].includes(activation)) return undefined;
  const c = new Composition(node, surroundings);
  const whole = state
    ? c.op("Concat", [state, x], { axis: int(-1) })
    : c.op("Pad", [x, c.integers("pads", [0, 0, taps - 1, 0, 0, 0])]);
  const [y, present] = node.outputs as [string, string?];
  const linear = activation === "none";
  const result = c.op("Conv", [whole, w, bias ?? ""], { group: int(channels) }, linear ? y : undefined);
  if (!linear) c.op("Mul", [result, c.op("Sigmoid", [result])], {}, y);
  if (present) {
    const [start, end, axis] = [-(taps - 1), Number.MAX_SAFE_INTEGER, 2].map((each) => c.integers("bound", [each]));
    c.op("Slice", [whole, start!, end!, axis!], {}, present);
  }
  return c.nodes;
};

export const contributedRules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...["DequantizeLinear", "GatherND", "QuantizeLinear", "Range", "Trilu"].map((op) => [op, renamed(op)] as const),
  ["SampleOp", renamed("Identity")],
  ["TransposeMatMul", renamed("FusedMatMul", "com.microsoft")],
  ["ExpandDims", expandDims],
  ["Pad", pad],
  ["GridSample", gridSample],
  ["CDist", pairwiseDistance],
  ["ConvTransposeWithDynamicPads", transposedConvolution],
  ["UnfoldTensor", unfolded],
  ["GatedAdd", gatedAdd],
  ["EmbedLayerNormalization", embedLayerNormalization],
  ["CausalConvWithState", causalConvolution],
]);
