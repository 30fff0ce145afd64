import { attributeFloat, type GraphBuilder, type Value } from "../../graph/index.js";
import { elementCount, float } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";
import { spatialAxes, sumPerChannel, sumPerImage } from "./sums.js";

/**
 * The batch's mean and variance, then the inference operator BatchNormalization with them as its inputs, which normalises in one pass over x.
 * Where x has no spatial axes it is small, and y follows from x - mean, which is there already.
 */
export function batchNormTraining(context: RecipeContext): readonly (Value | undefined)[] {
  const { b, inputs, attributes } = context;
  const [x, scale, bias] = inputs as [Value, Value, Value];
  const epsilon = attributeFloat(attributes, "epsilon", 1e-5);
  if (x.shape.length === 2) {
    const mean = b.mean(x, [0]);
    const centred = b.minus(x, mean);
    const variance = b.mean(b.square(centred), [0]);
    if (!context.needs(0)) return [undefined, mean, variance];
    const gain = b.over(scale, deviation(b, variance, epsilon));
    return [b.plus(b.times(centred, gain), bias), mean, variance];
  }
  const { mean, variance } = batchMoments(b, x);
  const y = context.needs(0)
    ? b.op("BatchNormalization", [x, scale, bias, mean, variance], { epsilon: float(epsilon) })
    : undefined;
  return [y, mean, variance];
}

/**
 * Mean and variance of x [N, C, ...] per channel, in two passes over x that only read: E[x^2] - E[x]^2.
 *
 * That difference loses (mean / deviation)^2 in accuracy, so it is taken in float64, from the float32 sums of each image and channel.
 * What remains is the rounding of those sums, 1e-7 at most of E[x^2] and independent between images:
 * for a channel with mean 100 and deviation 1 the variance is good to 3e-4 (see the test); with a mean of ten deviations, to 1e-5.
 * Subtracting the mean first would be exact, but costs another pass that writes a tensor as large as x.
 */
function batchMoments(b: GraphBuilder, x: Value): { mean: Value; variance: Value } {
  const count = b.scalar(elementCount(x.shape) / x.shape[1]!, "float64");
  const average = (value: Value) => b.over(b.sum(b.cast(sumPerImage(b, value), "float64"), [0]), count);
  const mean = average(x);
  const variance = b.minus(average(b.square(x)), b.square(mean));
  return {
    mean: b.cast(mean, x.dtype),
    variance: b.cast(b.op("Max", [variance, b.scalar(0, "float64")]), x.dtype),
  };
}

/**
 * With m = N times the number of positions, i = 1 / sqrt(variance + epsilon) and x^ = (x - mean) i:
 *
 *   dbias  = sum dy
 *   dscale = sum dy x^ = i (sum dy x - mean sum dy)
 *   dx     = scale i (dy - dbias / m - x^ dscale / m)
 *
 * so dx = a dy + (b x + c) per channel; the inference operator BatchNormalization, with -a dscale / m as its scale and -a dbias / m as its bias, computes
 * the second term from x in one pass.
 */
export function batchNormGrad(context: RecipeContext): readonly (Value | undefined)[] {
  const { b, inputs, attributes } = context;
  const [dy, x, scale, mean, variance] = inputs as [Value, Value, Value, Value, Value];
  const epsilon = attributeFloat(attributes, "epsilon", 1e-5);
  const spread = deviation(b, variance, epsilon);
  const dbias = sumPerChannel(b, dy);
  const dscale = b.over(b.minus(sumPerChannel(b, b.times(dy, x)), b.times(mean, dbias)), spread);
  if (!context.needs(0)) return [undefined, dscale, dbias];

  const count = elementCount(x.shape) / x.shape[1]!;
  const gain = b.over(scale, spread);
  const share = b.times(gain, b.scalar(-1 / count));
  if (x.shape.length === 2) {
    // Rows are short: the operator takes 1.2 ms for [256, 1024], two passes with vectors 0.2.
    const slope = b.over(b.times(share, dscale), spread);
    const shift = b.minus(b.times(share, dbias), b.times(slope, mean));
    const fromX = b.plus(b.times(x, slope), shift);
    return [b.plus(b.times(dy, gain), fromX), dscale, dbias];
  }
  const fromX = b.op("BatchNormalization", [x, b.times(share, dscale), b.times(share, dbias), mean, variance], {
    epsilon: float(epsilon),
  });
  const perChannel = b.reshape(gain, [x.shape[1]!, ...spatialAxes(x).map(() => 1)]);
  return [b.plus(b.times(dy, perChannel), fromX), dscale, dbias];
}

function deviation(b: GraphBuilder, variance: Value, epsilon: number): Value {
  return b.sqrt(b.plus(variance, b.scalar(epsilon)));
}
