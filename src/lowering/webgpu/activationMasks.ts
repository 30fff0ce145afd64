import type { Value } from "../../graph/index.js";
import type { RecipeContext } from "../recipe.js";

/** dy where y = x, else 0. */
export function clipGrad({ b, inputs }: RecipeContext): readonly Value[] {
  const [dy, x, y] = inputs as [Value, Value, Value];
  return [b.where(b.op("Equal", [x, y]), dy, b.scalar(0))];
}

/** dy where y > 0, else 0. */
export function reluGrad({ b, inputs }: RecipeContext): readonly Value[] {
  const [dy, y] = inputs as [Value, Value];
  return [b.where(b.op("Greater", [y, b.scalar(0)]), dy, b.scalar(0))];
}
