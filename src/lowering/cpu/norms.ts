import type { Graph } from "../../onnx/types.js";
import { drawIn } from "./drawIn.js";

/** The same graph with Sqrt(ReduceSumSquare(x)) as one node, ReduceL2(x), where nothing else reads the sum. A small weight that is put back to its norm has one of each. */
export function mergeNorms(graph: Graph): Graph {
  return drawIn(graph, (root, soleUse) => {
    const sum = root.op === "Sqrt" ? soleUse(root.inputs[0]!, "ReduceSumSquare") : undefined;
    return sum && { nodes: [{ ...sum, op: "ReduceL2", name: root.name, outputs: root.outputs }], gone: [sum] };
  });
}
