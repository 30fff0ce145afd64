import { attributeInt, attributeInts, type Value } from "../../graph/index.js";
import { type Attributes, ints, type Tensor } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";
import { all, type ConvolutionShape, convolutionShape, offsets, product } from "../shared/convolution.js";

/**
 * Every window's dy, divided by the number of elements it averages, is added to each of them. Windows that tile the input just repeat it;
 * others are a transposed convolution with a kernel of ones, each channel of each image by itself.
 */
export function averagePoolGrad({ b, inputs, attributes }: RecipeContext): readonly Value[] {
  const dy = inputs[0]!;
  const inputShape = attributeInts(attributes, "input_shape") ?? [];
  const shape = convolutionShape(attributes, inputShape, dy.shape);
  const { kernel, strides, dilations, output, padsBegin, padsEnd } = shape;
  const [images, channels] = inputShape as [number, number];
  const shares = b.times(dy, b.constant(windowShares(attributes, shape), "windowShares"));
  if (kernel.every((size, axis) => size === strides[axis]) && all([...padsBegin, ...padsEnd], 0) && all(dilations, 1)) {
    const apart = b.reshape(shares, [images, channels, ...output.flatMap((size) => [size, 1])]);
    const repeated = output.flatMap((size, axis) => [size, kernel[axis]!]);
    return [b.reshape(b.expand(apart, [images, channels, ...repeated]), inputShape)];
  }
  const ones = tensor([1, 1, ...kernel], new Array(product(kernel)).fill(1));
  const spread = b.op(
    "ConvTranspose",
    [b.reshape(shares, [images * channels, 1, ...output]), b.constant(ones, "windowOnes")],
    {
      kernel_shape: ints(kernel),
      strides: ints(strides),
      dilations: ints(dilations),
      pads: ints([...padsBegin, ...padsEnd.map((pad) => Math.max(0, pad))]),
      output_padding: ints(padsEnd.map((pad) => Math.max(0, -pad))),
    },
  );
  return [b.reshape(spread, inputShape)];
}

/**
 * 1 / (number of elements that a window averages) at each window, [1, 1, ...output]; one number where all windows average as many.
 * Elements in the padding count only with count_include_pad; those past the padding, which ceil_mode lets a window reach, never do.
 */
function windowShares(attributes: Attributes, shape: ConvolutionShape): Tensor {
  const { input, output, kernel, strides, dilations, padsBegin } = shape;
  const included = attributeInt(attributes, "count_include_pad", 0) !== 0;
  const padsEnd = (attributeInts(attributes, "pads") ?? []).slice(input.length);
  const counts = output.map((windows, axis) => {
    const [low, high] = included ? [-padsBegin[axis]!, input[axis]! + padsEnd[axis]!] : [0, input[axis]!];
    return Array.from({ length: windows }, (_, window) => {
      const start = window * strides[axis]! - padsBegin[axis]!;
      const places = Array.from({ length: kernel[axis]! }, (_, tap) => start + tap * dilations[axis]!);
      return places.filter((place) => place >= low && place < high).length;
    });
  });
  const shares = offsets(output).map((window) => 1 / product(window.map((place, axis) => counts[axis]![place]!)));
  return new Set(shares).size === 1 ? tensor([1], shares.slice(0, 1)) : tensor([1, 1, ...output], shares);
}

function tensor(shape: readonly number[], data: readonly number[]): Tensor {
  return { dtype: "float32", shape, data: Float32Array.from(data) };
}
