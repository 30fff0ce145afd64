import type { GraphBuilder, Value } from "../../graph/index.js";
import { int, ints } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";
import {
  type ConvolutionShape,
  convolutionShape,
  offsets,
  padSpatial,
  product,
  stridedSlice,
} from "../shared/convolution.js";

/** Bytes that the copies of x for the offsets of the kernel take together at most: half of what WebGPU lets a shader bind everywhere. */
const mostColumnBytes = 64 * 2 ** 20;

/**
 * dw[k, c, t] = sum over n and o of dy[n, k, o] x[n, c, o s + t d - p], by the recipe that suits the sizes.
 *
 * x: [N, C, ...input], dy: [N, K, ...output]; returns [K, C / group, ...kernel]
 */
export function convWeightGrad({ b, inputs, attributes }: RecipeContext): readonly Value[] {
  const [x, dy] = inputs as [Value, Value];
  const shape = convolutionShape(attributes, x.shape, dy.shape);
  const fewChannels = shape.group > 1 && shape.channels / shape.group < 4 && shape.input.length === 2;
  return [fewChannels ? perImage(b, x, dy, shape) : products(b, x, dy, shape)];
}

/**
 * For each offset t the elements of x that its windows read, with the channels innermost, times dy: a batch of matrix products, one an image,
 * whose results are summed. A product over all images at once would have few results, and leave most of the device idle.
 * The offsets stand side by side in one product, as far as their copies of x fit.
 */
function products(b: GraphBuilder, x: Value, dy: Value, shape: ConvolutionShape): Value {
  const { images, channels, maps, group, kernel, output, strides, dilations, padsBegin, padsEnd } = shape;
  const [inChannels, outMaps, positions] = [channels / group, maps / group, product(output)];
  const spatial = kernel.map((_, axis) => axis + 2);

  const padded = padSpatial(b, x, padsBegin, padsEnd);
  const byGroup = b.reshape(padded, [images, group, inChannels, ...padded.shape.slice(2)]);
  const channelsLast = b.transpose(byGroup, [0, 1, ...spatial.map((axis) => axis + 1), 2]);
  const left = b.reshape(dy, [images, group, outMaps, positions]);
  const columnsOf = (offset: readonly number[]): Value => {
    const begin = offset.map((t, axis) => t * dilations[axis]!);
    const read = stridedSlice(b, channelsLast, [...begin, 0], [...strides, 1], [...output, inChannels]);
    return b.reshape(read, [images, group, positions, inChannels]);
  };
  const atOnce = Math.max(1, Math.floor(mostColumnBytes / (4 * images * channels * positions)));
  const taps = offsets(kernel);
  const sums: Value[] = [];
  for (let first = 0; first < taps.length; first += atOnce) {
    const columns = taps.slice(first, first + atOnce).map(columnsOf);
    const right = columns.length === 1 ? columns[0]! : b.op("Concat", columns, { axis: int(3) });
    sums.push(b.sum(b.matMul(left, right), [0]));
  }
  const all = sums.length === 1 ? sums[0]! : b.op("Concat", sums, { axis: int(2) });
  const byOffset = b.reshape(all, [maps, taps.length, inChannels]);
  const result = taps.length === 1 ? byOffset : b.transpose(byOffset, [0, 2, 1]);
  return b.reshape(result, [maps, inChannels, ...kernel]);
}

/**
 * Depthwise, or nearly so: matrix products would have a row or two. Instead one convolution with a group for each image and channel, in which x's stride and
 * dilation have changed places and dy is the kernel: its result is that image's gradient. Neither x nor dy has to be moved.
 */
function perImage(b: GraphBuilder, x: Value, dy: Value, shape: ConvolutionShape): Value {
  const { images, channels, maps, group, input, kernel, output, strides, dilations, padsBegin, padsEnd } = shape;
  const inChannels = channels / group;
  // Each of a group's maps meets each of its channels.
  const outMaps = maps / group;
  const repeated = b.reshape(dy, [images, group, 1, outMaps, ...output]);
  const kernels = inChannels === 1 ? repeated : b.expand(repeated, [images, group, inChannels, outMaps, ...output]);
  const cut = (pads: readonly number[]) => pads.map((pad) => Math.min(0, pad));
  const kept = (pads: readonly number[]) => pads.map((pad) => Math.max(0, pad));
  const source = padSpatial(b, b.reshape(x, [1, images * channels, ...input]), cut(padsBegin), cut(padsEnd));
  const gradients = b.op("Conv", [source, b.reshape(kernels, [images * channels * outMaps, 1, ...output])], {
    kernel_shape: ints(output),
    group: int(images * channels),
    strides: ints(dilations),
    dilations: ints(strides),
    pads: ints([...kept(padsBegin), ...kept(padsEnd)]),
  });
  const summed = b.sum(b.reshape(gradients, [images, group, inChannels, outMaps, product(kernel)]), [0]);
  const inOrder = inChannels === 1 ? summed : b.transpose(summed, [0, 2, 1, 3]);
  return b.reshape(inOrder, [maps, inChannels, ...kernel]);
}
