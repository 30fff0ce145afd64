import { IsonormError } from "../../errors.js";
import type { Graph, Node } from "../../onnx/types.js";

/** The names that a node reads: its inputs, and what the graphs in its attributes take from outside themselves. */
export function readNames(node: Node): readonly string[] {
  return [...node.inputs.filter((name) => name !== ""), ...innerGraphs(node).flatMap(capturedNames)];
}

/** The names that a graph gives, without those of the graphs in its nodes' attributes. */
export function ownNames(graph: Graph): readonly string[] {
  return [
    ...graph.initializers.keys(),
    ...graph.inputs.map(({ name }) => name),
    ...graph.nodes.flatMap(({ outputs }) => outputs).filter((name) => name !== ""),
  ];
}

/** The graphs in a node's attributes. */
export function innerGraphs(node: Node): readonly Graph[] {
  return Object.values(node.attributes).flatMap((attribute) => {
    if (attribute.kind === "graph") return [attribute.value];
    return attribute.kind === "graphs" ? attribute.value : [];
  });
}

/** Every name that a graph or one inside it gives, as often as it is given. */
export function allNames(graph: Graph): readonly string[] {
  return [...ownNames(graph), ...graph.nodes.flatMap((node) => innerGraphs(node).flatMap(allNames))];
}

function capturedNames(graph: Graph): readonly string[] {
  const own = new Set(ownNames(graph));
  const read = [...graph.nodes.flatMap(readNames), ...graph.outputs.map(({ name }) => name)];
  return read.filter((name) => !own.has(name));
}

/** The node that makes each value. Graph inputs and initializers are made by none. */
export function producers(graph: Graph): ReadonlyMap<string, Node> {
  const made = new Map<string, Node>();
  for (const node of graph.nodes) for (const name of node.outputs) if (name !== "") made.set(name, node);
  return made;
}

/** The nodes that read each value, in order, each once. */
export function consumers(graph: Graph): ReadonlyMap<string, readonly Node[]> {
  const read = new Map<string, Node[]>();
  for (const node of graph.nodes)
    for (const name of new Set(readNames(node))) {
      const nodes = read.get(name);
      if (nodes) nodes.push(node);
      else read.set(name, [node]);
    }
  return read;
}

/** The nodes that depend on any of those values, of a graph in order. */
export function dependents(graph: Graph, names: ReadonlySet<string>): ReadonlySet<Node> {
  const reached = new Set(names);
  const nodes = new Set<Node>();
  for (const node of graph.nodes) {
    if (!readNames(node).some((name) => reached.has(name))) continue;
    nodes.add(node);
    for (const name of node.outputs) if (name !== "") reached.add(name);
  }
  return nodes;
}

/**
 * The graph with its nodes in an order in which every value is made before it is read. Stable: a node moves only behind those that it needs,
 * so an ordered graph comes back as it was.
 *
 * @throws ISO_GRAPH_INVALID naming the nodes of a cycle
 */
export function topologicalOrder(graph: Graph): Graph {
  const made = producers(graph);
  const ordered: Node[] = [];
  const state = new Map<Node, "entered" | "done">();
  // Depth first with a stack of our own: graphs are thousands of nodes deep. `path` holds the nodes entered and not done.
  const path: Node[] = [];
  for (const root of graph.nodes) {
    const stack = [root];
    while (stack.length > 0) {
      const node = stack.at(-1)!;
      if (state.get(node) === undefined) {
        state.set(node, "entered");
        path.push(node);
        for (const name of readNames(node).toReversed()) {
          const producer = made.get(name);
          if (!producer || state.get(producer) === "done") continue;
          if (state.get(producer) === "entered") throw cycle(path.slice(path.indexOf(producer)));
          stack.push(producer);
        }
        continue;
      }
      stack.pop();
      if (state.get(node) === "done") continue;
      state.set(node, "done");
      path.pop();
      ordered.push(node);
    }
  }
  return { ...graph, nodes: ordered };
}

function cycle(path: readonly Node[]): IsonormError {
  const names = [...path, path[0]!].map((node) => node.name || node.outputs[0]);
  return new IsonormError(
    "ISO_GRAPH_INVALID",
    `the graph has a cycle: ${names.join(" needs ")}`,
    "Break the cycle: no node may need its own result",
  );
}
