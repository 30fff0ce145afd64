import { IsonormError } from "../../errors.js";
import { type GraphBuilder, infer, operatorKey, sameShape, type Value } from "../../graph/index.js";
import type { Node } from "../../onnx/types.js";
import type { LoweredValues } from "../loweredValues.js";
import { type BlockedContext, blockedRules, type MatrixForm, type Placed, placedValue } from "./blocked/index.js";
import { chooseRecipe } from "./choose.js";
import type { Costs } from "./costs/index.js";
import type { NodeView } from "./operator.js";
import { cpuOperators } from "./operators/index.js";

export interface PlacedResult {
  readonly name: string;
  readonly result: Placed;
  readonly type: Value;
  /** Whether the recipe's own nodes made it. */
  readonly made: boolean;
}

/** A node's outputs that are read, computed by the recipe chosen for it or on blocks of channels; undefined where it stays as it is. */
export function placeOnCpu(
  b: GraphBuilder,
  node: Node,
  inputs: readonly (Value | undefined)[],
  lowered: LoweredValues,
  read: ReadonlySet<string>,
  forms: ReadonlyMap<string, MatrixForm>,
  { channelBlock, costs }: { readonly channelBlock?: number | undefined; readonly costs?: Costs | undefined },
): readonly PlacedResult[] | undefined {
  const key = operatorKey(node.op, node.domain);
  const [operator, rule] = [cpuOperators.get(key), blockedRules.get(key)];
  if (!operator && !(rule && channelBlock)) return undefined;
  const outputs = outputTypes(b, node, inputs);
  const needs = (output: number) => read.has(node.outputs[output] ?? "");
  const view: NodeView = {
    node,
    attributes: node.attributes,
    inputs,
    outputs,
    block: channelBlock,
    isBlocked: (input) => lowered.isBlocked(node.inputs[input] ?? ""),
    isPlain: (input) => lowered.isPlain(node.inputs[input] ?? ""),
  };
  const plain = (input: number) => lowered.plain(node.inputs[input]!);
  const blocked = (input: number) => lowered.blocked(node.inputs[input]!);
  const inAnyOrder = (input: number) => lowered.inAnyOrder(node.inputs[input]!);
  const context = (block: number): BlockedContext => ({
    ...view,
    b,
    block,
    inputForm: (input) => forms.get(node.inputs[input] ?? ""),
    outputForm: (output) => forms.get(node.outputs[output] ?? ""),
    blocked,
    matrix: (input, form) => lowered.matrix(node.inputs[input]!, form),
    inAnyOrder,
    plain,
    needs,
  });
  const before = b.nodes.length;
  const results = b.within(node.name || node.op, () => {
    if (!operator) return rule!(context(channelBlock!));
    const recipe = chooseRecipe(operator, view, costs);
    if (recipe.form === "blocked") return recipe.build(context(channelBlock!));
    const { attributes } = node;
    const onBlocks = recipe.form === "either" && inputs.some((_, input) => view.isBlocked(input));
    const take = onBlocks ? blocked : recipe.form === "any order" ? inAnyOrder : plain;
    return recipe
      .build?.({ b, node, attributes, outputs, needs, inputs: inputs.map((type, input) => type && take(input)) })
      .map((value) => value && (onBlocks ? { blocked: value } : { plain: value }));
  });
  if (!results) return undefined;
  const made = new Set(b.nodes.slice(before).flatMap((added) => added.outputs));
  return node.outputs.flatMap((name, index) => {
    const result = results[index];
    if (!needs(index)) return [];
    if (!result || "plain" in result) checkedOutput(node, index, result?.plain, outputs[index]!);
    if (!result) return [];
    return [{ name, result, type: outputs[index]!, made: made.has(placedValue(result).name) }];
  });
}

/** The output of a node's recipe, which must have the node's type. */
export function checkedOutput(node: Node, index: number, value: Value | undefined, expected: Value): Value {
  if (value && value.dtype === expected.dtype && sameShape(value.shape, expected.shape)) return value;
  throw new IsonormError(
    "ISO_INTERNAL",
    `the recipe for ${node.op} (node ${node.name}) gave output ${index} the type ` +
      `${value ? `${value.dtype} [${value.shape}]` : "none"} instead of ${expected.dtype} [${expected.shape}]`,
    "Report this as a bug, with the model",
  );
}

/** The types that a node's outputs have in the graph that is lowered. */
export function outputTypes(b: GraphBuilder, node: Node, inputs: readonly (Value | undefined)[]): readonly Value[] {
  const opset = b.opsets.get(node.domain) ?? 1;
  const types = infer({ node, inputs, attributes: node.attributes, opset });
  return types.map((type, index) => ({ ...type, name: node.outputs[index] ?? "" }));
}
