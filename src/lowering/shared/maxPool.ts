import type { GraphBuilder, Value } from "../../graph/index.js";
import { int, ints } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";
import {
  all,
  type ConvolutionShape,
  convolutionShape,
  cropSpatial,
  offsets,
  product,
  stridedSlice,
} from "./convolution.js";

const lowest = -3.4028234663852886e38;

/**
 * MaxPoolGrad by comparing: of each window's elements the first that equals its maximum gets dy, all others nothing. WebGPU's MaxPool does not give the places, and a scatter adds
 * in another order each time there; here everything is added in a fixed one. Where a maximum is no number, nothing gets dy.
 */
export function maxPoolGradByComparison({ b, inputs, attributes }: RecipeContext): readonly Value[] {
  const [x, y, dy] = inputs as [Value, Value, Value];
  const shape = convolutionShape(attributes, x.shape, y.shape);
  return [tiles(shape) ? byTile(b, x, y, dy, shape) : byOffset(b, x, y, dy, shape)];
}

/** Whether every element lies in exactly one window. */
function tiles({ input, output, kernel, strides, dilations, padsBegin, padsEnd }: ConvolutionShape): boolean {
  const whole = kernel.every((size, axis) => size * output[axis]! === input[axis]);
  const apart = kernel.every((size, axis) => output[axis] === 1 || size === strides[axis]);
  return whole && apart && all([...padsBegin, ...padsEnd], 0) && all(dilations, 1);
}

/** The elements of a window side by side: the first of the largest has the smallest number among them. */
function byTile(b: GraphBuilder, x: Value, y: Value, dy: Value, shape: ConvolutionShape): Value {
  const { images, channels, output, kernel } = shape;
  const rank = kernel.length;
  const size = product(kernel);
  const split = [images, channels, ...output.flatMap((windows, axis) => [windows, kernel[axis]!])];
  const windowsFirst = [0, 1, ...kernel.map((_, axis) => 2 + 2 * axis), ...kernel.map((_, axis) => 3 + 2 * axis)];
  const back = windowsFirst.map((_, axis) => windowsFirst.indexOf(axis));
  const windows = [images, channels, product(output)];
  const elements = b.reshape(b.transpose(b.reshape(x, split), windowsFirst), [...windows, size]);
  const numbers = b.constant({
    dtype: "float32",
    shape: [size],
    data: Float32Array.from({ length: size }, (_, i) => i),
  });
  const isLargest = b.op("Equal", [elements, b.reshape(y, [...windows, 1])]);
  const first = b.reduce("ReduceMin", b.where(isLargest, numbers, b.scalar(size)), [3], true);
  const share = b.where(b.op("Equal", [first, numbers]), b.reshape(dy, [...windows, 1]), b.scalar(0));
  const apart = [images, channels, ...output, ...kernel];
  return b.reshape(rank === 0 ? share : b.transpose(b.reshape(share, apart), back), x.shape);
}

/**
 * For each offset of the window the share of dy that the element there gets. A transposed convolution, whose kernel for an offset is 1 there, brings the shares to
 * their places and adds them up where windows overlap.
 */
function byOffset(b: GraphBuilder, x: Value, y: Value, dy: Value, shape: ConvolutionShape): Value {
  const { images, channels, kernel, strides, dilations, output, padsBegin, padsEnd } = shape;
  const source = padWithLowest(b, x, padsBegin, padsEnd);
  const taps = offsets(kernel);
  let free: Value | undefined;
  const shares = taps.map((offset) => {
    const begin = offset.map((t, axis) => t * dilations[axis]!);
    const isLargest = b.op("Equal", [stridedSlice(b, source, begin, strides, output), y]);
    const isFirst = free === undefined ? isLargest : b.op("And", [isLargest, free]);
    const other = b.op("Not", [isLargest]);
    free = free === undefined ? other : b.op("And", [free, other]);
    return b.reshape(b.where(isFirst, dy, b.scalar(0)), [images * channels, 1, ...output]);
  });
  const kernels = new Float32Array(taps.length ** 2);
  for (let tap = 0; tap < taps.length; tap++) kernels[tap * taps.length + tap] = 1;
  const spread = b.op(
    "ConvTranspose",
    [
      shares.length === 1 ? shares[0]! : b.op("Concat", shares, { axis: int(1) }),
      b.constant({ dtype: "float32", shape: [taps.length, 1, ...kernel], data: kernels }, "windowPlaces"),
    ],
    {
      kernel_shape: ints(kernel),
      strides: ints(strides),
      dilations: ints(dilations),
      pads: ints([...padsBegin, ...padsEnd.map((pad) => Math.max(0, pad))]),
      output_padding: ints(padsEnd.map((pad) => Math.max(0, -pad))),
    },
  );
  return b.reshape(spread, x.shape);
}

/** x with as many elements more or fewer at both ends of its spatial axes; those added are never the largest of a window. */
function padWithLowest(b: GraphBuilder, x: Value, begin: readonly number[], end: readonly number[]): Value {
  const cropped = cropSpatial(
    b,
    x,
    begin.map(() => 0),
    end.map((count) => Math.max(0, -count)),
  );
  if ([...begin, ...end].every((count) => count <= 0)) return cropped;
  const counts = [0, 0, ...begin, 0, 0, ...end.map((count) => Math.max(0, count))];
  return b.op("Pad", [cropped, b.int64(counts), b.scalar(lowest)]);
}
