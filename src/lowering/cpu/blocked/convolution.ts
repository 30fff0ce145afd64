import { attributeInt, attributeInts, type GraphBuilder, type Value } from "../../../graph/index.js";
import { int, ints } from "../../../onnx/types.js";
import { all, type ConvolutionShape, convolutionShape, padSpatial, product } from "../../shared/convolution.js";
import { transposeMerged } from "../../shared/transpose.js";
import { reverseKernels } from "../convInputGrad.js";
import {
  type BlockedContext,
  type BlockedRule,
  blockedOp,
  canBlock,
  fromBlocks,
  interleave,
  padAxis,
  sliceAxis,
  wholeBlocks,
} from "./layout.js";

/**
 * Convolutions and their gradients in blocks of channels. All three are ONNX Runtime's blocked convolution, at the same 100 GFLOP/s and more on one AVX-512 core: the
 * gradient for the weight too, where the plain recipe comes to 44 ([128, 16, 32, 32], 16 maps, 3x3).
 */

type Kind = "dense" | "depthwise";

/** Which of the two forms a convolution has; undefined for those that have none here. Less than half of a block would waste more than it wins. */
function kindOf(channels: number, maps: number, group: number, block: number): Kind | undefined {
  if (group === 1) return maps >= block / 2 ? "dense" : undefined;
  return group === channels && group === maps && channels >= block / 2 ? "depthwise" : undefined;
}

/** Conv: x [N, C, H, W], w [K, C / group, kh, kw], bias [K] -> [N, K, Ho, Wo] */
export const convolution: BlockedRule = (context) => {
  const { b, block, attributes } = context;
  const [x, w] = context.inputs as [Value, Value];
  if (!canBlock(x)) return undefined;
  const [channels, maps] = [x.shape[1]!, w.shape[0]!];
  const kind = kindOf(channels, maps, attributeInt(attributes, "group", 1), block);
  if (!kind || (attributeInts(attributes, "pads") ?? []).some((pad) => pad < 0)) return undefined;
  const weight = context.plain(1);
  const bias = context.inputs[2] && padAxis(b, context.plain(2), 0, wholeBlocks(maps, block));
  if (kind === "depthwise") {
    const kernels = depthwiseKernels(b, weight, block);
    const group = int(kernels.shape[0]!);
    return [{ blocked: blockedOp(b, "Conv", [context.blocked(0), kernels, bias], { ...attributes, group }) }];
  }
  // Few channels are read as they are: images, mostly.
  const few = channels < block && !context.isBlocked(0);
  const source = few ? context.plain(0) : context.blocked(0);
  const kernels = few ? kernelsOfFew(b, weight, block) : denseKernels(b, weight, block);
  return [{ blocked: blockedOp(b, "Conv", [source, kernels, bias], attributes) }];
};

/** [K, C, kh, kw] as [K / B, C / B, kh, kw, B of C, B of K]. */
function denseKernels(b: GraphBuilder, w: Value, block: number): Value {
  const [maps, channels] = [wholeBlocks(w.shape[0]!, block), wholeBlocks(w.shape[1]!, block)];
  const kernel = w.shape.slice(2);
  const size = product(kernel);
  const padded = padAxis(b, padAxis(b, w, 0, maps), 1, channels);
  const byMap = interleave(b, b.reshape(padded, [maps / block, block, 1, channels * size]));
  const apart = b.reshape(byMap, [maps / block, channels / block, block, size, block]);
  return b.reshape(size === 1 ? apart : b.transpose(apart, [0, 1, 3, 2, 4]), [maps, channels, ...kernel]);
}

/** [K, C, kh, kw] as [K / B, C, kh, kw, B of K]. */
function kernelsOfFew(b: GraphBuilder, w: Value, block: number): Value {
  const maps = wholeBlocks(w.shape[0]!, block);
  const rest = product(w.shape.slice(1));
  const byMap = interleave(b, b.reshape(padAxis(b, w, 0, maps), [maps / block, block, 1, rest]));
  return b.reshape(byMap, [maps, ...w.shape.slice(1)]);
}

/** [C, 1, kh, kw] as [C / B, kh, kw, B]. */
function depthwiseKernels(b: GraphBuilder, w: Value, block: number): Value {
  return kernelsOfFew(b, w, block);
}

/** [K, C, kh, kw], each kernel reversed and channels exchanged for maps, as [C / B, K / B, kh, kw, B of K, B of C]. */
function reversedKernels(b: GraphBuilder, w: Value, block: number): Value {
  const [maps, channels] = [wholeBlocks(w.shape[0]!, block), wholeBlocks(w.shape[1]!, block)];
  const kernel = w.shape.slice(2);
  const size = product(kernel);
  const padded = padAxis(b, padAxis(b, reverseKernels(b, w), 0, maps), 1, channels);
  const byChannel = interleave(b, b.reshape(padded, [(maps * channels) / block, block, 1, size]));
  const apart = b.reshape(byChannel, [maps / block, block, channels / block, size, block]);
  return b.reshape(b.transpose(apart, [2, 0, 3, 1, 4]), [channels, maps, ...kernel]);
}

/** ConvInputGrad with stride 1: the convolution of dy with the reversed kernels, see `../convInputGrad.ts`. */
export const convInputGrad: BlockedRule = (context) => {
  const { b, block, attributes } = context;
  const [dy, w] = context.inputs as [Value, Value];
  if (!canBlock(dy)) return undefined;
  const shape = convolutionShape(attributes, attributeInts(attributes, "input_shape") ?? [], dy.shape);
  const { channels, maps, group, input, output, kernel, dilations, padsBegin } = shape;
  const kind = kindOf(channels, maps, group, block);
  if (!kind || !all(shape.strides, 1) || channels < block / 2) return undefined;
  const begin = kernel.map((size, axis) => dilations[axis]! * (size - 1) - padsBegin[axis]!);
  const end = input.map((size, axis) => size - output[axis]! + padsBegin[axis]!);
  if ([...begin, ...end].some((pad) => pad < 0)) return undefined;
  const weight = context.plain(1);
  const kernels =
    kind === "dense"
      ? reversedKernels(b, weight, block)
      : depthwiseKernels(b, b.reshape(reverseKernels(b, weight), w.shape), block);
  return [
    {
      blocked: blockedOp(b, "Conv", [context.blocked(0), kernels], {
        kernel_shape: ints(kernel),
        dilations: ints(dilations),
        pads: ints([...begin, ...end]),
        group: int(kind === "dense" ? 1 : kernels.shape[0]!),
      }),
    },
  ];
};

/** ConvWeightGrad: x [N, C, H, W], dy [N, K, Ho, Wo] -> dw [K, C / group, kh, kw] */
export const convWeightGrad: BlockedRule = (context) => {
  const { attributes, block } = context;
  const [x, dy] = context.inputs as [Value, Value];
  if (!canBlock(x)) return undefined;
  const shape = convolutionShape(attributes, x.shape, dy.shape);
  const kind = kindOf(shape.channels, shape.maps, shape.group, block);
  if (kind === "depthwise") return depthwiseWeightGrad(context, shape);
  if (!kind || shape.images % block !== 0) return undefined;
  return denseWeightGrad(context, shape);
};

/**
 * dw[k, c, t] = sum over n and o of dy[n, k, o] x[n, c, o s + t d - p] is a convolution in which images are channels: x's images, with dy as the kernel, dilated by s. B of x's channels
 * c stand innermost in its last axis, where element w of channel c is at w B + c, so that dilation and padding are B times as large there and one kernel row is met with all of
 * them; further blocks of channels are a batch.
 *
 *   input  [C / B, N, H, W B]   kernel  [K, N, Ho, Wo]   result  [C / B, K, kh, (d (kw - 1) + 1) B]
 *
 * In blocks of images, that is. x is padded before: the operator computes outputs whose window reaches into its own padding one by one. `parts` of the images are groups, which
 * can run side by side, and are summed.
 */
function denseWeightGrad(context: BlockedContext, shape: ConvolutionShape): ReturnType<BlockedRule> {
  const { b, block } = context;
  const { images, channels, maps, input, output, kernel, strides, dilations } = shape;
  const few = channels < block && !context.isBlocked(0);
  const lanes = few ? channels : block;
  const blocks = few ? 1 : wholeBlocks(channels, block) / block;
  const kernelBlocks = wholeBlocks(maps, block) / block;
  const parts = partsOf(images / block, blocks * kernel[0]! * Math.ceil(kernelBlocks / 4));
  const [height, width] = input as [number, number];

  const channelsLast = few
    ? transposeMerged(b, context.plain(0), [0, 2, 3, 1])
    : b.reshape(context.blocked(0), [images, blocks, height * width * lanes]);
  const byBlock = blocks === 1 ? channelsLast : b.transpose(channelsLast, [1, 0, 2]);
  const timesLanes = ([first, last]: readonly number[]) => [first!, last! * lanes];
  const padded = padSpatial(
    b,
    b.reshape(byBlock, [blocks * images, height, width * lanes]),
    timesLanes(shape.padsBegin),
    timesLanes(shape.padsEnd),
  );
  const [rows, columns] = padded.shape.slice(1) as [number, number];
  const source = b.reshape(interleave(b, b.reshape(padded, [(blocks * images) / block, block, rows, columns])), [
    blocks,
    images,
    rows,
    columns,
  ]);

  const positions = product(output);
  const perPart = images / block / parts;
  const gradients = b.reshape(context.blocked(1), [parts, perPart, block, kernelBlocks, positions, block]);
  const kernels = b.reshape(b.transpose(gradients, [0, 3, 1, 4, 2, 5]), [
    parts * kernelBlocks * block,
    images / parts,
    ...output,
  ]);
  const met = (kernel[1]! - 1) * dilations[1]! + 1;
  const result = blockedOp(b, "Conv", [source, kernels], {
    kernel_shape: ints(output),
    strides: ints([dilations[0]!, 1]),
    dilations: ints([strides[0]!, strides[1]! * lanes]),
    group: int(parts),
  });
  const mapsByPart = b.reshape(result, [blocks, parts, kernelBlocks * block, kernel[0]!, met * lanes]);
  const summed = parts === 1 ? mapsByPart : b.sum(mapsByPart, [1]);
  const plain = fromBlocks(b, b.reshape(summed, [blocks, kernelBlocks * block, kernel[0]!, met * lanes]), maps);
  const apart = b.reshape(plain, [blocks, maps, kernel[0]!, met, lanes]);
  const kept =
    dilations[1] === 1
      ? apart
      : b.op("Slice", [apart, b.int64([0]), b.int64([met]), b.int64([3]), b.int64([dilations[1]!])]);
  const byMap = transposeMerged(b, b.reshape(kept, [blocks, maps, product(kernel), lanes]), [1, 0, 3, 2]);
  return [{ plain: sliceAxis(b, b.reshape(byMap, [maps, blocks * lanes, ...kernel]), 1, channels) }];
}

/** As many parts, a power of two that divides `blocks` of images, as give some threads enough to do beside `others` pieces of work. */
function partsOf(blocks: number, others: number): number {
  let parts = 1;
  while (parts * others < 12 && blocks % (2 * parts) === 0) parts *= 2;
  return parts;
}

/**
 * Each channel of each image by itself: N P groups of one channel, x being the input and dy the kernel, dilated by the stride. The blocked values are seen as one image of N P channels, for which nothing
 * is moved.
 */
function depthwiseWeightGrad(context: BlockedContext, shape: ConvolutionShape): ReturnType<BlockedRule> {
  const { b, block } = context;
  const { images, channels, input, output, kernel, strides, dilations, padsBegin, padsEnd } = shape;
  if ([...padsBegin, ...padsEnd].some((pad) => pad < 0)) return undefined;
  const lanes = wholeBlocks(channels, block);
  const result = blockedOp(
    b,
    "Conv",
    [
      b.reshape(context.blocked(0), [1, images * lanes, ...input]),
      b.reshape(context.blocked(1), [images * lanes, 1, ...output]),
    ],
    {
      kernel_shape: ints(output),
      strides: ints(dilations),
      dilations: ints(strides),
      pads: ints([...padsBegin, ...padsEnd]),
      group: int(images * lanes),
    },
  );
  const summed = b.sum(b.reshape(result, [images, lanes, ...kernel]), [0], true);
  return [{ plain: b.reshape(fromBlocks(b, summed, channels), [channels, 1, ...kernel]) }];
}
