import { GraphBuilder, infer, type Value } from "../../src/graph/index.js";
import { blockedDomain, fromBlocks, placedValue, toBlocks, wholeBlocks } from "../../src/lowering/cpu/blocked/index.js";
import { type CpuOperator, type CpuRecipe, layoutOperators, type NodeView } from "../../src/lowering/cpu/index.js";
import type { Node } from "../../src/onnx/types.js";
import { type Candidate, keepFirst } from "./measure.js";
import type { MeasuredNode } from "./shapes.js";

/** A node as the recipes see it where its neighbours work in blocks. */
export function viewOf(operator: CpuOperator, node: MeasuredNode, block: number | undefined): NodeView {
  const domain = operator.name === "Conv" ? "" : "isonorm";
  const types = node.inputs.map((shape, index) => ({ name: `x${index}`, dtype: "float32" as const, shape }));
  const given: Node = {
    name: "node",
    op: operator.name,
    domain,
    inputs: types.map(({ name }) => name),
    outputs: ["y0", "y1", "y2"],
    attributes: node.attributes,
  };
  const outputs = infer({ node: given, inputs: types, attributes: node.attributes, opset: domain === "" ? 21 : 1 });
  const held = (input: number): boolean => {
    const { shape } = types[input]!;
    return (
      block !== undefined && shape.length === 4 && shape[1]! >= block && operator.activations.inputs.includes(input)
    );
  };
  return {
    node: given,
    attributes: node.attributes,
    inputs: types,
    outputs: outputs.map((type, index) => ({ ...type, name: `y${index}` })),
    block,
    isBlocked: held,
    isPlain: () => true,
  };
}

/** A graph of a node by one recipe, whose operands come in in the form that the recipe works on. */
export function candidate(recipe: CpuRecipe, view: NodeView): Candidate {
  const b = builder();
  const plainInputs = new Map<number, Value>();
  const blockedInputs = new Map<number, Value>();
  const once = (known: Map<number, Value>, input: number, make: () => Value): Value => {
    if (!known.has(input)) known.set(input, make());
    return known.get(input)!;
  };
  const type = (input: number) => view.inputs[input]!;
  const plain = (input: number) => once(plainInputs, input, () => b.input(`x${input}`, "float32", type(input).shape));
  const blocked = (input: number) =>
    once(blockedInputs, input, () => {
      const [images, channels, ...positions] = type(input).shape as [number, number, ...number[]];
      return b.input(`blocked${input}`, "float32", [images, wholeBlocks(channels, view.block!), ...positions]);
    });
  const all = () => view.inputs.map((_, input) => plain(input));
  if (recipe.form === "blocked") {
    const noForm = () => undefined;
    const forms = { inputForm: noForm, outputForm: noForm, matrix: plain, inAnyOrder: plain };
    const context = { ...view, ...forms, b, block: view.block!, plain, blocked, needs: () => true };
    for (const placed of recipe.build(context)) if (placed) keepFirst(b, placedValue(placed));
  } else if (recipe.build) {
    const context = { b, node: view.node, attributes: view.attributes, inputs: all(), outputs: view.outputs };
    for (const value of recipe.build({ ...context, needs: () => true })) if (value) keepFirst(b, value);
  } else keepFirst(b, b.op(view.node.op, all(), view.attributes));
  return { name: recipe.name, b };
}

/** A graph that puts a tensor [N, C, H, W] into blocks, or takes it out of them. */
export function reordering(operator: string, shape: readonly number[], block: number): Candidate {
  const b = builder();
  const [images, channels, ...positions] = shape as [number, number, ...number[]];
  if (operator === layoutOperators.toBlocks) keepFirst(b, toBlocks(b, b.input("x", "float32", shape), block));
  else {
    const x = b.input("x", "float32", [images, wholeBlocks(channels, block), ...positions]);
    keepFirst(b, fromBlocks(b, x, channels));
  }
  return { name: "reorder", b };
}

function builder(): GraphBuilder {
  return new GraphBuilder({ opsets: new Map([[blockedDomain, 1]]) });
}
