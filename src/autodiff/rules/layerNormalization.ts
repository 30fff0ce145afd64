import { attributeFloat, attributeInt, attributeInts, type GraphBuilder, type Value } from "../../graph/index.js";
import { elementCount } from "../../onnx/types.js";
import { constantLike } from "../constantLike.js";
import { type GradientRule, registerGradient } from "../registry.js";
import { axisMatrix, transposedAlongAxis } from "./axisMatrix.js";
import { unbroadcast } from "./broadcast.js";
import { frontAxis } from "./operands.js";

/**
 * Normalisations over axes of one example. With x^ = (x - mean) i, i = 1 / sqrt(variance + epsilon), mean and variance over those axes, and g = dL/dx^:
 *
 *   dx = i (g - mean(g) - x^ mean(g x^))
 *
 * as subtracting the mean takes mean(g) out of the gradient, and dividing by the deviation takes out the part along x^.
 */
interface Normalized {
  /** x^ */
  readonly y: Value;
  /** i, size 1 on the axes normalised over */
  readonly inverse: Value;
  readonly axes: readonly number[];
  /** Whether the mean was subtracted; without it (RMS normalisation) the gradient keeps its mean. */
  readonly centred: boolean;
}

function normalize(b: GraphBuilder, x: Value, axes: readonly number[], epsilon: number, centred = true): Normalized {
  const shifted = centred ? b.minus(x, b.mean(x, axes, true)) : x;
  const power = b.mean(b.square(shifted), axes, true);
  const inverse = b.op("Reciprocal", [b.sqrt(b.plus(power, constantLike(b, epsilon, x)))]);
  return { y: b.times(shifted, inverse), inverse, axes, centred };
}

/** dx from g = dL/dx^, by the formula above. */
function throughNormalization(b: GraphBuilder, { y, inverse, axes, centred }: Normalized, g: Value): Value {
  const along = b.times(y, b.mean(b.times(g, y), axes, true));
  const across = centred ? b.minus(g, b.mean(g, axes, true)) : g;
  return b.times(inverse, b.minus(across, along));
}

/**
 * LayerNormalization: y = x^ scale + bias, normalised over the axes from `axis` on, n elements; scale and bias broadcast over them. The mean, where
 * there is one, and i are outputs too: dmean/dx = 1 / n, and di/dx = -i^3 (x - mean) / n = -i^2 x^ / n.
 */
const overTrailingAxes =
  (centred: boolean): GradientRule =>
  ({ b, attributes, inputs, dy, wants }) => {
    const [x, scale, bias] = inputs as [Value, Value, Value | undefined];
    const [dyOfY, dyOfMean, dyOfInverse] = centred ? dy : [dy[0], undefined, dy[1]];
    const axis = frontAxis(attributeInt(attributes, "axis", -1), x.shape.length);
    const axes = x.shape.map((_, index) => index).slice(axis);
    const normalized = normalize(b, x, axes, attributeFloat(attributes, "epsilon", 1e-5), centred);
    const { y, inverse } = normalized;
    const share = constantLike(b, 1 / elementCount(x.shape.slice(axis)), x);
    const ofX = () => [
      dyOfY && throughNormalization(b, normalized, b.times(dyOfY, scale)),
      dyOfMean && b.expand(b.times(b.cast(dyOfMean, x.dtype), share), x.shape),
      dyOfInverse && b.negative(b.times(b.times(b.times(b.cast(dyOfInverse, x.dtype), share), b.square(inverse)), y)),
    ];
    return [
      wants(0) ? sumOf(b, ofX()) : undefined,
      dyOfY && wants(1) ? unbroadcast(b, b.times(dyOfY, y), scale.shape) : undefined,
      dyOfY && bias && wants(2) ? unbroadcast(b, dyOfY, bias.shape) : undefined,
    ];
  };

function sumOf(b: GraphBuilder, terms: readonly (Value | undefined)[]): Value | undefined {
  return terms.reduce((sum, term) => (sum && term ? b.plus(sum, term) : (sum ?? term)), undefined);
}

registerGradient("LayerNormalization", overTrailingAxes(true));
/** x divided by its root mean square, times scale. */
registerGradient("RMSNormalization", overTrailingAxes(false));
registerGradient("SimplifiedLayerNormalization", overTrailingAxes(false));

/** InstanceNormalization: each channel of each example over its positions; scale and bias a number a channel. */
registerGradient("InstanceNormalization", ({ b, attributes, inputs, dy, wants }) => {
  const [x, scale] = inputs as [Value, Value];
  const axes = x.shape.map((_, axis) => axis).slice(2);
  const normalized = normalize(b, x, axes, attributeFloat(attributes, "epsilon", 1e-5));
  const gain = b.reshape(scale, [x.shape[1]!, ...axes.map(() => 1)]);
  return [
    wants(0) ? throughNormalization(b, normalized, b.times(dy[0]!, gain)) : undefined,
    wants(1) ? b.abstract("ChannelSum", [b.times(dy[0]!, normalized.y)])[0] : undefined,
    wants(2) ? b.abstract("ChannelSum", [dy[0]!])[0] : undefined,
  ];
});

/**
 * GroupNormalization: each group of channels of each example, over its channels and positions; scale and bias a number a channel since opset 21, a number a
 * group before.
 */
registerGradient("GroupNormalization", ({ b, attributes, opset, inputs, dy, wants }) => {
  const [x, scale] = inputs as [Value, Value];
  const [images, channels] = x.shape as [number, number];
  const groups = attributeInt(attributes, "num_groups", 1);
  const positions = elementCount(x.shape.slice(2));
  const grouped = (value: Value) => b.reshape(value, [images, groups, channels / groups, positions]);
  const normalized = normalize(b, grouped(x), [2, 3], attributeFloat(attributes, "epsilon", 1e-5));
  const gradient = grouped(dy[0]!);
  const gain = b.reshape(scale, [groups, opset < 21 ? 1 : channels / groups, 1]);
  return [
    wants(0) ? b.reshape(throughNormalization(b, normalized, b.times(gradient, gain)), x.shape) : undefined,
    wants(1) ? b.reshape(unbroadcast(b, b.times(gradient, normalized.y), gain.shape), scale.shape) : undefined,
    wants(2) ? b.reshape(unbroadcast(b, gradient, gain.shape), scale.shape) : undefined,
  ];
});

/** MeanVarianceNormalization: y = x^ over the axes named, by default all but the channels; nothing else is learned. */
registerGradient("MeanVarianceNormalization", ({ b, attributes, inputs: [x], dy: [dy] }) => {
  const axes = (attributeInts(attributes, "axes") ?? [0, 2, 3]).map((axis) => frontAxis(axis, x!.shape.length));
  // ONNX adds 1e-9 to the deviation.
  return [throughNormalization(b, normalize(b, x!, axes, 1e-18), dy!)];
});

/**
 * LRN: y_c = x_c s_c^-beta, s_c = bias + alpha / size sum x_k^2 over the `size` channels k around c. With W_ck = 1 where k is one of them, s = bias + a W x^2,
 * a = alpha / size, and
 *
 *   dx = dy s^-beta - 2 a beta x W'(dy x s^(-beta - 1))
 */
registerGradient("LRN", ({ b, attributes, inputs: [x], dy: [dy] }) => {
  const size = attributeInt(attributes, "size", 1);
  const beta = attributeFloat(attributes, "beta", 0.75);
  const share = attributeFloat(attributes, "alpha", 1e-4) / size;
  const channels = x!.shape[1]!;
  const before = Math.floor((size - 1) / 2);
  const pairs = Array.from({ length: channels }, (_, c) =>
    Array.from({ length: size }, (_, n) => c - before + n)
      .filter((k) => k >= 0 && k < channels)
      .map((k) => [c, k, 1] as const),
  ).flat();
  const number = (value: number) => constantLike(b, value, x!);
  const around = axisMatrix(
    channels,
    channels,
    pairs.map(([c, k, one]) => [k, c, one] as const),
  );
  const squares = transposedAlongAxis(b, around, b.square(x!), 1);
  const s = b.plus(number(attributeFloat(attributes, "bias", 1)), b.times(number(share), squares));
  const scaled = b.times(dy!, b.op("Pow", [s, number(-beta)]));
  const back = transposedAlongAxis(b, axisMatrix(channels, channels, pairs), b.over(b.times(scaled, x!), s), 1);
  return [b.minus(scaled, b.times(b.times(number(2 * share * beta), x!), back))];
});
