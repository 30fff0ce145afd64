import type { GraphBuilder, Value } from "../../../graph/index.js";
import { int, ints } from "../../../onnx/types.js";
import { all, type ConvolutionShape, padSpatial, product } from "../../shared/convolution.js";
import { transposeMerged } from "../../shared/transpose.js";
import {
  type BlockedContext,
  blockedOp,
  cropBlocked,
  fromBlocks,
  interleave,
  interleaveLast,
  type Placed,
  padAxis,
  sliceAxis,
  wholeBlocks,
} from "./layout.js";

/** ConvWeightGrad in blocks of channels: x [N, C, H, W], dy [N, K, Ho, Wo] -> dw [K, C / group, kh, kw]. */

/** Into how many parts the images can be cut, each a group of the convolution: one a block of images. */
export function imageParts({ images }: ConvolutionShape, block: number): number {
  return wholeBlocks(images, block) / block;
}

/** Whether that many parts pay, by rule: where their gradients stay well below the operands of one image. */
export function partsPay({ channels, maps, group, output, kernel }: ConvolutionShape): boolean {
  return maps * (channels / group) * product(kernel) <= 2 * product(output) * (channels + maps);
}

/**
 * dw[k, c, t] = sum over n and o of dy[n, k, o] x[n, c, o s + t d - p] is a convolution in which images are channels: x's images, with dy as the kernel, dilated by s. B of x's
 * channels c stand innermost in its last axis, where element w of channel c is at w B + c, so that dilation and padding are B times as large there and one kernel row is met with all
 * of them; further blocks of channels are a batch. With G groups the images stand there once a group:
 *
 *   input  [C / G / B, G N, H, W B]   kernel  [K, N, Ho, Wo]   result  [C / G / B, K, kh, (d (kw - 1) + 1) B]
 *
 * In blocks of images, that is; a batch that is no multiple is filled up with images of zeros. x is padded before: the operator computes outputs whose window reaches into its own padding one by one.
 * `parts` of the images are groups of the convolution too, which can run side by side, and are summed.
 */
export function weightGrad(context: BlockedContext, shape: ConvolutionShape, parts: number): readonly Placed[] {
  const { b, block } = context;
  const { channels, maps, group, output, kernel, strides, dilations } = shape;
  const few = channels < block && !context.isBlocked(0);
  const lanes = few ? channels : block;
  const blocks = few ? 1 : wholeBlocks(channels, block) / group / block;
  const kernelBlocks = wholeBlocks(maps, block) / group / block;
  const images = wholeBlocks(shape.images, block);

  // x in blocks of images
  const padded = few ? padChannelsLast(b, context.plain(0), shape) : padBlocked(b, context.blocked(0), shape, block);
  const [rows, columns] = padded.shape.slice(2) as [number, number];
  const byImage = b.reshape(padAxis(b, padded, 0, images), [images, group, blocks, rows * columns * lanes]);
  const byBlock = transposeMerged(b, byImage, [2, 1, 0, 3]);
  const source = interleave(b, b.reshape(byBlock, [(blocks * group * images) / block, block, rows, columns * lanes]));

  // dy as the kernel, [G, parts, K / G / B, N / parts / B, Ho, Wo, B of N, B of K]
  const positions = product(output);
  const perPart = images / block / parts;
  const dy = padAxis(b, context.blocked(1), 0, images);
  const imagesInside = interleaveLast(
    b,
    b.reshape(dy, [images / block, 1, block, group * kernelBlocks * positions * block]),
  );
  const apart = b.reshape(imagesInside, [parts, perPart, group, kernelBlocks, positions * block * block]);
  const gradients = transposeMerged(b, apart, [2, 0, 3, 1, 4]);

  const met = (kernel[1]! - 1) * dilations[1]! + 1;
  const result = blockedOp(
    b,
    "Conv",
    [
      b.reshape(source, [blocks, group * images, rows, columns * lanes]),
      b.reshape(gradients, [group * parts * kernelBlocks * block, images / parts, ...output]),
    ],
    {
      kernel_shape: ints(output),
      strides: ints([dilations[0]!, 1]),
      dilations: ints([strides[0]!, strides[1]! * lanes]),
      group: int(group * parts),
    },
  );
  const window = [kernel[0]!, met * lanes];
  const byPart = b.reshape(result, [blocks, group, parts, kernelBlocks * block, ...window]);
  const summed = parts === 1 ? byPart : b.sum(byPart, [2]);
  const whole = b.reshape(summed, [blocks, group * kernelBlocks * block, ...window]);
  const plain = b.reshape(fromBlocks(b, whole, maps), [blocks, maps, kernel[0]!, met, lanes]);
  const kept =
    dilations[1] === 1
      ? plain
      : b.op("Slice", [plain, b.int64([0]), b.int64([met]), b.int64([3]), b.int64([dilations[1]!])]);
  const taps = product(kernel);
  const byMap = transposeMerged(b, b.reshape(kept, [blocks, maps, taps * lanes]), [1, 0, 2]);
  const tapsLast = few
    ? b.transpose(b.reshape(byMap, [maps, taps, lanes]), [0, 2, 1])
    : fromBlocks(b, b.reshape(byMap, [maps * blocks, lanes, 1, taps]), lanes);
  return [{ plain: sliceAxis(b, b.reshape(tapsLast, [maps, blocks * lanes, ...kernel]), 1, channels / group) }];
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

/**
 * Each channel of each image by itself: N P groups of one channel, x being the input and dy the kernel, dilated by the stride. The blocked values are seen as one image of N P channels, for which nothing
 * is moved.
 */
export function depthwiseWeightGrad(context: BlockedContext, shape: ConvolutionShape): readonly Placed[] {
  const { b, block } = context;
  const { images, channels, input, output, kernel, strides, dilations, padsBegin, padsEnd } = shape;
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
