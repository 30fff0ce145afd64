import type { Value } from "../../graph/index.js";
import { elementCount, int, string } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";

/**
 * MaxPool again, with its second output: for each window the place of its first largest element in the flat tensor. dy is added there, as windows
 * may overlap.
 */
export function maxPoolGrad({ b, inputs, attributes }: RecipeContext): readonly Value[] {
  const [x, , dy] = inputs as [Value, Value, Value];
  const [, indices] = b.add("MaxPool", [x], attributes, { outputNames: ["", ""] });
  const [size, count] = [elementCount(x.shape), elementCount(dy.shape)];
  const places = b.reshape(indices!, [count]);
  const zeros = b.expand(b.constant({ dtype: "float32", shape: [1], data: new Float32Array(1) }), [size]);
  const scattered = b.op("ScatterElements", [zeros, places, b.reshape(dy, [count])], {
    axis: int(0),
    reduction: string("add"),
  });
  return [b.reshape(scattered, x.shape)];
}
