import type { Value } from "../../graph/index.js";
import { int } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";

export function sameLargest({ b, inputs, outputs }: RecipeContext): readonly Value[] {
  const [x, y] = inputs as [Value, Value];
  const largest = (of: Value) => b.op("ArgMax", [of], { axis: int(1), keepdims: int(0) });
  return [b.cast(b.op("Equal", [largest(x), largest(y)]), outputs[0]!.dtype)];
}
