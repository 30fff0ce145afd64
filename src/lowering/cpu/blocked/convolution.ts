import { attributeInt, attributeInts, type Value } from "../../../graph/index.js";
import { int, ints } from "../../../onnx/types.js";
import { all, type ConvolutionShape, convolutionShape } from "../../shared/convolution.js";
import { reverseKernels } from "../convInputGrad.js";
import type { NodeView } from "../operator.js";
import { denseKernels, exchangedKernels, kernelsOfFew } from "./kernels.js";
import {
  type BlockedContext,
  blockedOp,
  type ConvolutionKind,
  canBlock,
  type Placed,
  padAxis,
  wholeBlocks,
} from "./layout.js";

/**
 * Convolutions and their gradients in blocks of channels. All three are ONNX Runtime's blocked convolution, at the same 100 GFLOP/s and more on one AVX-512 core: the
 * gradient for the weight too (`weightGrad.ts`), where the plain recipe comes to 44 ([128, 16, 32, 32], 16 maps, 3x3).
 */

/** Which of the forms a convolution has; undefined for those that have none here. Less than half of a block would waste more than it wins. */
export function kindOf(
  channels: number,
  maps: number,
  group: number,
  block: number | undefined,
): ConvolutionKind | undefined {
  if (block === undefined) return undefined;
  if (group === 1) return maps >= block / 2 ? "dense" : undefined;
  if (group === channels && group === maps) return channels >= block / 2 ? "depthwise" : undefined;
  return (channels / group) % block === 0 && (maps / group) % block === 0 ? "grouped" : undefined;
}

/** The form of a Conv node. */
export function convolutionKind({ inputs, attributes, block }: NodeView): ConvolutionKind | undefined {
  const [x, w] = inputs as [Value, Value];
  if (!canBlock(x) || (attributeInts(attributes, "pads") ?? []).some((pad) => pad < 0)) return undefined;
  return kindOf(x.shape[1]!, w.shape[0]!, attributeInt(attributes, "group", 1), block);
}

/** Conv: x [N, C, H, W], w [K, C / group, kh, kw], bias [K] -> [N, K, Ho, Wo] */
export function convolution(context: BlockedContext): readonly Placed[] {
  const { b, block, attributes } = context;
  const [x, w] = context.inputs as [Value, Value];
  const [channels, maps] = [x.shape[1]!, w.shape[0]!];
  const weight = context.plain(1);
  const bias = context.inputs[2] && padAxis(b, context.plain(2), 0, wholeBlocks(maps, block));
  if (convolutionKind(context) === "depthwise") {
    const kernels = kernelsOfFew(b, weight, block);
    const group = int(kernels.shape[0]!);
    return [{ blocked: blockedOp(b, "Conv", [context.blocked(0), kernels, bias], { ...attributes, group }) }];
  }
  // Few channels are read as they are: images, mostly.
  const few = channels < block && !context.isBlocked(0);
  const source = few ? context.plain(0) : context.blocked(0);
  const kernels = few ? kernelsOfFew(b, weight, block) : denseKernels(b, weight, block);
  return [{ blocked: blockedOp(b, "Conv", [source, kernels, bias], attributes) }];
}

/** The form of a ConvInputGrad node; undefined too where its channels, which are the outputs here, would fill less than half a block. */
export function inputGradKind(shape: ConvolutionShape, block: number | undefined): ConvolutionKind | undefined {
  if (block === undefined || shape.channels < block / 2 || shape.input.length !== 2) return undefined;
  return kindOf(shape.channels, shape.maps, shape.group, block);
}

/** Padding of dy for the convolution with reversed kernels: begins, then ends. */
function reversedPads({ input, output, kernel, dilations, padsBegin }: ConvolutionShape): readonly number[] {
  return [
    ...kernel.map((size, axis) => dilations[axis]! * (size - 1) - padsBegin[axis]!),
    ...input.map((size, axis) => size - output[axis]! + padsBegin[axis]!),
  ];
}

/** Whether a ConvInputGrad is a convolution of dy in blocks. */
export function inputGradReverses(shape: ConvolutionShape, block: number | undefined): boolean {
  return (
    inputGradKind(shape, block) !== undefined && all(shape.strides, 1) && reversedPads(shape).every((pad) => pad >= 0)
  );
}

/**
 * ConvInputGrad: dy [N, K, Ho, Wo], w [K, C / group, kh, kw] -> dx [N, C, H, W]. With stride 1 it is the convolution of dy with the reversed kernels, see `../convInputGrad.ts`; with other
 * strides see `phases.ts`.
 */
export function convInputGrad(
  context: Pick<BlockedContext, "b" | "block" | "blocked">,
  shape: ConvolutionShape,
  w: Value,
): readonly Placed[] {
  const { b, block } = context;
  const { kernel, group, dilations } = shape;
  const kind = inputGradKind(shape, block);
  const reversed = reverseKernels(b, w);
  const kernels = kind === "depthwise" ? kernelsOfFew(b, reversed, block) : exchangedKernels(b, reversed, block, group);
  return [
    {
      blocked: blockedOp(b, "Conv", [context.blocked(0), kernels], {
        kernel_shape: ints(kernel),
        dilations: ints(dilations),
        pads: ints(reversedPads(shape)),
        group: int(kind === "depthwise" ? kernels.shape[0]! : group),
      }),
    },
  ];
}

/** The sizes of a ConvInputGrad node. */
export function inputGradShape({ attributes, inputs }: Pick<NodeView, "attributes" | "inputs">): ConvolutionShape {
  return convolutionShape(attributes, attributeInts(attributes, "input_shape") ?? [], inputs[0]!.shape);
}
