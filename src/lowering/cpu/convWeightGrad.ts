import type { GraphBuilder, Value } from "../../graph/index.js";
import { int, ints } from "../../onnx/types.js";
import { type ConvolutionShape, padSpatial, product, stridedSlice } from "../shared/convolution.js";
import { transposeMerged } from "../shared/transpose.js";

/**
 * dw[k, c, t] = sum over n and o of dy[n, k, o] x[n, c, o s + t d - p], on tensors as ONNX holds them. `operators/convWeightGrad.ts` says which is taken when.
 *
 * x: [N, C, ...input], dy: [N, K, ...output]; each returns [K, C / group, ...kernel]
 */

/**
 * One convolution. Images become channels, and x's channels stand innermost, as part of the last spatial axis:
 *
 *   input  [1, N, ..., H, W C]   kernel  dy as [K, N, ..., Ho, Wo]   result  [1, K, ..., kh, (d (kw - 1) + 1) C]
 *
 * The sum over n and o of dy[n, k, o] x[n, c, t d + o s - p] is, as a function of t, a convolution with stride d and dilation s. On the last axis,
 * where element w of channel c stands at w C + c, dilation and padding are C times as large, and the stride is 1, so that all channels are met; offsets
 * between multiples of d are dropped from the result.
 *
 * ONNX Runtime's convolution copies x for every offset of the kernel, and then multiplies. With the channels innermost it copies runs of kw C elements,
 * where with an axis for the channels (one spatial axis more, or the batch axis) runs have kw: 14 ms against 36 and 43 for [128, 16, 32, 32] and 16 maps
 * on one thread, 10 against 22 and 27 for [128, 32, 16, 16] and 32, 8 against 14 and 20 for [128, 64, 8, 8] and 64.
 *
 * `parts` cuts the images into groups of the convolution, whose results are summed: smaller products, which fit the cache and can run side by side.
 * The groups of the forward convolution are groups here too.
 */
export function asConvolution(b: GraphBuilder, x: Value, dy: Value, shape: ConvolutionShape, parts: number): Value {
  const { images, channels, maps, group, input, output, kernel, strides, dilations } = shape;
  const [inChannels, outMaps] = [channels / group, maps / group];
  const last = input.length - 1;
  const spatial = (first: number) => input.map((_, axis) => first + axis);
  const timesChannels = (list: readonly number[]) => list.with(last, list[last]! * inChannels);

  // In two steps, each of which moves blocks or one axis; both at once would go element by element.
  const byGroup = transposeMerged(b, b.reshape(x, [images, group, inChannels, ...input]), [1, 0, 2, ...spatial(3)]);
  const channelsLast = transposeMerged(b, byGroup, [0, 1, ...spatial(3), 2]);
  const source = b.reshape(channelsLast, [1, group * images, ...timesChannels(input)]);
  const byPart = b.reshape(dy, [parts, images / parts, group, outMaps, ...output]);
  const kernels = b.reshape(transposeMerged(b, byPart, [2, 0, 3, 1, ...spatial(4)]), [
    parts * maps,
    images / parts,
    ...output,
  ]);

  // Conv takes no negative pads: elements that no window reads are cut off instead.
  const [begin, end] = [timesChannels(shape.padsBegin), timesChannels(shape.padsEnd)];
  const cut = (pads: readonly number[]) => pads.map((pad) => Math.min(0, pad));
  const kept = (pads: readonly number[]) => pads.map((pad) => Math.max(0, pad));
  const result = b.op("Conv", [padSpatial(b, source, cut(begin), cut(end)), kernels], {
    kernel_shape: ints(output),
    group: int(group * parts),
    strides: ints(dilations.with(last, 1)),
    dilations: ints(timesChannels(strides)),
    pads: ints([...kept(begin), ...kept(end)]),
  });

  const [first, step] = [kernel.map(() => 0), kernel.map((_, axis) => (axis === last ? dilations[last]! : 1))];
  const met = kernel.with(last, dilations[last]! * (kernel[last]! - 1) + 1);
  const byMap = b.reshape(result, [group, parts, outMaps, ...met, inChannels]);
  const summed = parts === 1 ? b.reshape(byMap, [maps, ...met, inChannels]) : sumOverParts(b, byMap, maps);
  const gradient = stridedSlice(b, summed, [...first, 0], [...step, 1], [...kernel, inChannels]);
  return transposeMerged(b, gradient, [0, last + 2, ...spatial(1)]);
}

function sumOverParts(b: GraphBuilder, byMap: Value, maps: number): Value {
  return b.reshape(b.sum(byMap, [1]), [maps, ...byMap.shape.slice(3)]);
}

/** A 1x1 kernel: dw = sum over n of dy[n] x[n]^T, a batch of matrix products over the positions. Groups are further batches. */
export function productPerImage(b: GraphBuilder, x: Value, dy: Value, shape: ConvolutionShape): Value {
  const { images, channels, maps, group, kernel } = shape;
  const positions = product(shape.output);
  const left = b.reshape(dy, [images, group, maps / group, positions]);
  const right = b.reshape(readPositions(b, x, shape), [images, group, channels / group, positions]);
  const products = b.matMul(left, b.transpose(right, [0, 1, 3, 2]));
  return b.reshape(b.sum(products, [0]), [maps, channels / group, ...kernel]);
}

/** A 1x1 kernel: dy as [K, N positions] times x as [N positions, C] for each group. */
export function oneProduct(b: GraphBuilder, x: Value, dy: Value, shape: ConvolutionShape): Value {
  const { images, channels, maps, group, kernel } = shape;
  const positions = product(shape.output);
  const left = transposeMerged(b, b.reshape(dy, [images, group, maps / group, positions]), [1, 2, 0, 3]);
  const read = b.reshape(readPositions(b, x, shape), [images, group, channels / group, positions]);
  const right = transposeMerged(b, transposeMerged(b, read, [1, 0, 2, 3]), [0, 1, 3, 2]);
  const products = b.matMul(
    b.reshape(left, [group, maps / group, images * positions]),
    b.reshape(right, [group, images * positions, channels / group]),
  );
  return b.reshape(products, [maps, channels / group, ...kernel]);
}

/** One position, as behind a global average: dw = dy^T x, both [N, ...]. */
export function vectorProduct(
  b: GraphBuilder,
  x: Value,
  dy: Value,
  { images, channels, maps, kernel }: ConvolutionShape,
) {
  const [left, right] = [b.reshape(dy, [images, maps]), b.reshape(x, [images, channels])];
  return b.reshape(b.op("Gemm", [left, right], { transA: int(1) }), [maps, channels, ...kernel]);
}

/** The elements of x that a 1x1 kernel without padding reads, [N, C, ...output]. */
function readPositions(b: GraphBuilder, x: Value, { padsBegin, strides, output }: ConvolutionShape): Value {
  return stridedSlice(
    b,
    x,
    padsBegin.map((pad) => -pad),
    strides,
    output,
  );
}
