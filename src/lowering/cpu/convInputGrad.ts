import { attributeInts, type GraphBuilder, type Value } from "../../graph/index.js";
import { int, ints } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";
import { all, type ConvolutionShape, convolutionShape, padSpatial, product } from "../shared/convolution.js";
import { transposeMerged } from "../shared/transpose.js";

export type ConvInputGradChoice = "flipped" | "transposed";

/**
 * dx[n, c, i] = sum over k, o and t with o s + t d - p = i of dy[n, k, o] w[k, c, t], by the recipe that suits the sizes.
 *
 * dy: [N, K, ...output], w: [K, C / group, ...kernel]; returns [N, C, ...input]
 */
export function convInputGrad({ b, inputs, attributes }: RecipeContext): readonly Value[] {
  const [dy, w] = inputs as [Value, Value];
  const shape = convolutionShape(attributes, attributeInts(attributes, "input_shape") ?? [], dy.shape);
  return [convInputGradBy(chooseConvInputGrad(shape), b, dy, w, shape)];
}

/**
 * Conv is ONNX Runtime's fastest operator, but has to be stretched for strides: as one convolution for all phases of dx, whose results are
 * interleaved, it took 20 ms where ConvTranspose took 6 ([128, 16, 32, 32], 32 maps, 3x3, stride 2, one thread).
 */
export function chooseConvInputGrad({ strides }: ConvolutionShape): ConvInputGradChoice {
  return all(strides, 1) ? "flipped" : "transposed";
}

export function convInputGradBy(
  choice: ConvInputGradChoice,
  b: GraphBuilder,
  dy: Value,
  w: Value,
  shape: ConvolutionShape,
): Value {
  return choice === "flipped" ? flipped(b, dy, w, shape) : transposed(b, dy, w, shape);
}

/**
 * Stride 1: with o = i + p - t d, and v = k - 1 - t for t,
 *
 *   dx[i] = sum over v of dy[i + v d - (d (k - 1) - p)] w[k - 1 - v]
 *
 * is a convolution of dy with w flipped, its channels exchanged, and padding d (k - 1) - p.
 */
function flipped(b: GraphBuilder, dy: Value, w: Value, shape: ConvolutionShape): Value {
  const { group, input, output, kernel, dilations, padsBegin } = shape;
  const begin = kernel.map((size, axis) => dilations[axis]! * (size - 1) - padsBegin[axis]!);
  const end = input.map((size, axis) => size - output[axis]! + padsBegin[axis]!);
  const cut = (pads: readonly number[]) => pads.map((pad) => Math.min(0, pad));
  const kept = (pads: readonly number[]) => pads.map((pad) => Math.max(0, pad));
  return b.op("Conv", [padSpatial(b, dy, cut(begin), cut(end)), flipAndExchange(b, w, shape)], {
    kernel_shape: ints(kernel),
    group: int(group),
    dilations: ints(dilations),
    pads: ints([...kept(begin), ...kept(end)]),
  });
}

/** ONNX's ConvTranspose is this gradient by definition; elements at the end that no window read are its output_padding. */
function transposed(b: GraphBuilder, dy: Value, w: Value, shape: ConvolutionShape): Value {
  const { kernel, strides, dilations, group, padsBegin, padsEnd } = shape;
  return b.op("ConvTranspose", [dy, w], {
    kernel_shape: ints(kernel),
    strides: ints(strides),
    dilations: ints(dilations),
    group: int(group),
    pads: ints([...padsBegin, ...padsEnd.map((pad) => Math.max(0, pad))]),
    output_padding: ints(padsEnd.map((pad) => Math.max(0, -pad))),
  });
}

/** w [K, C / group, ...kernel] as [C, K / group, ...kernel] with every kernel reversed on all its axes. */
function flipAndExchange(b: GraphBuilder, w: Value, { channels, maps, group, kernel }: ConvolutionShape): Value {
  const [inChannels, outMaps] = [channels / group, maps / group];
  const byGroup = b.reshape(reverseKernels(b, w), [group, outMaps, inChannels, product(kernel)]);
  return b.reshape(transposeMerged(b, byGroup, [0, 2, 1, 3]), [channels, outMaps, ...kernel]);
}

/**
 * w [K, C, ...kernel] with every kernel reversed on all its axes.
 *
 * The reversal is a product with the exchange matrix, exact for finite weights: of the ways to reverse an axis it is by far the fastest (with the
 * exchange of channels, 512 x 512 x 3 x 3: 1.6 ms; Slice with step -1 3.8, Gather 39).
 */
export function reverseKernels(b: GraphBuilder, w: Value): Value {
  const [maps, channels, ...kernel] = w.shape as [number, number, ...number[]];
  const size = product(kernel);
  if (size === 1) return w;
  return b.reshape(b.matMul(b.reshape(w, [maps * channels, size]), exchangeMatrix(b, size)), w.shape);
}

function exchangeMatrix(b: GraphBuilder, size: number): Value {
  const data = new Float32Array(size * size);
  for (let row = 0; row < size; row++) data[row * size + size - 1 - row] = 1;
  return b.constant({ dtype: "float32", shape: [size, size], data }, "exchangeMatrix");
}
