import type { GraphBuilder, Value } from "../../graph/index.js";
import { int, type Tensor } from "../../onnx/types.js";
import { type ConvolutionShape, offsets, padSpatial, product, stridedSlice } from "../shared/convolution.js";
import { transposeMerged } from "../shared/transpose.js";

/**
 * Depthwise convolutions (C = group). A channel's gradient has few elements, each a sum over all images and positions: as a convolution or as one matrix
 * product per offset it would be bound by copying x once an offset. Both recipes instead compute more products than are needed, fast, and pick.
 */

/**
 * For each channel the products of every output place with every input place, summed over the images: G[o, i] = sum over n of dy[n, o] x[n, i].
 * dw[t] is the sum of the G[o, i] with i = o s + t d - p: a product with a matrix of zeros and ones. For small maps.
 */
export function placeProducts(b: GraphBuilder, x: Value, dy: Value, shape: ConvolutionShape): Value {
  const { images, channels, maps, input, output, kernel } = shape;
  const places = b.transpose(b.reshape(dy, [images, channels, (maps / channels) * product(output)]), [1, 2, 0]);
  const others = b.transpose(b.reshape(x, [images, channels, product(input)]), [1, 0, 2]);
  const products = b.reshape(b.matMul(places, others), [maps, product(output) * product(input)]);
  return b.reshape(b.matMul(products, b.constant(readPlaces(shape), "readPlaces")), [maps, 1, ...kernel]);
}

/**
 * The same along the last axis only: for each channel, and each offset in the other axes, the products of every output column with every input column, summed
 * over images and rows. x is copied once for each of those offsets, not for every offset.
 */
export function columnProducts(b: GraphBuilder, x: Value, dy: Value, shape: ConvolutionShape): Value {
  const { images, channels, maps, input, output, kernel, strides, dilations, padsBegin, padsEnd } = shape;
  const rank = input.length;
  const perChannel = maps / channels;
  const rowAxes = input.map((_, axis) => axis).slice(0, -1);
  const rows = rowAxes.map((axis) => output[axis]!);
  const [width, outWidth] = [input.at(-1)!, output.at(-1)!];

  const byChannel = transposeMerged(b, b.reshape(dy, [images, channels, perChannel, ...output]), [
    1,
    0,
    ...rowAxes.map((axis) => axis + 3),
    2,
    rank + 2,
  ]);
  const columns = b.transpose(
    b.reshape(byChannel, [channels, images * product(rows), perChannel * outWidth]),
    [0, 2, 1],
  );

  const channelsFirst = transposeMerged(b, x, [1, 0, ...input.map((_, axis) => axis + 2)]);
  const padded = padSpatial(b, channelsFirst, [...padsBegin.slice(0, -1), 0], [...padsEnd.slice(0, -1), 0]);
  const lastAxis = { ...shape, input: [width], output: [outWidth], kernel: kernel.slice(-1) };
  const picked = offsets(kernel.slice(0, -1)).map((offset) => {
    const read = stridedSlice(
      b,
      padded,
      [...offset.map((t, axis) => t * dilations[axis]!), 0],
      [...strides.slice(0, -1), 1],
      [...rows, width],
    );
    const products = b.matMul(columns, b.reshape(read, [channels, images * product(rows), width]));
    return b.reshape(products, [maps, 1, outWidth * width]);
  });
  const all = picked.length === 1 ? picked[0]! : b.op("Concat", picked, { axis: int(1) });
  const readColumns = readPlaces({
    ...lastAxis,
    strides: strides.slice(-1),
    dilations: dilations.slice(-1),
    padsBegin: padsBegin.slice(-1),
  });
  return b.reshape(b.matMul(all, b.constant(readColumns, "readColumns")), [maps, 1, ...kernel]);
}

/** [output places x input places, kernel offsets]: 1 where the window at that place reads that input place with that offset. */
function readPlaces({ input, output, kernel, strides, dilations, padsBegin }: ConvolutionShape): Tensor {
  const taps = product(kernel);
  const data = new Float32Array(product(output) * product(input) * taps);
  offsets(output).forEach((window, o) => {
    offsets(kernel).forEach((offset, t) => {
      const place = window.map((at, axis) => at * strides[axis]! + offset[axis]! * dilations[axis]! - padsBegin[axis]!);
      if (place.some((at, axis) => at < 0 || at >= input[axis]!)) return;
      const i = place.reduce((index, at, axis) => index * input[axis]! + at, 0);
      data[(o * product(input) + i) * taps + t] = 1;
    });
  });
  return { dtype: "float32", shape: [product(output) * product(input), taps], data };
}
