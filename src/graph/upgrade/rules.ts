import { IsonormError } from "../../errors.js";
import { type Attributes, type DataType, type Dimension, int, type Node, string } from "../../onnx/types.js";
import { attributeFloat, attributeFloats, attributeInt, attributeInts, attributeString } from "../attributes.js";
import { batchedScan } from "./batchedScan.js";
import { currentOpset } from "./opset.js";

/** What a rule may ask about the model around its node, and the constants and names that it makes. */
export interface Surroundings {
  /** The operator set that the node is of. */
  readonly opset: number;
  /** A name that no value has yet. */
  fresh(base: string): string;
  /** The name of a new constant, a row of int64. */
  integers(node: Node, label: string, numbers: readonly number[]): string;
  /** The same of one int64 without an axis. */
  integer(node: Node, label: string, number: number): string;
  /** A row of float32. */
  floats(node: Node, label: string, numbers: readonly number[]): string;
  /** A matrix of float32, row by row. */
  matrix(node: Node, label: string, shape: readonly [number, number], numbers: readonly number[]): string;
  /** A row of strings. */
  strings(node: Node, label: string, values: readonly string[]): string;
  /** The same of one number, of the type that the file gives for the node's first input or output, by default float32. */
  scalar(node: Node, label: string, number: number): string;
  /** The rank of an elementwise node's values, where the file says. */
  rank(node: Node): number | undefined;
  /** The contents of an initializer or Constant node of the main graph. */
  constantNumbers(name: string): readonly number[] | undefined;
  /** The node of the main graph that makes a value. */
  makerOf(name: string): Node | undefined;
  /** A value's data type and shape as far as the file gives them. */
  typeOf(name: string): { readonly dtype?: DataType | undefined; readonly shape?: readonly Dimension[] | undefined };
}

/** One node to the nodes that take its place; undefined where the rule does not know this form of it. */
export type Rule = (node: Node, surroundings: Surroundings) => readonly Node[] | undefined;

function without(attributes: Attributes, ...names: readonly string[]): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)));
}

/** An integer list that was an attribute becomes the second input. */
const asInput =
  (name: string): Rule =>
  (node, surroundings) => {
    const numbers = attributeInts(node.attributes, name);
    const attributes = without(node.attributes, name);
    if (!numbers) return [{ ...node, attributes }];
    return [{ ...node, inputs: [node.inputs[0]!, surroundings.integers(node, name, numbers)], attributes }];
  };

/** Outputs named, without a list of sizes, are equal parts; since operator set 18 their number is an attribute. */
const split: Rule = (node, surroundings) => {
  const [changed] = surroundings.opset < 13 ? asInput("split")(node, surroundings)! : [node];
  if (changed!.inputs[1]) return [changed!];
  return [{ ...changed!, attributes: { ...changed!.attributes, num_outputs: int(node.outputs.length) } }];
};

const slice: Rule = (node, surroundings) => {
  const [starts, ends, axes] = ["starts", "ends", "axes"].map((name) => {
    const numbers = attributeInts(node.attributes, name);
    return numbers ? surroundings.integers(node, name, numbers) : "";
  });
  const inputs = [node.inputs[0]!, starts!, ends!, ...(axes ? [axes] : [])];
  return [{ ...node, inputs, attributes: {} }];
};

const pad: Rule = (node, surroundings) => {
  const pads = surroundings.integers(node, "pads", attributeInts(node.attributes, "pads") ?? []);
  const value = attributeFloat(node.attributes, "value", 0);
  const inputs = [node.inputs[0]!, pads, ...(value === 0 ? [] : [surroundings.scalar(node, "value", value)])];
  return [{ ...node, inputs, attributes: without(node.attributes, "pads", "value") }];
};

const clip: Rule = (node, surroundings) => {
  const bounds = ["min", "max"].map((name) => {
    const bound = attributeFloat(node.attributes, name);
    return bound === undefined ? "" : surroundings.scalar(node, name, bound);
  });
  return [{ ...node, inputs: [node.inputs[0]!, ...bounds], attributes: {} }];
};

const dropout: Rule = (node, surroundings) => {
  const ratio = surroundings.scalar(node, "ratio", attributeFloat(node.attributes, "ratio", 0.5));
  return [{ ...node, inputs: [node.inputs[0]!, ratio], attributes: without(node.attributes, "ratio") }];
};

const topK: Rule = (node, surroundings) => {
  const k = surroundings.integers(node, "k", [attributeInt(node.attributes, "k", 1)]);
  return [{ ...node, inputs: [node.inputs[0]!, k], attributes: without(node.attributes, "k") }];
};

/**
 * Before operator set 13 the shape was taken as two axes, before and from `axis` on, and the softmax ran over the second whole. With the
 * last axis that is today's.
 */
const softmax: Rule = (node, surroundings) => {
  const axis = attributeInt(node.attributes, "axis", 1);
  const rank = surroundings.rank(node);
  if (axis === -1 || (rank !== undefined && (axis === rank - 1 || axis + rank === rank - 1)))
    return [{ ...node, attributes: { axis: int(-1) } }];
  const [x, y] = [node.inputs[0]!, node.outputs[0]!];
  const [shape, flat, result] = ["shape", "flat", "result"].map((label) => surroundings.fresh(`${y}/${label}`));
  const make = (op: string, inputs: string[], output: string, attributes: Attributes = {}): Node => ({
    op,
    domain: "",
    name: `${node.name || y}/${op}`,
    inputs,
    outputs: [output],
    attributes,
  });
  return [
    make("Shape", [x], shape!),
    make("Flatten", [x], flat!, { axis: int(axis) }),
    { ...node, inputs: [flat!], outputs: [result!], attributes: { axis: int(-1) } },
    make("Reshape", [result!, shape!], y),
  ];
};

/**
 * Until operator set 10 a pixel's position was its index divided by the scale, and "nearest" rounded it down, or up where the scale is below 1
 * (so ONNX Runtime does it).
 */
const resize: Rule = (node, surroundings) => {
  const given = attributeFloats(node.attributes, "scales");
  const scales = given ? surroundings.floats(node, "scales", given) : node.inputs[1]!;
  const mode = attributeString(node.attributes, "mode", "nearest");
  const numbers = mode === "nearest" ? (given ?? surroundings.constantNumbers(scales)) : [];
  if (!numbers) throw withoutEqual(node, "scales that are not constant");
  const shrinks = numbers.some((scale) => scale < 1);
  if (shrinks && numbers.some((scale) => scale > 1)) throw withoutEqual(node, "scales below and above 1");
  return [
    {
      ...node,
      op: "Resize",
      inputs: [node.inputs[0]!, "", scales],
      attributes: {
        mode: string(mode === "bilinear" ? "linear" : mode),
        coordinate_transformation_mode: string("asymmetric"),
        nearest_mode: string(shrinks ? "ceil" : "floor"),
      },
    },
  ];
};

/** The interpolation has had other names since operator set 20. */
const gridSample: Rule = (node) => {
  const mode = attributeString(node.attributes, "mode", "bilinear");
  return [{ ...node, attributes: { ...node.attributes, mode: string(mode.replace(/^bi/, "")) } }];
};

/** Boxes were not moved by half a pixel before operator set 16. */
const roiAlign: Rule = (node) => {
  const coordinate_transformation_mode = string("output_half_pixel");
  return [{ ...node, attributes: { ...node.attributes, coordinate_transformation_mode } }];
};

/** The axis became an input in operator set 20, and another by default. */
const dft: Rule = (node, surroundings) => {
  const axis = surroundings.integer(node, "axis", attributeInt(node.attributes, "axis", 1));
  const [x, length = ""] = node.inputs as [string, string?];
  return [{ ...node, inputs: [x, length, axis], attributes: without(node.attributes, "axis") }];
};

/** Five outputs meant training; of these today's first three are left. */
const batchNormalization: Rule = (node) => {
  if (attributeInt(node.attributes, "spatial", 1) !== 1) throw withoutEqual(node, "spatial = 0");
  const training = node.outputs.slice(1).some((name) => name !== "");
  if (!training)
    return [{ ...node, outputs: node.outputs.slice(0, 1), attributes: without(node.attributes, "spatial") }];
  const attributes = { ...without(node.attributes, "spatial"), training_mode: int(1) };
  return [{ ...node, outputs: node.outputs.slice(0, 3), attributes }];
};

/** Scale and bias, one number a group, are repeated for each of the group's channels: [G] -> [G, 1] -> [G, C / G] -> [C]. */
const groupNormalization: Rule = (node, surroundings) => {
  const name = node.name || node.outputs[0]!;
  const groups = attributeInt(node.attributes, "num_groups", 1);
  const make = (op: string, inputs: string[], attributes: Attributes = {}): Node => {
    const output = surroundings.fresh(`${name}/${op}`);
    return { op, domain: "", name: output, inputs, outputs: [output], attributes };
  };
  const one = surroundings.integers(node, "one", [1]);
  const channels = make("Shape", [node.inputs[0]!], { start: int(1), end: int(2) });
  const share = make("Div", [channels.outputs[0]!, surroundings.integers(node, "groups", [groups])]);
  const target = make("Concat", [one, share.outputs[0]!], { axis: int(0) });
  const repeat = (vector: string): readonly Node[] => {
    const column = make("Unsqueeze", [vector, one]);
    const wide = make("Expand", [column.outputs[0]!, target.outputs[0]!]);
    return [column, wide, make("Reshape", [wide.outputs[0]!, surroundings.integers(node, "all", [-1])])];
  };
  const [scale, bias] = [repeat(node.inputs[1]!), repeat(node.inputs[2]!)];
  const inputs = [node.inputs[0]!, scale.at(-1)!.outputs[0]!, bias.at(-1)!.outputs[0]!];
  return [channels, share, target, ...scale, ...bias, { ...node, inputs }];
};

function withoutEqual(node: Node, what: string): IsonormError {
  return new IsonormError(
    "ISO_ONNX_UNSUPPORTED",
    `node ${node.name || node.outputs[0]} (${node.op}) has ${what}, which newer operator sets do not know`,
    `Export the model with operator set ${currentOpset}`,
  );
}

/** Operators whose form or meaning changed, each with the operator set that changed it. */
export const rules: ReadonlyMap<string, { readonly until: number; readonly apply: Rule }> = new Map([
  ...["Softmax", "LogSoftmax", "Hardmax"].map((op) => [op, { until: 13, apply: softmax }] as const),
  ...["Squeeze", "Unsqueeze", "ReduceSum"].map((op) => [op, { until: 13, apply: asInput("axes") }] as const),
  ...["Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"].map(
    (name) => [`Reduce${name}`, { until: 18, apply: asInput("axes") }] as const,
  ),
  ["Split", { until: 18, apply: split }],
  ["Slice", { until: 10, apply: slice }],
  ["Pad", { until: 11, apply: pad }],
  ["Clip", { until: 11, apply: clip }],
  ["Dropout", { until: 12, apply: dropout }],
  ["TopK", { until: 10, apply: topK }],
  ["Upsample", { until: 10, apply: resize }],
  ["Resize", { until: 11, apply: resize }],
  ["Scatter", { until: 11, apply: (node) => [{ ...node, op: "ScatterElements" }] }],
  ["BatchNormalization", { until: 14, apply: batchNormalization }],
  ["GridSample", { until: 20, apply: gridSample }],
  ["RoiAlign", { until: 16, apply: roiAlign }],
  ["DFT", { until: 20, apply: dft }],
  ["GroupNormalization", { until: 21, apply: groupNormalization }],
  ["Scan", { until: 9, apply: batchedScan }],
]);
