import { consumers, producers } from "../../graph/index.js";
import type { Graph, Node } from "../../onnx/types.js";

/** What stands in a node's place, in order, and the nodes before it that this makes superfluous. */
export interface DrawnIn {
  readonly nodes: readonly Node[];
  readonly gone: readonly Node[];
}

/**
 * The same graph with nodes drawn into those that read them.
 *
 * @param draw - asked for each node; `soleUse` gives the ONNX operator `op` that makes a value which nothing else reads
 */
export function drawIn(
  graph: Graph,
  draw: (node: Node, soleUse: (name: string, op: string) => Node | undefined) => DrawnIn | undefined,
): Graph {
  const readers = consumers(graph);
  const makers = producers(graph);
  const kept = new Set(graph.outputs.map(({ name }) => name));
  const soleUse = (name: string, op: string): Node | undefined => {
    const maker = makers.get(name);
    const alone = !kept.has(name) && readers.get(name)?.length === 1;
    return alone && maker?.op === op && maker.domain === "" ? maker : undefined;
  };
  const gone = new Set<Node>();
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    const drawn = node.domain === "" ? draw(node, soleUse) : undefined;
    for (const one of drawn?.gone ?? []) gone.add(one);
    return drawn?.nodes ?? [node];
  });
  return { ...graph, nodes: nodes.filter((node) => !gone.has(node)) };
}
