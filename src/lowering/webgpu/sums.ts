import { attributeInt, type GraphBuilder, type Value } from "../../graph/index.js";
import { elementCount } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";

/**
 * Longest row that one workgroup sums. The device adds a row in 32 to 256 strands, and the strands pairwise: so none is longer than 128, and 10^7 elements
 * keep float32's accuracy although nothing is added in float64, which the device does not have.
 */
const longestRow = 4096;
/** Shorter rows would leave too much to the next stage; then the tensor is filled up to whole rows instead. */
const shortestRow = 64;

export function channelSum({ b, inputs }: RecipeContext): readonly Value[] {
  return [sumPerChannel(b, inputs[0]!)];
}

/** The sum over every axis of x [N, C, ...] but the second, as [C]: over each image's positions first, which lie side by side, then over the images. */
export function sumPerChannel(b: GraphBuilder, x: Value): Value {
  const axes = x.shape.slice(2).map((_, axis) => axis + 2);
  return b.sum(b.sum(x, axes), [0]);
}

/** The squared Frobenius norm, as a scalar. */
export function sumOfSquares({ b, inputs }: RecipeContext): readonly Value[] {
  const x = inputs[0]!;
  return [sumOfRows(b, b.square(x), elementCount(x.shape), [])];
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

/** x seen as [...kept, count], summed over count, in as many stages as rows of at most {@link longestRow} need. */
function sumOfRows(b: GraphBuilder, x: Value, count: number, kept: readonly number[]): Value {
  const flat = b.reshape(x, [...kept, count]);
  if (count <= longestRow) return b.sum(flat, [kept.length]);
  const row = largestDivisor(count, longestRow);
  const rows = row < shortestRow ? inRowsOf(b, flat, longestRow) : b.reshape(flat, [...kept, count / row, row]);
  return sumOfRows(b, b.sum(rows, [kept.length + 1]), rows.shape[kept.length]!, kept);
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
