import { consumers, inferGraph, type Value } from "../../../graph/index.js";
import { floats, type Graph, type Node, string } from "../../../onnx/types.js";
import { isBlockedOp } from "./layout.js";

/**
 * The same graph with sums and activations that follow a blocked convolution drawn into it: the operator adds its fourth input and applies an activation as it writes its result. Each saves a
 * pass that reads and writes a whole tensor.
 */
export function fuse(graph: Graph, opsets: ReadonlyMap<string, number>): Graph {
  return fuseWith(fuseWith(graph, opsets, asSum), opsets, asActivation);
}

/** The two nodes as one, which stands in the follower's place; undefined where they do not fit. */
type Fusion = (convolution: Node, follower: Node, values: ReadonlyMap<string, Value>) => Node | undefined;

/** Add(Conv(x, w, b), z) -> Conv(x, w, b, z) */
const asSum: Fusion = (convolution, follower, values) => {
  const [result] = convolution.outputs as [string];
  const [other] = follower.inputs.filter((name) => name !== result);
  if (follower.op !== "Add" || convolution.inputs[3] || other === undefined) return undefined;
  if (values.get(other)?.shape.join() !== values.get(result)?.shape.join()) return undefined;
  const [x, w, bias = ""] = convolution.inputs as [string, string, string?];
  return { ...convolution, inputs: [x, w, bias, other], outputs: follower.outputs };
};

/** Relu(Conv(...)), or Clip with constant bounds -> Conv(...) with that activation */
const asActivation: Fusion = (convolution, follower, values) => {
  const activated = (attributes: Node["attributes"]): Node => ({
    ...convolution,
    attributes: { ...convolution.attributes, ...attributes },
    outputs: follower.outputs,
  });
  if (follower.op === "Relu") return activated({ activation: string("Relu") });
  if (follower.op !== "Clip") return undefined;
  const [low, high] = [1, 2].map((input) => values.get(follower.inputs[input] ?? "")?.constant?.data[0]);
  if (typeof low !== "number" || typeof high !== "number" || follower.inputs[0] !== convolution.outputs[0])
    return undefined;
  return activated({ activation: string("Clip"), activation_params: floats([low, high]) });
};

function fuseWith(graph: Graph, opsets: ReadonlyMap<string, number>, fusion: Fusion): Graph {
  const readers = consumers(graph);
  const values = inferGraph(graph, opsets);
  const kept = new Set(graph.outputs.map(({ name }) => name));
  const gone = new Set<Node>();
  const fused = new Map<Node, Node>();
  for (const node of graph.nodes) {
    if (!isBlockedOp(node, "Conv") || node.attributes.activation) continue;
    const [result] = node.outputs as [string];
    const [follower, ...others] = readers.get(result) ?? [];
    if (!follower || others.length > 0 || follower.domain !== "" || kept.has(result) || fused.has(follower)) continue;
    const one = fusion(node, follower, values);
    if (!one) continue;
    gone.add(node);
    fused.set(follower, one);
  }
  return { ...graph, nodes: graph.nodes.filter((node) => !gone.has(node)).map((node) => fused.get(node) ?? node) };
}
