import type { Attribute, Graph, Node } from "../../onnx/types.js";
import { ownNames, topologicalOrder } from "./order.js";

/** The node with every graph in its attributes changed; the node itself where it holds none. */
export function mapGraphs(node: Node, change: (graph: Graph) => Graph): Node {
  if (!Object.values(node.attributes).some(({ kind }) => kind === "graph" || kind === "graphs")) return node;
  const attributes = Object.entries(node.attributes).map(([key, attribute]): [string, Attribute] => {
    if (attribute.kind === "graph") return [key, { kind: "graph", value: change(attribute.value) }];
    if (attribute.kind === "graphs") return [key, { kind: "graphs", value: attribute.value.map(change) }];
    return [key, attribute];
  });
  return { ...node, attributes: Object.fromEntries(attributes) };
}

/** The node with every value that it reads renamed, inside its attributes' graphs too. */
export function renameReads(node: Node, rename: (name: string) => string): Node {
  const inputs = node.inputs.map((name) => (name === "" ? name : rename(name)));
  const inner = mapGraphs(node, (graph) => renameCaptures(graph, rename));
  return inner === node && inputs.every((name, index) => name === node.inputs[index]) ? node : { ...inner, inputs };
}

/** Renames what a node's graph takes from outside; a name of its own stays, whatever it hides. */
function renameCaptures(graph: Graph, rename: (name: string) => string): Graph {
  const own = new Set(ownNames(graph));
  const captured = (name: string) => (own.has(name) ? name : rename(name));
  return {
    ...graph,
    nodes: graph.nodes.map((node) => renameReads(node, captured)),
    outputs: graph.outputs.map((output) => ({ ...output, name: captured(output.name) })),
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
