import { IsonormError } from "../../errors.js";
import type { Graph, Tensor } from "../../onnx/types.js";
import { infer } from "../infer/index.js";
import type { Value } from "../value.js";
import { eliminateDeadNodes, pruneInitializers } from "./eliminate.js";

/**
 * The type of every value of a graph, and its contents where they are constant.
 *
 * @param graph - with fully typed inputs
 * @param opsets - operator-set versions by domain
 * @throws ISO_GRAPH_INVALID for an input without a fixed type, or a value that nothing defines; ISO_GRAPH_SHAPE where a node does not fit
 */
export function inferGraph(graph: Graph, opsets: ReadonlyMap<string, number>): ReadonlyMap<string, Value> {
  const values = new Map<string, Value>();
  for (const { name, dtype, shape } of graph.inputs) {
    if (!dtype || !shape?.every((size) => typeof size === "number"))
      throw new IsonormError("ISO_GRAPH_INVALID", `graph input "${name}" has no fixed type`, "Give it a fixed shape");
    values.set(name, { name, dtype, shape });
  }
  for (const [name, tensor] of graph.initializers)
    values.set(name, { name, dtype: tensor.dtype, shape: tensor.shape, constant: tensor });
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => {
      if (name === "") return undefined;
      const value = values.get(name);
      if (!value)
        throw new IsonormError(
          "ISO_GRAPH_INVALID",
          `node ${node.name} (${node.op}) reads "${name}", which nothing before it defines`,
          "Bring the nodes into order first",
        );
      return value;
    });
    const opset = opsets.get(node.domain) ?? 1;
    const types = infer({ node, inputs, attributes: node.attributes, opset });
    node.outputs.forEach((name, index) => {
      const type = types[index];
      if (name !== "" && type) values.set(name, { ...type, name });
    });
  }
  return values;
}

/**
 * Turns every value that is constant before the graph runs into an initializer, and drops the nodes and initializers that this leaves without
 * a reader. Graph outputs keep the node that makes them.
 */
export function materialiseConstants(graph: Graph, opsets: ReadonlyMap<string, number>): Graph {
  const values = inferGraph(graph, opsets);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const initializers = new Map<string, Tensor>(graph.initializers);
  const nodes = graph.nodes.filter((node) => {
    const named = node.outputs.filter((name) => name !== "");
    const constant = named.every((name) => values.get(name)?.constant && !outputs.has(name));
    if (!constant) return true;
    for (const name of named) initializers.set(name, values.get(name)!.constant!);
    return false;
  });
  return pruneInitializers(eliminateDeadNodes({ ...graph, nodes, initializers }));
}
