import { attributeFloat, type GraphBuilder, type Value } from "../../graph/index.js";
import { elementCount } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";
import { sumPerChannel } from "./sums.js";

/**
 * y = scale (x - mean) / sqrt(variance + epsilon) + bias, element by element: operators that do not care where the channels stand, so that the provider
 * need not move them. The variance is that of x - mean: the difference E[x^2] - E[x]^2 would need float64. The gradient reads x - mean again, and x no more.
 */
export function batchNormTraining(context: RecipeContext): readonly (Value | undefined)[] {
  const { b, inputs, attributes } = context;
  const [x, scale, bias] = inputs as [Value, Value, Value];
  const count = b.scalar(valuesPerChannel(x));
  const mean = b.over(sumPerChannel(b, x), count);
  const centred = b.minus(x, perChannel(b, mean, x));
  const variance = b.over(sumPerChannel(b, b.square(centred)), count);
  if (!context.needs(0)) return [undefined, mean, variance];
  const gain = b.over(scale, deviation(b, variance, attributeFloat(attributes, "epsilon", 1e-5)));
  return [b.plus(b.times(centred, perChannel(b, gain, x)), perChannel(b, bias, x)), mean, variance];
}

/**
 * With m values a channel, s = sqrt(variance + epsilon) and c = x - mean:
 *
 *   dbias  = sum dy
 *   dscale = sum dy c / s
 *   dx     = scale / s (dy - dbias / m - c / s dscale / m)
 */
export function batchNormGrad(context: RecipeContext): readonly (Value | undefined)[] {
  const { b, inputs, attributes } = context;
  const [dy, x, scale, mean, variance] = inputs as [Value, Value, Value, Value, Value];
  const spread = deviation(b, variance, attributeFloat(attributes, "epsilon", 1e-5));
  // The same node as in the forward pass: it is computed once.
  const centred = b.minus(x, perChannel(b, mean, x));
  const dbias = sumPerChannel(b, dy);
  const dscale = b.over(sumPerChannel(b, b.times(dy, centred)), spread);
  if (!context.needs(0)) return [undefined, dscale, dbias];

  const share = b.scalar(1 / valuesPerChannel(x));
  const gain = b.over(scale, spread);
  const slope = perChannel(b, b.times(b.over(dscale, spread), share), x);
  const straightened = b.minus(b.minus(dy, b.times(centred, slope)), perChannel(b, b.times(dbias, share), x));
  return [b.times(straightened, perChannel(b, gain, x)), dscale, dbias];
}

function valuesPerChannel(x: Value): number {
  return elementCount(x.shape) / x.shape[1]!;
}

/** [C] as [C, 1, ...], so that it broadcasts against x [N, C, ...]. */
function perChannel(b: GraphBuilder, values: Value, x: Value): Value {
  return b.reshape(
    values,
    x.shape.slice(1).map((size, axis) => (axis === 0 ? size : 1)),
  );
}

function deviation(b: GraphBuilder, variance: Value, epsilon: number): Value {
  return b.sqrt(b.plus(variance, b.scalar(epsilon)));
}
