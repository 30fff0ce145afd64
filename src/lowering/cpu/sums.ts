import { attributeInt, type GraphBuilder, type Value } from "../../graph/index.js";
import { elementCount } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";

/** Longest row that is summed in float32 in one go: equal elements, whose rounding does not average out, lose 4e-6 in rows of 4,000. */
const longestRow = 256;
/** Shorter rows would leave too much to the second stage; then the tensor is filled up to whole rows instead. */
const shortestRow = 32;

export function channelSum({ b, inputs }: RecipeContext): readonly Value[] {
  return [sumPerChannel(b, inputs[0]!)];
}

/**
 * The sum over every axis of x [N, C, ...] but the second, as [C].
 *
 * Summed over each image's positions first, then over the images: ONNX Runtime has a fast path for either, and takes two and a half times as long
 * over both at once (0.34 ms against 0.83 for [128, 16, 32, 32]). Shorter sums also lose less to rounding.
 */
export function sumPerChannel(b: GraphBuilder, x: Value): Value {
  return b.sum(sumPerImage(b, x), [0]);
}

/** The same in one reduction. */
export function channelSumAtOnce({ b, inputs }: RecipeContext): readonly Value[] {
  const x = inputs[0]!;
  return [b.sum(x, [0, ...spatialAxes(x)])];
}

/** The sum over the positions of each image and channel of x [N, C, ...], as [N, C]. */
export function sumPerImage(b: GraphBuilder, x: Value): Value {
  return x.shape.length === 2 ? x : b.sum(x, spatialAxes(x));
}

export function spatialAxes(x: Value): readonly number[] {
  return x.shape.slice(2).map((_, axis) => axis + 2);
}

/**
 * The squared Frobenius norm, as a scalar. Two stages: x is cut into rows of at most 256, whose sums of squares are added up in float64. Rounding within a row is independent from row to row and
 * averages out, so that 10^7 elements keep float32's accuracy, which one float32 sum would not.
 */
export function sumOfSquares({ b, inputs }: RecipeContext): readonly Value[] {
  const x = inputs[0]!;
  return [sumOfRows(b, b.square(x), elementCount(x.shape), [])];
}

/** Most elements that are squared and summed in one go. Equal elements lose most: 9e-6 of the norm of so many. */
export const mostSquaresAtOnce = 16384;

/** The same in one node, for up to {@link mostSquaresAtOnce} elements: 2 to 4 microseconds. */
export function sumOfSquaresAtOnce({ b, inputs }: RecipeContext): readonly Value[] {
  return [b.reduce("ReduceSumSquare", inputs[0]!)];
}

/** The same, squared while it is summed. */
export function sumOfSquaresOfRows({ b, inputs }: RecipeContext): readonly Value[] {
  const x = inputs[0]!;
  return [sumOfRows(b, x, elementCount(x.shape), [], "ReduceSumSquare")];
}

/** As sumOfSquares, for each slice of x along `axis`. */
export function sumOfSquaresPerChannel({ b, inputs, attributes, outputs }: RecipeContext): readonly Value[] {
  const x = inputs[0]!;
  const axis = attributeInt(attributes, "axis", 0);
  const front = axis < 0 ? axis + x.shape.length : axis;
  const others = x.shape.map((_, other) => other).filter((other) => other !== front);
  const channels = x.shape[front]!;
  const leading = front === 0 ? x : b.transpose(x, [front, ...others]);
  const sums = sumOfRows(b, b.square(leading), elementCount(x.shape) / channels, [channels]);
  return [b.reshape(sums, outputs[0]!.shape)];
}

/** x, or its squares, seen as [...kept, count] and summed over count. */
function sumOfRows(
  b: GraphBuilder,
  x: Value,
  count: number,
  kept: readonly number[],
  op: "ReduceSum" | "ReduceSumSquare" = "ReduceSum",
): Value {
  const flat = b.reshape(x, [...kept, count]);
  if (count <= longestRow) return b.reduce(op, flat, [kept.length], false);
  const row = largestDivisor(count, longestRow);
  const rows = row < shortestRow ? inRowsOf(b, flat, longestRow) : b.reshape(x, [...kept, count / row, row]);
  const sums = b.reduce(op, rows, [kept.length + 1], false);
  return b.cast(b.sum(b.cast(sums, "float64"), [kept.length]), x.dtype);
}

/** x [..., count] as [..., rows, row], filled up with zeros. */
function inRowsOf(b: GraphBuilder, x: Value, row: number): Value {
  const [kept, count] = [x.shape.slice(0, -1), x.shape.at(-1)!];
  const rows = Math.ceil(count / row);
  const none = kept.map(() => 0);
  const padded = b.op("Pad", [x, b.int64([...none, 0, ...none, rows * row - count])]);
  return b.reshape(padded, [...kept, rows, row]);
}

function largestDivisor(count: number, limit: number): number {
  for (let divisor = limit; divisor > 1; divisor--) if (count % divisor === 0) return divisor;
  return 1;
}
