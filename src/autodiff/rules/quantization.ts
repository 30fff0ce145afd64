import { attributeInt, type Value } from "../../graph/index.js";
import { elementCount } from "../../onnx/types.js";
import { constantLike } from "../constantLike.js";
import { type GradientContext, type GradientRule, registerGradient } from "../registry.js";
import { unbroadcast } from "./broadcast.js";
import { frontAxis, unsupported } from "./operands.js";

// Fake quantisation, as quantisation-aware training and QDQ models have it: a number x becomes the integer q, and that a number again,
//
//   q = clip(round(x / s) + z, low, high),   y = s (q - z)
//
// Rounding has slope 0 nearly everywhere, so that its true gradient says nothing. Both rules take it as the identity instead, the straight-through estimator
// (Bengio, Leonard and Courville 2013, arXiv 1308.3432): with dq = dL/dq,
//
//   DequantizeLinear   dq = s dy,                        ds = sum of (q - z) dy
//   QuantizeLinear     dx = dq / s where q is within     ds = - sum of x / s^2 dq where q is within
//                      its range, 0 where it is clipped
//
// Together dx = dy within the range, and ds = sum of (round(x / s) - x / s) dy there and of (low - z) dy or (high - z) dy outside: what LSQ learns
// step sizes by (Esser et al. 2020, arXiv 1902.08153). "Within" is where x / s + z, not rounded, lies half a step or less outside low ... high.

/** The smallest and largest number of the integer types that are quantised to. */
const ranges: Readonly<Record<string, readonly [low: number, high: number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
};

/**
 * Scale or zero point, one number or one for each index along `axis`, in x's rank; blocks of an axis (operator set 21) are refused.
 *
 * @returns [1, ..., n, ..., 1], or the scalar
 */
function aligned({ b, node, attributes }: GradientContext, parameter: Value, x: Value): Value {
  const count = elementCount(parameter.shape);
  if (count === 1) return b.reshape(parameter, []);
  if (parameter.shape.length !== 1 || attributeInt(attributes, "block_size", 0) !== 0)
    throw unsupported(node, "it has a scale for each block", "Use one scale, or one for each channel");
  const axis = frontAxis(attributeInt(attributes, "axis", 1), x.shape.length);
  return b.reshape(
    parameter,
    x.shape.map((size, index) => (index === axis ? size : 1)),
  );
}

const DequantizeLinear: GradientRule = (context) => {
  const { b, inputs, dy, wants } = context;
  const [q, scale, zero] = inputs as [Value, Value, Value | undefined];
  const s = aligned(context, scale, q);
  const ofScale = () => {
    const number = b.cast(q, scale.dtype);
    const centred = zero ? b.minus(number, b.cast(aligned(context, zero, q), scale.dtype)) : number;
    return b.reshape(unbroadcast(b, b.times(dy[0]!, centred), s.shape), scale.shape);
  };
  return [wants(0) ? b.times(dy[0]!, s) : undefined, wants(1) ? ofScale() : undefined];
};

const QuantizeLinear: GradientRule = (context) => {
  const { b, node, inputs, outputs, dy, wants } = context;
  const [x, scale, zero] = inputs as [Value, Value, Value | undefined];
  const range = ranges[outputs[0]!.dtype];
  if (!range)
    throw unsupported(node, `it quantises to ${outputs[0]!.dtype}`, `Quantise to ${Object.keys(ranges).join(", ")}`);
  const s = aligned(context, scale, x);
  const ratio = b.over(x, s);
  const shifted = zero ? b.plus(ratio, b.cast(aligned(context, zero, x), x.dtype)) : ratio;
  const [low, high] = range.map((bound) => constantLike(b, bound, x)) as [Value, Value];
  const half = constantLike(b, 0.5, x);
  const above = b.op("GreaterOrEqual", [shifted, b.minus(low, half)]);
  const within = b.op("And", [above, b.op("LessOrEqual", [shifted, b.plus(high, half)])]);
  const dx = b.over(b.times(dy[0]!, b.cast(within, x.dtype)), s);
  const ofScale = () => b.reshape(unbroadcast(b, b.negative(b.times(dx, ratio)), s.shape), scale.shape);
  return [wants(0) ? dx : undefined, wants(1) ? ofScale() : undefined];
};

registerGradient("DequantizeLinear", DequantizeLinear);
registerGradient("QuantizeLinear", QuantizeLinear);
