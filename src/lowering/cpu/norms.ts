import { consumers, producers } from "../../graph/index.js";
import type { Graph, Node } from "../../onnx/types.js";

/** The same graph with Sqrt(ReduceSumSquare(x)) as one node, ReduceL2(x), where nothing else reads the sum. A small weight that is put back to its norm has one of each. */
export function mergeNorms(graph: Graph): Graph {
  const readers = consumers(graph);
  const makers = producers(graph);
  const kept = new Set(graph.outputs.map(({ name }) => name));
  const gone = new Set<Node>();
  const merged = new Map<Node, Node>();
  for (const root of graph.nodes) {
    const sum = root.op === "Sqrt" && root.domain === "" ? makers.get(root.inputs[0]!) : undefined;
    if (sum?.op !== "ReduceSumSquare" || sum.domain !== "") continue;
    const read = sum.outputs[0]!;
    if (kept.has(read) || readers.get(read)!.length > 1) continue;
    gone.add(sum);
    merged.set(root, { ...sum, op: "ReduceL2", name: root.name, outputs: root.outputs });
  }
  return { ...graph, nodes: graph.nodes.filter((node) => !gone.has(node)).map((node) => merged.get(node) ?? node) };
}
