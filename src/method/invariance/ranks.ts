import { attributeInt, attributeInts, operatorKey } from "../../graph/index.js";
import type { Graph, Node, Tensor } from "../../onnx/types.js";

/** Operators whose outputs have the rank of their first input. */
const keepsRank = new Set([
  ..."Identity Dropout Cast CastLike Relu LeakyRelu PRelu Elu Selu Gelu Sigmoid HardSigmoid HardSwish Mish Softplus Tanh Erf".split(
    " ",
  ),
  ..."Abs Neg Sign Sqrt Reciprocal Exp Log Clip Softmax LogSoftmax Transpose Slice Split Tile Pad Concat CumSum CumProd".split(
    " ",
  ),
  ..."BatchNormalization InstanceNormalization GroupNormalization LayerNormalization RMSNormalization LpNormalization".split(
    " ",
  ),
  ..."MeanVarianceNormalization SimplifiedLayerNormalization MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool".split(
    " ",
  ),
  ..."GlobalLpPool Resize Upsample DepthToSpace SpaceToDepth".split(" "),
]);

const elementwise = new Set(
  "Add Sub Mul Div Pow Sum Mean Max Min Where Equal Greater GreaterOrEqual Less LessOrEqual".split(" "),
);

/**
 * Ranks of the graph's values, as far as they follow from the operators: all that the proof needs of shapes, so that it works
 * where dimensions are symbolic or missing.
 */
export function inferRanks(graph: Graph, constants: ReadonlyMap<string, Tensor>): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  for (const value of [...graph.valueInfo, ...graph.outputs, ...graph.inputs])
    if (value.shape) ranks.set(value.name, value.shape.length);
  for (const [name, tensor] of constants) ranks.set(name, tensor.shape.length);
  for (const node of graph.nodes) {
    const rank = rankOf(node, ranks, constants);
    if (rank !== undefined) for (const name of node.outputs) if (name !== "" && !ranks.has(name)) ranks.set(name, rank);
  }
  return ranks;
}

function rankOf(
  node: Node,
  ranks: ReadonlyMap<string, number>,
  constants: ReadonlyMap<string, Tensor>,
): number | undefined {
  const input = (index: number): number | undefined => ranks.get(node.inputs[index] ?? "");
  const [first, second] = [input(0), input(1)];
  const axes = (): number | undefined =>
    constants.get(node.inputs[1] ?? "")?.data.length ?? attributeInts(node.attributes, "axes")?.length;
  const plus = (rank: number | undefined, change: number | undefined) =>
    rank === undefined || change === undefined ? undefined : rank + change;
  if (keepsRank.has(node.op)) return first;
  if (elementwise.has(node.op)) {
    const all = node.inputs.map((name) => ranks.get(name));
    return all.some((rank) => rank === undefined) ? undefined : Math.max(...(all as number[]));
  }
  if (node.op.startsWith("Reduce")) {
    if (attributeInt(node.attributes, "keepdims", 1) !== 0) return first;
    return plus(first, axes() === undefined ? (first === undefined ? undefined : -first) : -axes()!);
  }
  switch (operatorKey(node.op, node.domain)) {
    case "Conv":
    case "ConvTranspose":
      return second ?? first;
    case "Gemm":
    case "Flatten":
    case "isonorm:ScaleInvariantLinear":
      return 2;
    case "MatMul":
      return first === undefined || second === undefined || first < 2 || second < 2
        ? undefined
        : Math.max(first, second);
    case "Reshape":
      return constants.get(node.inputs[1] ?? "")?.data.length ?? attributeInts(node.attributes, "shape")?.length;
    case "Squeeze":
      return plus(first, axes() === undefined ? undefined : -axes()!);
    case "Unsqueeze":
      return plus(first, axes());
    case "Expand": {
      const target = constants.get(node.inputs[1] ?? "")?.data.length;
      return first === undefined || target === undefined ? undefined : Math.max(first, target);
    }
    case "Gather":
      return plus(plus(first, second), -1);
    case "Shape":
      return 1;
    default:
      return undefined;
  }
}
