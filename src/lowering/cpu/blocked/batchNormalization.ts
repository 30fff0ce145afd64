import { attributeFloat, attributeInt, type GraphBuilder, type Value } from "../../../graph/index.js";
import { elementCount, int, ints } from "../../../onnx/types.js";
import { sumProductByChannel } from "./dot.js";
import { type BlockedContext, type BlockedRule, blockedOp, type Placed, padAxis, sliceAxis } from "./layout.js";

/**
 * Batch normalisation in blocks of channels. What is done by channel is a depthwise convolution of one element a kernel, gain x + shift, into which `fuse.ts` draws the sum and the activation that follow.
 */

/** gain x + shift (+ added), by channel. x, added: blocked [N, P, H, W]; gain, shift: [P] */
function scaleByChannel(b: GraphBuilder, x: Value, gain: Value, shift?: Value, added?: Value): Value {
  const channels = x.shape[1]!;
  return blockedOp(b, "Conv", [x, b.reshape(gain, [channels, 1, 1, 1]), shift, added], {
    kernel_shape: ints([1, 1]),
    group: int(channels),
  });
}

/** Mean by channel, over each image's positions first. x: blocked [N, P, H, W]; returns [P] */
function meanByChannel(b: GraphBuilder, x: Value): Value {
  const means = blockedOp(b, "GlobalAveragePool", [x], {});
  return x.shape[0] === 1 ? b.reshape(means, [x.shape[1]!]) : b.mean(means, [0, 2, 3]);
}

/** Vectors of the node's inputs with zeros behind them for the lanes without a channel. */
function vectors({ b, plain }: BlockedContext, inputs: readonly number[], lanes: number): Value[] {
  return inputs.map((input) => padAxis(b, plain(input), 0, lanes));
}

/**
 * As the plain recipe (`../batchNormalization.ts`), but for the difference E[x^2] - E[x]^2, which is taken in float32: it loses (mean / deviation)^2 in accuracy, as the means that it is taken of
 * have lost already. For a channel with mean 30 and deviation 1 the variance is good to 1e-3 (see the test).
 */
export function batchNormTraining(context: BlockedContext): readonly (Placed | undefined)[] {
  const { b, attributes } = context;
  const x = context.blocked(0);
  const [scale, bias] = vectors(context, [1, 2], x.shape[1]!) as [Value, Value];
  const count = elementCount(x.shape) / x.shape[1]!;
  const mean = meanByChannel(b, x);
  const difference = b.minus(b.times(sumProductByChannel(b, x, x), b.scalar(1 / count)), b.square(mean));
  const variance = b.op("Max", [difference, b.scalar(0)]);
  const channels = context.inputs[0]!.shape[1]!;
  const moments = [mean, variance].map((value) => ({ plain: sliceAxis(b, value, 0, channels) }));
  if (!context.needs(0)) return [undefined, ...moments];
  const gain = b.over(scale, deviation(b, variance, attributeFloat(attributes, "epsilon", 1e-5)));
  return [{ blocked: scaleByChannel(b, x, gain, b.minus(bias, b.times(mean, gain))) }, ...moments];
}

/** As the plain recipe: dx = gain dy + slope (x - mean) - gain dbias / m by channel, with slope = -gain dscale i / m. */
export function batchNormGrad(context: BlockedContext): readonly (Placed | undefined)[] {
  const { b, attributes } = context;
  const [dy, x] = [context.blocked(0), context.blocked(1)];
  const [scale, mean, variance] = vectors(context, [2, 3, 4], x.shape[1]!) as [Value, Value, Value];
  const count = elementCount(x.shape) / x.shape[1]!;
  const spread = deviation(b, variance, attributeFloat(attributes, "epsilon", 1e-5));
  const dbias = b.times(meanByChannel(b, dy), b.scalar(count));
  const dscale = b.over(b.minus(sumProductByChannel(b, dy, x), b.times(mean, dbias)), spread);
  const channels = context.inputs[1]!.shape[1]!;
  const gradients = [dscale, dbias].map((value) => ({ plain: sliceAxis(b, value, 0, channels) }));
  if (!context.needs(0)) return [undefined, ...gradients];
  const gain = b.over(scale, spread);
  const share = b.times(gain, b.scalar(-1 / count));
  const slope = b.over(b.times(share, dscale), spread);
  const fromX = scaleByChannel(b, x, slope, b.minus(b.times(share, dbias), b.times(slope, mean)));
  return [{ blocked: scaleByChannel(b, dy, gain, undefined, fromX) }, ...gradients];
}

/** BatchNormalization(x, scale, bias, mean, variance) in inference form. */
export const batchNormalization: BlockedRule = (context) => {
  const { b, attributes } = context;
  if (!context.isBlocked(0) || attributeInt(attributes, "training_mode", 0) !== 0) return undefined;
  const x = context.blocked(0);
  const [scale, bias, mean, variance] = vectors(context, [1, 2, 3, 4], x.shape[1]!) as [Value, Value, Value, Value];
  const gain = b.over(scale, deviation(b, variance, attributeFloat(attributes, "epsilon", 1e-5)));
  return [{ blocked: scaleByChannel(b, x, gain, b.minus(bias, b.times(mean, gain))) }];
};

/** ChannelSum(x [N, C, H, W]) -> [C] */
export function channelSum(context: BlockedContext): readonly Placed[] {
  const { b } = context;
  const x = context.blocked(0);
  const sum = b.times(meanByChannel(b, x), b.scalar(elementCount(x.shape) / x.shape[1]!));
  return [{ plain: sliceAxis(b, sum, 0, context.inputs[0]!.shape[1]!) }];
}

function deviation(b: GraphBuilder, variance: Value, epsilon: number): Value {
  return b.sqrt(b.plus(variance, b.scalar(epsilon)));
}
