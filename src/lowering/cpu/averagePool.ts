import { attributeInt, attributeInts, type GraphBuilder, type Value } from "../../graph/index.js";
import { type Attributes, ints, type Tensor } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";
import { all, type ConvolutionShape, convolutionShape, offsets, product } from "../shared/convolution.js";

/**
 * AveragePoolGrad: every window's dy, divided by the number of elements it averages, is added to each of them.
 *
 * dy: [N, C, ...output]; returns [N, C, ...input]
 */

export function poolShape({ attributes, inputs }: Pick<RecipeContext, "attributes" | "inputs">): ConvolutionShape {
  return convolutionShape(attributes, attributeInts(attributes, "input_shape") ?? [], inputs[0]!.shape);
}

/** Whether the windows tile the input. */
export function tiles({ input, output, kernel, strides, dilations, padsBegin, padsEnd }: ConvolutionShape): boolean {
  const apart = kernel.every((size, axis) => size === strides[axis] && size * output[axis]! === input[axis]);
  return apart && all([...padsBegin, ...padsEnd], 0) && all(dilations, 1);
}

/** Windows that tile the input: their shares are repeated. */
export function repeatShares({ b, inputs, attributes }: RecipeContext): readonly Value[] {
  const shape = poolShape({ attributes, inputs });
  const { images, channels, input, output, kernel } = shape;
  const shares = sharesOf(b, inputs[0]!, attributes, shape);
  const apart = b.reshape(shares, [images, channels, ...output.flatMap((size) => [size, 1])]);
  const repeated = output.flatMap((size, axis) => [size, kernel[axis]!]);
  return [b.reshape(b.expand(apart, [images, channels, ...repeated]), [images, channels, ...input])];
}

/** A transposed convolution with a kernel of ones, each channel of each image by itself. */
export function spreadShares({ b, inputs, attributes }: RecipeContext): readonly Value[] {
  const shape = poolShape({ attributes, inputs });
  const { images, channels, input, output, kernel, strides, dilations, padsBegin, padsEnd } = shape;
  const shares = sharesOf(b, inputs[0]!, attributes, shape);
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
  return [b.reshape(spread, [images, channels, ...input])];
}

/** The one of the two that is faster on most shapes. */
export function averagePoolGrad(context: RecipeContext): readonly Value[] {
  return tiles(poolShape(context)) ? repeatShares(context) : spreadShares(context);
}

function sharesOf(b: GraphBuilder, dy: Value, attributes: Attributes, shape: ConvolutionShape): Value {
  return b.times(dy, b.constant(windowShares(attributes, shape), "windowShares"));
}

/**
 * 1 / (number of elements that a window averages) at each window, [1, 1, ...output]; one number where all windows average as many.
 * Elements in the padding count only with count_include_pad; those past the padding, which ceil_mode lets a window reach, never do.
 */
export function windowShares(attributes: Attributes, shape: ConvolutionShape): Tensor {
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
