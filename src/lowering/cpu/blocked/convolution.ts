import { attributeInt, attributeInts, type GraphBuilder, type Value } from "../../../graph/index.js";
import { int, ints } from "../../../onnx/types.js";
import { all, type ConvolutionShape, convolutionShape, padSpatial, product } from "../../shared/convolution.js";
import { transposeMerged } from "../../shared/transpose.js";
import { reverseKernels } from "../convInputGrad.js";
import { denseKernels, exchangedKernels, kernelsOfFew } from "./kernels.js";
import {
  type BlockedContext,
  type BlockedRule,
  blockedOp,
  type ConvolutionKind,
  canBlock,
  cropBlocked,
  fromBlocks,
  interleave,
  interleaveLast,
  padAxis,
  sliceAxis,
  wholeBlocks,
} from "./layout.js";
import { inputGradByPhases } from "./phases.js";

/**
 * Convolutions and their gradients in blocks of channels. All three are ONNX Runtime's blocked convolution, at the same 100 GFLOP/s and more on one AVX-512 core: the
 * gradient for the weight too, where the plain recipe comes to 44 ([128, 16, 32, 32], 16 maps, 3x3).
 */

/** Which of the two forms a convolution has; undefined for those that have none here. Less than half of a block would waste more than it wins. */
function kindOf(channels: number, maps: number, group: number, block: number): ConvolutionKind | undefined {
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
    const kernels = kernelsOfFew(b, weight, block);
    const group = int(kernels.shape[0]!);
    return [{ blocked: blockedOp(b, "Conv", [context.blocked(0), kernels, bias], { ...attributes, group }) }];
  }
  // Few channels are read as they are: images, mostly.
  const few = channels < block && !context.isBlocked(0);
  const source = few ? context.plain(0) : context.blocked(0);
  const kernels = few ? kernelsOfFew(b, weight, block) : denseKernels(b, weight, block);
  return [{ blocked: blockedOp(b, "Conv", [source, kernels, bias], attributes) }];
};

/**
 * ConvInputGrad: dy [N, K, Ho, Wo], w [K, C / group, kh, kw] -> dx [N, C, H, W]. With stride 1 it is the convolution of dy with the reversed kernels, see `../convInputGrad.ts`; with other
 * strides see `phases.ts`.
 */
export const convInputGrad: BlockedRule = (context) => {
  const { b, block, attributes } = context;
  const [dy] = context.inputs as [Value, Value];
  if (!canBlock(dy)) return undefined;
  const shape = convolutionShape(attributes, attributeInts(attributes, "input_shape") ?? [], dy.shape);
  const { channels, maps, group, input, output, kernel, dilations, padsBegin } = shape;
  const kind = kindOf(channels, maps, group, block);
  if (!kind || channels < block / 2) return undefined;
  if (!all(shape.strides, 1)) return inputGradByPhases(context, shape, kind);
  const begin = kernel.map((size, axis) => dilations[axis]! * (size - 1) - padsBegin[axis]!);
  const end = input.map((size, axis) => size - output[axis]! + padsBegin[axis]!);
  if ([...begin, ...end].some((pad) => pad < 0)) return undefined;
  const reversed = reverseKernels(b, context.plain(1));
  const kernels = kind === "dense" ? exchangedKernels(b, reversed, block) : kernelsOfFew(b, reversed, block);
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
 * dw[k, c, t] = sum over n and o of dy[n, k, o] x[n, c, o s + t d - p] is a convolution in which images are channels: x's images, with dy as the kernel, dilated by s. B of x's
 * channels c stand innermost in its last axis, where element w of channel c is at w B + c, so that dilation and padding are B times as large there and one kernel row is met with all
 * of them; further blocks of channels are a batch.
 *
 *   input  [C / B, N, H, W B]   kernel  [K, N, Ho, Wo]   result  [C / B, K, kh, (d (kw - 1) + 1) B]
 *
 * In blocks of images, that is. x is padded before: the operator computes outputs whose window reaches into its own padding one by one. `parts` of the images are groups, which
 * can run side by side, and are summed.
 */
function denseWeightGrad(context: BlockedContext, shape: ConvolutionShape): ReturnType<BlockedRule> {
  const { b, block } = context;
  const { images, channels, maps, output, kernel, strides, dilations } = shape;
  const few = channels < block && !context.isBlocked(0);
  const lanes = few ? channels : block;
  const blocks = few ? 1 : wholeBlocks(channels, block) / block;
  const kernelBlocks = wholeBlocks(maps, block) / block;

  // x in blocks of images
  const padded = few ? padChannelsLast(b, context.plain(0), shape) : padBlocked(b, context.blocked(0), shape, block);
  const [rows, columns] = padded.shape.slice(2) as [number, number];
  const byImage = b.reshape(padded, [images, blocks, rows * columns * lanes]);
  const byBlock = blocks === 1 ? byImage : b.transpose(byImage, [1, 0, 2]);
  const source = interleave(b, b.reshape(byBlock, [(blocks * images) / block, block, rows, columns * lanes]));

  // dy as the kernel, [parts, K / B, N / parts / B, Ho, Wo, B of N, B of K]
  const positions = product(output);
  const parts = partsOf(images / block, positions * (channels + maps), maps * channels * product(kernel));
  const perPart = images / block / parts;
  const imagesInside = interleaveLast(
    b,
    b.reshape(context.blocked(1), [images / block, 1, block, kernelBlocks * positions * block]),
  );
  const apart = b.reshape(imagesInside, [parts, perPart, kernelBlocks, positions * block * block]);
  const gradients = perPart === 1 || kernelBlocks === 1 ? apart : b.transpose(apart, [0, 2, 1, 3]);

  const met = (kernel[1]! - 1) * dilations[1]! + 1;
  const result = blockedOp(
    b,
    "Conv",
    [
      b.reshape(source, [blocks, images, rows, columns * lanes]),
      b.reshape(gradients, [parts * kernelBlocks * block, images / parts, ...output]),
    ],
    {
      kernel_shape: ints(output),
      strides: ints([dilations[0]!, 1]),
      dilations: ints([strides[0]!, strides[1]! * lanes]),
      group: int(parts),
    },
  );
  const byPart = b.reshape(result, [blocks, parts, kernelBlocks * block, kernel[0]!, met * lanes]);
  const summed = parts === 1 ? b.reshape(byPart, byPart.shape.toSpliced(1, 1)) : b.sum(byPart, [1]);
  const plain = b.reshape(fromBlocks(b, summed, maps), [blocks, maps, kernel[0]!, met, lanes]);
  const kept =
    dilations[1] === 1
      ? plain
      : b.op("Slice", [plain, b.int64([0]), b.int64([met]), b.int64([3]), b.int64([dilations[1]!])]);
  const taps = product(kernel);
  const byMap = transposeMerged(b, b.reshape(kept, [blocks, maps, taps * lanes]), [1, 0, 2]);
  const tapsLast = few
    ? b.transpose(b.reshape(byMap, [maps, taps, lanes]), [0, 2, 1])
    : fromBlocks(b, b.reshape(byMap, [maps * blocks, lanes, 1, taps]), lanes);
  return [{ plain: sliceAxis(b, b.reshape(tapsLast, [maps, blocks * lanes, ...kernel]), 1, channels) }];
}

/** x [N, C, H, W] of few channels as [N, 1, H, W, C] with its padding. */
function padChannelsLast(b: GraphBuilder, x: Value, { images, padsBegin, padsEnd }: ConvolutionShape): Value {
  const last = transposeMerged(b, x, [0, 2, 3, 1]);
  return padSpatial(b, b.reshape(last, [images, 1, ...last.shape.slice(1)]), [...padsBegin, 0], [...padsEnd, 0]);
}

/**
 * A blocked x with zeros around it, or without the edges that no window reads. ONNX Runtime's Pad works on one thread, so the zeros come from a convolution that multiplies each
 * element by 1.
 */
function padBlocked(b: GraphBuilder, x: Value, { padsBegin, padsEnd }: ConvolutionShape, block: number): Value {
  const lanes = x.shape[1]!;
  const pads = [...padsBegin, ...padsEnd];
  const added = pads.map((pad) => Math.max(0, pad));
  const ones = (): Value =>
    b.constant({ dtype: "float32", shape: [lanes, 1, 1, 1], data: new Float32Array(lanes).fill(1) }, "ones");
  const padded = all(added, 0)
    ? x
    : blockedOp(b, "Conv", [x, ones()], { kernel_shape: ints([1, 1]), pads: ints(added), group: int(lanes) });
  const cut = (list: readonly number[]) => list.map((pad) => Math.max(0, -pad));
  return cropBlocked(b, padded, cut(padsBegin), cut(padsEnd), block);
}

/** All parts that there are, where their gradients, `gradient` elements each, stay well below the operands of one image; else one. */
function partsOf(blocks: number, operands: number, gradient: number): number {
  return gradient <= 2 * operands ? blocks : 1;
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
