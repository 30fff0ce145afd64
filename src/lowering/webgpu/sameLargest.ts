import type { GraphBuilder, Value } from "../../graph/index.js";
import type { RecipeContext } from "../recipe.js";

/** Without ArgMax, whose int64 the provider can hardly do anything with. */
export function sameLargest({ b, inputs, outputs }: RecipeContext): readonly Value[] {
  const [x, y] = inputs as [Value, Value];
  return [b.cast(b.op("Equal", [firstLargest(b, x), firstLargest(b, y)]), outputs[0]!.dtype)];
}

/** For each row of x [N, C] the number of its first largest element, [N]: a float, exact up to 2^24. */
function firstLargest(b: GraphBuilder, x: Value): Value {
  const classes = x.shape[1]!;
  const data = Float32Array.from({ length: classes }, (_, index) => index);
  const numbers = b.constant({ dtype: "float32", shape: [classes], data }, "numbers");
  const isLargest = b.op("Equal", [x, b.reduce("ReduceMax", x, [1], true)]);
  return b.reduce("ReduceMin", b.where(isLargest, numbers, b.scalar(classes)), [1]);
}
