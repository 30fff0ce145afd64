import { operatorKey } from "../../graph/index.js";
import { elementCount, type Graph, type Node } from "../../onnx/types.js";

/**
 * What an initializer is to the network.
 * `weight`: of a linear map; `bias`: added; `gain`: multiplies channels (the gamma of a normalisation); `slope`: of PRelu;
 * `parameter`: another array of numbers that may be trained; `statistic`: running statistics; `constant`: settings, not trained.
 */
export type WeightRole = "weight" | "bias" | "gain" | "slope" | "parameter" | "statistic" | "constant";

export interface WeightUse {
  readonly role: WeightRole;
  readonly node: Node;
}

/** Operators that hand a weight on to the one that uses it; quantised it is the same weight, only rounded. */
const handsOn = new Set([
  "Identity",
  "Transpose",
  "Reshape",
  "Cast",
  "CastLike",
  "Squeeze",
  "Unsqueeze",
  "Flatten",
  "Dropout",
  "Expand",
  "Slice",
  "QuantizeLinear",
  "DequantizeLinear",
]);

const rolesByInput: Readonly<Record<string, readonly WeightRole[]>> = {
  Conv: ["weight", "weight", "bias"],
  ConvTranspose: ["weight", "weight", "bias"],
  Gemm: ["weight", "weight", "bias"],
  MatMul: ["weight", "weight"],
  Einsum: ["weight", "weight", "weight"],
  "com.microsoft:FusedMatMul": ["weight", "weight"],
  "isonorm:ScaleInvariantLinear": ["weight", "weight"],
  Gather: ["weight"],
  RNN: ["constant", "weight", "weight", "bias"],
  GRU: ["constant", "weight", "weight", "bias"],
  LSTM: ["constant", "weight", "weight", "bias"],
  BatchNormalization: ["parameter", "gain", "bias", "statistic", "statistic"],
  InstanceNormalization: ["parameter", "gain", "bias"],
  GroupNormalization: ["parameter", "gain", "bias"],
  LayerNormalization: ["parameter", "gain", "bias"],
  RMSNormalization: ["parameter", "gain"],
  SimplifiedLayerNormalization: ["parameter", "gain"],
  "com.microsoft:SimplifiedLayerNormalization": ["parameter", "gain"],
  PRelu: ["parameter", "slope"],
  Add: ["bias", "bias"],
  Sub: ["bias", "bias"],
  Sum: ["bias", "bias"],
  Mul: ["gain", "gain"],
  Div: ["gain", "gain"],
};

/** Operators whose initializers are settings. */
const settings = new Set(
  "Clip Pow Resize Upsample Pad OneHot Range ConstantOfShape Greater GreaterOrEqual Less LessOrEqual Equal Max Min QuantizeLinear DequantizeLinear".split(
    " ",
  ),
);

const precedence: readonly WeightRole[] = ["weight", "gain", "slope", "bias", "parameter", "statistic", "constant"];

/**
 * What the initializer `name` is used for, and by which node; undefined where nothing reads it. With several uses the one that
 * comes first in the order weight, gain, slope, bias counts. A single number that is added or multiplied counts as a constant.
 */
export function weightUse(graph: Graph, name: string): WeightUse | undefined {
  const single = elementCount(graph.initializers.get(name)?.shape ?? []) === 1;
  const uses: WeightUse[] = [];
  const names = new Set([name]);
  for (const node of graph.nodes)
    node.inputs.forEach((input, index) => {
      if (!names.has(input)) return;
      if (index === 0 && handsOn.has(node.op)) for (const output of node.outputs) names.add(output);
      else uses.push({ role: roleAt(node, index, single), node });
    });
  return uses.sort((a, b) => precedence.indexOf(a.role) - precedence.indexOf(b.role))[0];
}

function roleAt(node: Node, input: number, single: boolean): WeightRole {
  const role = rolesByInput[operatorKey(node.op, node.domain)]?.[input];
  const adds = ["Add", "Sub", "Sum", "Mul", "Div"].includes(node.op);
  if (role) return adds && single ? "constant" : role;
  return settings.has(node.op) || single ? "constant" : "parameter";
}
