import type { Value } from "../../graph/index.js";
import { elementCount } from "../../onnx/types.js";
import { type Costs, layoutOperators } from "./costs/index.js";
import { type CpuOperator, type CpuRecipe, elementSizes, type NodeView } from "./operator.js";

/** The measured times of two runs differ by some hundredths: what wins by less does not displace the rule's recipe. */
const clearWin = 0.95;

/**
 * The recipe for a node: of those that can do it the one that costs least, its conversions of operands between the forms included. The operator's rule decides where costs are not known for
 * the recipe that the rule would take, and where nothing beats that one by a twentieth.
 */
export function chooseRecipe(operator: CpuOperator, node: NodeView, costs: Costs | undefined): CpuRecipe {
  const fitting = operator.recipes.filter((recipe) => recipe.fits(node));
  const find = (name: string) => fitting.find((recipe) => recipe.name === name);
  const byRule = find(operator.byRule(node, (name) => find(name) !== undefined))!;
  if (!costs || fitting.length === 1) return byRule;
  const names = fitting.map(({ name }) => name);
  const measured = costs.milliseconds(operator.name, operator.sizes(node), names);
  const total = (recipe: CpuRecipe): number =>
    (measured.get(recipe.name) ?? Number.POSITIVE_INFINITY) + conversions(operator, recipe, node, costs);
  const limit = clearWin * total(byRule);
  if (!Number.isFinite(limit)) return byRule;
  let [best, least] = [byRule, limit];
  for (const recipe of fitting) if (total(recipe) < least) [best, least] = [recipe, total(recipe)];
  return best;
}

/**
 * Milliseconds for putting the operands into the recipe's form. What a neighbour converted already costs nothing more; the output counts as wanted in blocks where any input is there in blocks, for
 * then the nodes around work on blocks.
 */
function conversions(operator: CpuOperator, recipe: CpuRecipe, node: NodeView, costs: Costs): number {
  const { block } = node;
  if (block === undefined || recipe.form === "either") return 0;
  const between = (name: string, value: Value): number => {
    const [images, channels, ...positions] = value.shape as [number, number, ...number[]];
    // Few channels are read as they are, and one position is the same in both forms.
    if (positions.length !== 2 || elementCount(positions) === 1 || channels < block / 2) return 0;
    const sizes = elementSizes(images * channels * elementCount(positions));
    return costs.milliseconds(name, sizes, ["reorder"]).get("reorder") ?? 0;
  };
  const { inputs, output } = operator.activations;
  let sum = 0;
  for (const input of inputs) {
    const value = node.inputs[input]!;
    if (recipe.form === "blocked" && !node.isBlocked(input)) sum += between(layoutOperators.toBlocks, value);
    if (recipe.form === "plain" && !node.isPlain(input)) sum += between(layoutOperators.fromBlocks, value);
  }
  const blocksAround = inputs.some((input) => node.isBlocked(input));
  if (output && blocksAround && recipe.form === "plain") sum += between(layoutOperators.toBlocks, node.outputs[0]!);
  return sum;
}
