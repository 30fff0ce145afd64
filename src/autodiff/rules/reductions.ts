import { attributeInt, attributeInts, type GraphBuilder, type Value } from "../../graph/index.js";
import { elementCount, int } from "../../onnx/types.js";
import { constantLike } from "../constantLike.js";
import { type GradientContext, type GradientRule, registerGradient } from "../registry.js";
import { broadcastTo } from "./broadcast.js";
import { equal, isZero, nonZero } from "./comparison.js";
import { frontAxis, requireConstant } from "./operands.js";

/**
 * What a reduction's rule works with: y and dy with the reduced axes kept as 1, so that they broadcast against x.
 * A rule gives dx, or something that broadcasts to x's shape.
 */
interface Reduction {
  readonly b: GraphBuilder;
  readonly x: Value;
  readonly y: () => Value;
  readonly dy: Value;
  readonly axes: readonly number[];
  /** How many elements of x make one of y. */
  readonly count: number;
}

function reduction(rule: (reduction: Reduction) => Value): GradientRule {
  return (context) => {
    const { b, inputs, outputs, dy } = context;
    const x = inputs[0]!;
    const axes = reducedAxes(context);
    const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const count = elementCount(x.shape) / elementCount(kept);
    // A scalar broadcasts as it is.
    const aligned = (value: Value) => (value.shape.length === 0 ? value : b.reshape(value, kept));
    const dx = rule({ b, x, y: () => aligned(outputs[0]!), dy: aligned(dy[0]!), axes, count });
    return [broadcastTo(b, dx, x.shape)];
  };
}

/**
 * Axes are an attribute up to opset 12 (ReduceSum) or 17 (the others) and an input since. None means all; with
 * noop_with_empty_axes it means none.
 */
function reducedAxes({ node, attributes, inputs }: GradientContext): readonly number[] {
  const rank = inputs[0]!.shape.length;
  const axes = attributeInts(attributes, "axes") ?? (inputs[1] ? requireConstant(node, "axes", inputs[1]) : []);
  if (axes.length > 0) return axes.map((axis) => frontAxis(axis, rank));
  return attributeInt(attributes, "noop_with_empty_axes", 0) ? [] : inputs[0]!.shape.map((_, axis) => axis);
}

/** y = sum x_i: dx = dy. */
const ReduceSum = reduction(({ dy }) => dy);

/** y = (sum x_i) / n: dx = dy / n. */
const ReduceMean = reduction(({ b, dy, count }) => b.times(dy, constantLike(b, 1 / count, dy)));

/** y = sum x_i^2: dx = 2 x dy. */
const ReduceSumSquare = reduction(({ b, x, dy }) => b.times(x, b.times(constantLike(b, 2, dy), dy)));

/** y = sum |x_i|: dx = sign(x) dy. */
const ReduceL1 = reduction(({ b, x, dy }) => b.times(b.op("Sign", [x]), dy));

/** y = (sum x_i^2)^(1/2): dx = x dy / y; 0 where y = 0, as in PyTorch (there x = 0 as well, so any finite divisor will do). */
const ReduceL2 = reduction(({ b, x, y, dy }) => b.times(x, b.over(dy, nonZero(b, y()))));

/** y = ln sum x_i: dx = dy / sum x_i = dy e^-y. */
const ReduceLogSum = reduction(({ b, y, dy }) => b.times(dy, b.exp(b.negative(y()))));

/** y = ln sum e^(x_i): dx_i = dy e^(x_i) / sum e^(x_k) = dy e^(x_i - y). */
const ReduceLogSumExp = reduction(({ b, x, y, dy }) => b.times(b.exp(b.minus(x, y())), dy));

/** y = max x_i (or min): dy goes to the elements that equal y, in equal parts, as for PyTorch's amax. */
const extremum = reduction(({ b, x, y, dy, axes }) => {
  const mask = b.cast(equal(b, x, y()), x.dtype);
  return b.times(mask, b.over(dy, b.sum(mask, axes, true)));
});

/**
 * y = prod x_i: dx_i = dy prod_{k != i} x_k. That product is 0 where another element is 0; elsewhere it is p / x_i, with 1 put for a zero
 * in both: p is the product of the non-zero elements.
 */
const ReduceProd = reduction(({ b, x, dy, axes }) => {
  const zero = constantLike(b, 0, x);
  const zeros = isZero(b, x);
  const counted = b.cast(zeros, x.dtype);
  const filled = b.where(zeros, constantLike(b, 1, x), x);
  const p = axes.length === 0 ? filled : b.reduce("ReduceProd", filled, axes, true);
  const otherZeros = b.minus(b.sum(counted, axes, true), counted);
  return b.times(dy, b.where(isZero(b, otherZeros), b.over(p, filled), zero));
});

/**
 * y = x / n, n = (sum |x|^p)^(1/p) along one axis, p = 1 or 2. With dn/dx = s (s = sign x for p = 1, y for p = 2):
 * dx = (dy - s sum(dy y)) / n; 0 where n = 0, where ONNX Runtime gives y = 0.
 */
const LpNormalization: GradientRule = ({ b, attributes, inputs: [x], outputs: [y], dy: [dy] }) => {
  const p = attributeInt(attributes, "p", 2);
  const axes = [frontAxis(attributeInt(attributes, "axis", -1), x!.shape.length)];
  const norm = b.reduce(p === 1 ? "ReduceL1" : "ReduceL2", x!, axes, true);
  const s = p === 1 ? b.op("Sign", [x!]) : y!;
  const turned = b.minus(dy!, b.times(s, b.sum(b.times(dy!, y!), axes, true)));
  const zero = constantLike(b, 0, norm);
  return [b.where(isZero(b, norm), zero, b.over(turned, nonZero(b, norm)))];
};

/** y_i = sum over k <= i of x_k; `reverse` sums k >= i, `exclusive` leaves k = i out. The transposed sum runs the other way: dx_k = sum over i >= k of dy_i. */
const CumSum: GradientRule = ({ b, attributes, inputs: [, axis], dy: [dy] }) => [
  b.op("CumSum", [dy!, axis], {
    exclusive: int(attributeInt(attributes, "exclusive", 0)),
    reverse: int(attributeInt(attributes, "reverse", 0) ? 0 : 1),
  }),
];

/**
 * y_i = prod over k <= i of x_k, with `reverse` and `exclusive` as for CumSum: dx_k = sum over i >= k of dy_i prod_{j <= i, j != k} x_j.
 *
 * Before the first zero that is s_k / x_k with s_k = sum over i >= k of dy_i y_i; behind it every product holds that zero, and s_k = 0. At the first
 * zero itself it is the same sum with the product of all but that zero: y of an x that has 1 in its place.
 */
const CumProd: GradientRule = ({ b, attributes, inputs: [x, axis], dy: [dy] }) => {
  const [exclusive, reverse] = ["exclusive", "reverse"].map((name) => int(attributeInt(attributes, name, 0) ? 1 : 0));
  const backwards = { exclusive: exclusive!, reverse: int(reverse!.value === 0 ? 1 : 0) };
  const products = (value: Value) => b.op("CumProd", [value, axis], { exclusive: exclusive!, reverse: reverse! });
  const sums = (value: Value) => b.op("CumSum", [b.times(dy!, products(value)), axis], backwards);
  const zeros = isZero(b, x!);
  const counted = b.op("CumSum", [b.cast(zeros, x!.dtype), axis], { reverse: reverse! });
  const first = b.op("And", [zeros, equal(b, counted, constantLike(b, 1, x!))]);
  const filled = b.where(first, constantLike(b, 1, x!), x!);
  return [b.where(first, sums(filled), b.over(sums(x!), nonZero(b, x!)))];
};

registerGradient("ReduceSum", ReduceSum);
registerGradient("ReduceMean", ReduceMean);
registerGradient("ReduceSumSquare", ReduceSumSquare);
registerGradient("ReduceL1", ReduceL1);
registerGradient("ReduceL2", ReduceL2);
registerGradient("ReduceLogSum", ReduceLogSum);
registerGradient("ReduceLogSumExp", ReduceLogSumExp);
registerGradient("ReduceMax", extremum);
registerGradient("ReduceMin", extremum);
registerGradient("ReduceProd", ReduceProd);
registerGradient("LpNormalization", LpNormalization);
registerGradient("CumSum", CumSum);
registerGradient("CumProd", CumProd);
