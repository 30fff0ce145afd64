import type { Attribute, Graph, Node } from "../../onnx/types.js";
import { topologicalOrder } from "./order.js";

/** The node with every value that it reads renamed, inside its attributes' graphs too. */
export function renameReads(node: Node, rename: (name: string) => string): Node {
  const inputs = node.inputs.map((name) => (name === "" ? name : rename(name)));
  const holdsGraph = Object.values(node.attributes).some(({ kind }) => kind === "graph" || kind === "graphs");
  if (!holdsGraph) return inputs.every((name, index) => name === node.inputs[index]) ? node : { ...node, inputs };
  const attributes = Object.entries(node.attributes).map(([key, attribute]): [string, Attribute] => {
    if (attribute.kind === "graph") return [key, { kind: "graph", value: renameCaptures(attribute.value, rename) }];
    if (attribute.kind === "graphs")
      return [key, { kind: "graphs", value: attribute.value.map((graph) => renameCaptures(graph, rename)) }];
    return [key, attribute];
  });
  return { ...node, inputs, attributes: Object.fromEntries(attributes) };
}

/** Renames what a node's graph takes from outside. ONNX forbids inner names that hide outer ones, so no name of its own is touched. */
function renameCaptures(graph: Graph, rename: (name: string) => string): Graph {
  return {
    ...graph,
    nodes: graph.nodes.map((node) => renameReads(node, rename)),
    outputs: graph.outputs.map((output) => ({ ...output, name: rename(output.name) })),
  };
}

/**
 * Every node that reads `from` reads `to` instead. Graph outputs stay as they are: an output named `from` still shows the old value.
 *
 * @throws ISO_GRAPH_INVALID where `to` depends on a node that reads `from`
 */
export function replaceValue(graph: Graph, from: string, to: string): Graph {
  return topologicalOrder({
    ...graph,
    nodes: graph.nodes.map((node) => renameReads(node, (name) => (name === from ? to : name))),
  });
}
