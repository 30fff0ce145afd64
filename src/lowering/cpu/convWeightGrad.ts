import type { GraphBuilder, Value } from "../../graph/index.js";
import { int, ints } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";
import {
  all,
  type ConvolutionShape,
  convolutionShape,
  offsets,
  padSpatial,
  product,
  stridedSlice,
} from "../shared/convolution.js";
import { type ConvWeightGradChoice, chooseConvWeightGrad } from "./chooseConvWeightGrad.js";
import { columnProducts, placeProducts } from "./depthwiseWeightGrad.js";

/**
 * dw[k, c, t] = sum over n and o of dy[n, k, o] x[n, c, o s + t d - p], by the recipe that suits the sizes.
 *
 * x: [N, C, ...input], dy: [N, K, ...output]; returns [K, C / group, ...kernel]
 */
export function convWeightGrad({ b, inputs, attributes }: RecipeContext): readonly Value[] {
  const [x, dy] = inputs as [Value, Value];
  const shape = convolutionShape(attributes, x.shape, dy.shape);
  return [convWeightGradBy(chooseConvWeightGrad(shape), b, x, dy, shape)];
}

export function convWeightGradBy(
  choice: ConvWeightGradChoice,
  b: GraphBuilder,
  x: Value,
  dy: Value,
  shape: ConvolutionShape,
): Value {
  switch (choice.recipe) {
    case "matMulPerImage":
      return matMulPerImage(b, x, dy, shape);
    case "slices":
      return slices(b, x, dy, shape);
    case "channelsAsDepth":
      return channelsAsDepth(b, x, dy, shape, choice.parts);
    case "channelsAsBatch":
      return channelsAsBatch(b, x, dy, shape);
    case "placeProducts":
      return placeProducts(b, x, dy, shape);
    case "columnProducts":
      return columnProducts(b, x, dy, shape);
  }
}

/**
 * A 1x1 kernel: dw = sum over n of dy[n] x[n]^T, a batch of matrix products over the positions. Groups are further batches.
 */
function matMulPerImage(b: GraphBuilder, x: Value, dy: Value, shape: ConvolutionShape): Value {
  const { images, channels, maps, group, kernel } = shape;
  const positions = product(shape.output);
  const begin = shape.padsBegin.map((pad) => -pad);
  const read = stridedSlice(b, x, begin, shape.strides, shape.output);
  const left = b.reshape(dy, [images, group, maps / group, positions]);
  const right = b.reshape(read, [images, group, channels / group, positions]);
  const products = b.matMul(left, b.transpose(right, [0, 1, 3, 2]));
  return b.reshape(b.sum(products, [0]), [maps, channels / group, ...kernel]);
}

/**
 * With positions as rows, X_t [N positions, C] is the slice of the padded input that offset t of the kernel reads, and
 * dw[:, :, t] = dy^T X_t: all slices side by side give the whole gradient in one matrix product. Only for group 1.
 */
function slices(b: GraphBuilder, x: Value, dy: Value, shape: ConvolutionShape): Value {
  const { images, channels, maps, input, output, kernel, strides, dilations } = shape;
  const rank = input.length;
  const positions = images * product(output);
  // Channels last, the spatial axes right before them.
  const channelsLast = b.transpose(x, [0, ...input.map((_, axis) => axis + 2), 1]);
  const padded = padSpatial(b, channelsLast, [...shape.padsBegin, 0], [...shape.padsEnd, 0]);
  const read = offsets(kernel).map((offset) =>
    b.reshape(
      stridedSlice(
        b,
        padded,
        [...offset.map((t, axis) => t * dilations[axis]!), 0],
        [...strides, 1],
        [...output, channels],
      ),
      [positions, channels],
    ),
  );
  const columns = read.length === 1 ? read[0]! : b.op("Concat", read, { axis: int(1) });
  const rows = b.reshape(b.transpose(dy, [1, 0, ...input.map((_, axis) => axis + 2)]), [maps, positions]);
  const gradient = b.reshape(b.matMul(rows, columns), [maps, ...kernel, channels]);
  return b.transpose(gradient, [0, rank + 1, ...kernel.map((_, axis) => axis + 1)]);
}

/**
 * One convolution with one spatial axis more. Images become channels, and channels the added axis, along which the kernel has size 1:
 *
 *   input  [1, N, C, ...input]   kernel  dy as [K, N, 1, ...output]   result  [1, K, C, ...kernel]
 *
 * as sum over n and o of dy[n, k, o] x[n, c, t d + o s - p] is a convolution over t with stride d and dilation s. x and the result keep their
 * layout, only dy is transposed. `parts` cuts the images into groups of the convolution, whose results are summed: smaller products, which fit the
 * cache and can run side by side. The groups of the forward convolution are groups here too.
 */
function channelsAsDepth(b: GraphBuilder, x: Value, dy: Value, shape: ConvolutionShape, parts: number): Value {
  const { images, channels, maps, group, input, output, kernel, strides, dilations } = shape;
  const [perPart, inChannels, outMaps] = [images / parts, channels / group, maps / group];
  const spatial = (first: number) => input.map((_, axis) => first + axis);
  const grouped =
    group === 1 ? x : b.transpose(b.reshape(x, [images, group, inChannels, ...input]), [1, 0, 2, ...spatial(3)]);
  const kernels = b.transpose(b.reshape(dy, [parts, perPart, group, outMaps, ...output]), [2, 0, 3, 1, ...spatial(4)]);
  const { source, pads } = withoutNegativePads(b, b.reshape(grouped, [1, group * images, inChannels, ...input]), shape);
  const result = b.op("Conv", [source, b.reshape(kernels, [group * parts * outMaps, perPart, 1, ...output])], {
    kernel_shape: ints([1, ...output]),
    group: int(group * parts),
    strides: ints([1, ...dilations]),
    dilations: ints([1, ...strides]),
    pads: ints([0, ...pads.begin, 0, ...pads.end]),
  });
  const perGroup = b.reshape(result, [group, parts, outMaps, inChannels, ...kernel]);
  return b.reshape(parts === 1 ? perGroup : b.sum(perGroup, [1]), [maps, inChannels, ...kernel]);
}

/**
 * A convolution with batch and channels swapped, which needs no added spatial axis:
 *
 *   input  x as [C / group, group N, ...input]   kernel  dy as [K, N, ...output]   result  [C / group, K, ...kernel]
 */
function channelsAsBatch(b: GraphBuilder, x: Value, dy: Value, shape: ConvolutionShape): Value {
  const { images, channels, maps, group, input, output, kernel, strides, dilations } = shape;
  const inChannels = channels / group;
  const spatial = (first: number) => input.map((_, axis) => first + axis);
  const swapped = b.transpose(b.reshape(x, [images, group, inChannels, ...input]), [2, 1, 0, ...spatial(3)]);
  const { source, pads } = withoutNegativePads(b, b.reshape(swapped, [inChannels, group * images, ...input]), shape);
  const result = b.op("Conv", [source, b.transpose(dy, [1, 0, ...spatial(2)])], {
    kernel_shape: ints(output),
    group: int(group),
    strides: ints(dilations),
    dilations: ints(strides),
    pads: ints([...pads.begin, ...pads.end]),
  });
  return inChannels === 1
    ? b.reshape(result, [maps, 1, ...kernel])
    : b.transpose(result, [1, 0, ...kernel.map((_, axis) => axis + 2)]);
}

/** Conv takes no negative pads: elements that no window reads are cut off instead. */
function withoutNegativePads(b: GraphBuilder, x: Value, { padsBegin, padsEnd }: ConvolutionShape) {
  const cut = (pads: readonly number[]) => pads.map((pad) => Math.min(0, pad));
  const kept = (pads: readonly number[]) => pads.map((pad) => Math.max(0, pad));
  const source = all(cut(padsBegin), 0) && all(cut(padsEnd), 0) ? x : padSpatial(b, x, cut(padsBegin), cut(padsEnd));
  return { source, pads: { begin: kept(padsBegin), end: kept(padsEnd) } };
}
