import type { Value } from "../../graph/index.js";
import { int } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";

/** y = (S x W^T) / n: the norm meets the small product rather than the weight. */
export function linearOverNorm({ b, inputs, attributes }: RecipeContext): readonly Value[] {
  const [x, weight, norm] = inputs as readonly [Value, Value, Value];
  const products = b.op("Gemm", [x, weight], { transB: int(1), alpha: attributes.scale! });
  return [b.over(products, norm)];
}
