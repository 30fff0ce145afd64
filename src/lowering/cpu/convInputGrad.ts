import { attributeInts, type GraphBuilder, type Value } from "../../graph/index.js";
import { int, ints, type Tensor } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";
import {
  all,
  type ConvolutionShape,
  convolutionShape,
  cropSpatial,
  offsets,
  padSpatial,
  product,
} from "../shared/convolution.js";

/**
 * dx[n, c, i] = sum over k, o and t with o s + t d - p = i of dy[n, k, o] w[k, c, t], by one of the recipes below.
 *
 * dy: [N, K, ...output], w: [K, C / group, ...kernel]; returns [N, C, ...input]
 */
export function convInputGrad({ b, inputs, attributes }: RecipeContext): readonly Value[] {
  const [dy, w] = inputs as [Value, Value];
  const shape = convolutionShape(attributes, attributeInts(attributes, "input_shape") ?? [], dy.shape);
  return [convInputGradBy(chooseConvInputGrad(shape), b, dy, w, shape)];
}

export type ConvInputGradChoice = "pointwise" | "phases" | "transposed";

export function chooseConvInputGrad({ kernel, strides, dilations }: ConvolutionShape): ConvInputGradChoice {
  if (all(kernel, 1)) return "pointwise";
  return strides.every((stride, axis) => stride === 1 || dilations[axis] === 1) ? "phases" : "transposed";
}

export function convInputGradBy(
  choice: ConvInputGradChoice,
  b: GraphBuilder,
  dy: Value,
  w: Value,
  shape: ConvolutionShape,
): Value {
  switch (choice) {
    case "pointwise":
      return pointwise(b, dy, w, shape);
    case "phases":
      return phases(b, dy, w, shape);
    case "transposed":
      return transposed(b, dy, w, shape);
  }
}

/** A 1x1 kernel: a 1x1 convolution of dy with w transposed gives the elements that were read, s - 1 zeros stand between them. */
function pointwise(b: GraphBuilder, dy: Value, w: Value, shape: ConvolutionShape): Value {
  const { images, channels, group, input, output, kernel, strides, padsBegin } = shape;
  const read = b.op("Conv", [dy, exchangeChannels(b, w, shape, kernel)], {
    kernel_shape: ints(kernel),
    group: int(group),
  });
  const spaced = strides.flatMap((stride) => [0, stride - 1]);
  const apart = padSpatial(
    b,
    b.reshape(read, [images, channels, ...output.flatMap((size) => [size, 1])]),
    spaced.map(() => 0),
    spaced,
  );
  const sizes = output.map((size, axis) => size * strides[axis]!);
  const end = input.map((size, axis) => size - sizes[axis]! + padsBegin[axis]!);
  return padSpatial(
    b,
    b.reshape(apart, [images, channels, ...sizes]),
    padsBegin.map((pad) => -pad),
    end,
  );
}

/**
 * One convolution of dy with stride 1 for all phases of dx at once.
 *
 * On one axis write i = s q + f with phase f < s. The windows that reach i are o = q + e with offset t = f + p - s e in the kernel, so e runs from
 * ceil((p - k + 1) / s) to ceil(p / s), whatever f is (some t fall outside the kernel and count 0). Hence
 *
 *   dx[s q + f] = sum over v of dy[q + first + v] w[f + p - s (first + v)]
 *
 * is a convolution over q whose output channels are (c, f); the phases are then interleaved. With s = 1 there is one phase and the kernel is
 * w flipped; dilation d then spreads it: dx[i] = sum over v of dy[i + p - d (k - 1) + d v] w[k - 1 - v]. Where s > 1, d must be 1.
 */
function phases(b: GraphBuilder, dy: Value, w: Value, shape: ConvolutionShape): Value {
  const { images, channels, group, input, output, kernel, strides, dilations, padsBegin } = shape;
  const axes = input.map((size, axis) => {
    const [k, s, d, p] = [kernel[axis]!, strides[axis]!, dilations[axis]!, padsBegin[axis]!];
    const first = s === 1 ? p - d * (k - 1) : Math.ceil((p - k + 1) / s);
    const last = Math.ceil(p / s);
    const count = Math.ceil(size / s);
    return {
      taps: s === 1 ? k : last - first + 1,
      offset: (phase: number, tap: number) => (s === 1 ? k - 1 - tap : phase + p - s * (first + tap)),
      begin: -first,
      end: count - 1 + last - (output[axis]! - 1),
      count,
    };
  });
  const taps = axes.map((axis) => axis.taps);
  const kernels = exchangeChannels(
    b,
    w,
    shape,
    taps,
    offsets(strides).flatMap((phase) =>
      offsets(taps).map((tap) => axes.map((axis, index) => axis.offset(phase[index]!, tap[index]!))),
    ),
  );
  const cut = (pads: readonly number[]) => pads.map((pad) => Math.min(0, pad));
  const kept = (pads: readonly number[]) => pads.map((pad) => Math.max(0, pad));
  const [begin, end] = [axes.map((axis) => axis.begin), axes.map((axis) => axis.end)];
  const result = b.op("Conv", [padSpatial(b, dy, cut(begin), cut(end)), kernels], {
    kernel_shape: ints(taps),
    group: int(group),
    dilations: ints(dilations),
    pads: ints([...kept(begin), ...kept(end)]),
  });
  if (all(strides, 1)) return result;

  const counts = axes.map((axis) => axis.count);
  const rank = input.length;
  const apart = b.reshape(result, [images, channels, ...strides, ...counts]);
  const interleaved = b.transpose(apart, [0, 1, ...input.flatMap((_, axis) => [2 + rank + axis, 2 + axis])]);
  const sizes = counts.map((count, axis) => count * strides[axis]!);
  return cropSpatial(
    b,
    b.reshape(interleaved, [images, channels, ...sizes]),
    input.map(() => 0),
    sizes.map((size, axis) => size - input[axis]!),
  );
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

/**
 * w with its input and output channels exchanged within each group, and each kernel rearranged: [C p, K / group, ...taps] from
 * [K, C / group, ...kernel], where the p kernels of an input channel have at each tap the element of w at that offset, 0 outside w.
 *
 * The rearrangement is a matrix product with a matrix of zeros and ones, exact for finite weights: of the ways to reverse an axis it is by far the
 * fastest (512 x 512 x 3 x 3 with the exchange: 1.6 ms; Slice with step -1 3.8, Gather 39).
 */
function exchangeChannels(
  b: GraphBuilder,
  w: Value,
  { channels, maps, group, kernel }: ConvolutionShape,
  taps: readonly number[],
  sources: readonly (readonly number[])[] = [kernel.map(() => 0)],
): Value {
  const size = product(kernel);
  const [inChannels, outMaps, count] = [channels / group, maps / group, sources.length];
  const rearranged =
    size === 1 && count === 1 ? w : b.matMul(b.reshape(w, [maps * inChannels, size]), selection(b, kernel, sources));
  const phaseCount = count / product(taps);
  const apart = b.reshape(rearranged, [group, outMaps, inChannels, phaseCount, product(taps)]);
  return b.reshape(b.transpose(apart, [0, 2, 3, 1, 4]), [channels * phaseCount, outMaps, ...taps]);
}

/** [product of kernel, sources]: column j has its 1 in the row of the kernel element at offset sources[j]; none where that is outside. */
function selection(b: GraphBuilder, kernel: readonly number[], sources: readonly (readonly number[])[]): Value {
  const data = new Float32Array(product(kernel) * sources.length);
  sources.forEach((source, column) => {
    if (source.some((offset, axis) => offset < 0 || offset >= kernel[axis]!)) return;
    const row = source.reduce((index, offset, axis) => index * kernel[axis]! + offset, 0);
    data[row * sources.length + column] = 1;
  });
  const matrix: Tensor = { dtype: "float32", shape: [product(kernel), sources.length], data };
  return b.constant(matrix, "kernelSelection");
}
