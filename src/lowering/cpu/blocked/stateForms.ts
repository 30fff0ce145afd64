import { attributeInt, consumers, inferGraph, operatorKey, sameShape, type Value } from "../../../graph/index.js";
import { elementCount, type Graph, type Node } from "../../../onnx/types.js";
import { elementwiseOperators } from "./elementwise.js";
import type { MatrixForm } from "./matrices.js";
import { formWith, productHasForm } from "./product.js";

/**
 * The form of every matrix that state is computed from element by element, or that is computed from state so: a weight's gradient takes the form in which the weight is held, so that no update changes the order of
 * elements.
 *
 * @param given - of inputs and outputs
 */
export function stateForms(
  graph: Graph,
  opsets: ReadonlyMap<string, number>,
  given: ReadonlyMap<string, MatrixForm>,
): ReadonlyMap<string, MatrixForm> {
  const values = inferGraph(graph, opsets);
  const forms = new Map(given);
  const spread = (node: Node, from: readonly string[], to: readonly string[]): void => {
    const output = values.get(node.outputs[0]!)!;
    if (!isElementwise(node) || !isMatrix(output)) return;
    const like = (name: string): boolean => {
      const value = values.get(name);
      return value !== undefined && isMatrix(value) && sameShape(value.shape, output.shape);
    };
    const form = from.map((name) => forms.get(name)).find((one) => one !== undefined);
    if (form) for (const name of to) if (like(name) && !forms.has(name)) forms.set(name, form);
  };
  for (const node of graph.nodes) spread(node, node.inputs, node.outputs);
  for (const node of graph.nodes.toReversed()) spread(node, node.outputs, node.inputs);
  return forms;
}

/**
 * The form in which a training step best holds the weights of linear layers, so that their products need not put them into blocks: by name those that nothing but products in blocks, and what goes element by
 * element, reads.
 *
 * @param graph - of the step, before it is lowered
 * @param names - weights, inputs of the graph
 * @param block - channels in a block
 */
export function weightForms(
  graph: Graph,
  opsets: ReadonlyMap<string, number>,
  names: readonly string[],
  block: number,
): ReadonlyMap<string, MatrixForm> {
  const values = inferGraph(graph, opsets);
  const readers = consumers(graph);
  const forms = new Map<string, MatrixForm>();
  for (const name of names) {
    const products = (readers.get(name) ?? []).filter((node) => operatorKey(node.op, node.domain) === "Gemm");
    const [first] = products;
    if (!first) continue;
    // The forward pass, which comes first, writes blocks of the layer's outputs.
    const form: MatrixForm = attributeInt(first.attributes, "transB", 0) ? "rows" : "columns";
    const rows = values.get(first.outputs[0]!)!.shape[0]!;
    if (rows * elementCount(values.get(name)!.shape) < leastWork) continue;
    const inBlocks = (node: Node): boolean => {
      const [left, right, bias] = node.inputs.map((input) => values.get(input)) as [Value, Value, Value | undefined];
      return (
        node.inputs[0] !== name &&
        productHasForm(node.attributes, [left, right, bias], formWith(node.attributes, form)!, block)
      );
    };
    const others = readers.get(name)!.filter((node) => !products.includes(node));
    if (products.every(inBlocks) && others.every((node) => isElementwise(node) || sumsSquares(node)))
      forms.set(name, form);
  }
  return forms;
}

/**
 * Multiplications of a product below which blocks are left alone: their nodes, and the reordering of the layer's inputs and outputs, take longer than they save. Steps of networks with two hidden layers, on two
 * cores of a Zen 4: 64-128-128 at batch 64 0.85 times as fast in blocks, 64-256-256 1.09, 784-128-128 at batch 128 0.96, 64-128-128 at 256 1.34, 784-1024-1024 at 256 1.21.
 */
const leastWork = 2 ** 21;

const isElementwise = (node: Node): boolean => node.domain === "" && elementwiseOperators.has(node.op);
const sumsSquares = (node: Node): boolean => operatorKey(node.op, node.domain) === "isonorm:SumOfSquares";
const isMatrix = ({ dtype, shape }: Value): boolean => dtype === "float32" && shape.length === 2;
