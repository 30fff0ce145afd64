import type { Graph, Node, Tensor } from "../../onnx/types.js";
import { attributeTensor } from "../attributes.js";
import { freshName } from "../builder.js";
import { allNames, innerGraphs, mapGraphs, renameReads } from "../rewrite/index.js";

/**
 * Moves the initializers and stored Constant nodes of the graphs in attributes, at any depth, to the main graph: so a weight inside a loop's body
 * stays one weight, however often the body is copied. A name that is given more than once in the model gets a number.
 */
export function hoistConstants(main: Graph): Graph {
  if (!main.nodes.some((node) => innerGraphs(node).length > 0)) return main;
  const given = new Map<string, number>();
  for (const name of allNames(main)) given.set(name, (given.get(name) ?? 0) + 1);
  const initializers = new Map(main.initializers);
  const unique = (base: string): string => (given.get(base) === 1 ? base : freshName(given, base));
  const withoutConstants = (graph: Graph): Graph => {
    const names = new Map<string, string>();
    const store = (name: string, tensor: Tensor): void => {
      names.set(name, unique(name));
      initializers.set(names.get(name)!, tensor);
    };
    for (const [name, tensor] of graph.initializers) store(name, tensor);
    const nodes = graph.nodes.filter((node) => {
      const tensor = storedConstant(node);
      if (tensor) store(node.outputs[0] ?? "", tensor);
      return !tensor;
    });
    const rename = (name: string): string => names.get(name) ?? name;
    return {
      ...graph,
      initializers: new Map(),
      nodes: nodes.map((node) => mapGraphs(renameReads(node, rename), withoutConstants)),
      outputs: graph.outputs.map((output) => ({ ...output, name: rename(output.name) })),
    };
  };
  const nodes = main.nodes.map((node) => mapGraphs(node, withoutConstants));
  return { ...main, nodes, initializers };
}

/** What a Constant node holds as a tensor; undefined for any other node. */
export function storedConstant({ op, domain, attributes }: Node): Tensor | undefined {
  return op === "Constant" && domain === "" ? attributeTensor(attributes, "value") : undefined;
}
