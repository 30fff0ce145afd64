import type { GraphBuilder, Value } from "../../../graph/index.js";
import { elementCount, int, ints } from "../../../onnx/types.js";
import { type BlockedContext, blockedOp, type Placed } from "./layout.js";

/**
 * Products of two tensors, summed, in one pass that only reads: ONNX Runtime's blocked depthwise convolution with one tensor as the image and the other as the kernel, of the same size. 0.24 ms for
 * the squares of a million elements, where a product and two sums take 0.4 to 0.5.
 */

/** Longest sum in float32 in one go, as in `../sums.ts`. */
const longest = 256;

/** Sums of x y over each image's positions. x, y: blocked [N, P, H, W]; returns [N P, 1, 1, 1] */
function dotOfImages(b: GraphBuilder, x: Value, y: Value): Value {
  const [images, channels, height, width] = x.shape as [number, number, number, number];
  const groups = images * channels;
  const kernel = b.reshape(y, [groups, 1, height, width]);
  const attributes = { kernel_shape: ints([height, width]), group: int(groups) };
  return blockedOp(b, "Conv", [b.reshape(x, [1, groups, height, width]), kernel], attributes);
}

/** Sum of x y by channel, over each image's positions first. x, y: blocked [N, P, H, W]; returns [P] */
export function sumProductByChannel(b: GraphBuilder, x: Value, y: Value): Value {
  const [images, channels] = x.shape as [number, number];
  const dots = dotOfImages(b, x, y);
  return images === 1 ? b.reshape(dots, [channels]) : b.sum(b.reshape(dots, [images, channels]), [0]);
}

/** Length of the rows in which the squares of so many elements are summed; undefined where they make no whole blocks, or a prime number of them, which would make as many sums as lanes. */
export function dotRow(count: number, block: number): number | undefined {
  if (count === 0 || count % block !== 0) return undefined;
  const length = largestDivisor(count / block, longest);
  return length < Math.min(16, count / block) ? undefined : length;
}

/** SumOfSquares of a tensor of whole blocks, not in blocks itself; the order of its elements is all the same. */
export function sumOfSquares(context: BlockedContext): readonly Placed[] {
  const { b, block, inputs } = context;
  const count = elementCount(inputs[0]!.shape);
  const length = dotRow(count, block)!;
  const x = b.reshape(context.inAnyOrder(0), [1, count / length, 1, length]);
  const sums = dotOfImages(b, x, x);
  if (count / length <= longest) return [{ plain: b.sum(sums) }];
  return [{ plain: b.cast(b.sum(b.cast(sums, "float64")), "float32") }];
}

function largestDivisor(count: number, limit: number): number {
  for (let divisor = Math.min(limit, count); divisor > 1; divisor--) if (count % divisor === 0) return divisor;
  return 1;
}
