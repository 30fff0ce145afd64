import { all, type ConvolutionShape, product } from "../shared/convolution.js";

export type ConvWeightGradChoice =
  | { readonly recipe: "convolution"; readonly parts: number }
  | { readonly recipe: "productPerImage" }
  | { readonly recipe: "product" }
  | { readonly recipe: "placeProducts" }
  | { readonly recipe: "columnProducts" };

/**
 * The recipe that is fastest for these sizes. Milliseconds of one thread's time on an AMD EPYC with AVX-512, onnxruntime-node 1.30
 * (`npx tsx bench/lowering/convolution.ts 1`; "conv / p" is `convolution` in p parts):
 *
 * | x -> maps, kernel, stride             | conv / 1 | conv / 16 | per image | product | places | columns |
 * |---|---|---|---|---|---|---|
 * | [128, 16, 32, 32] -> 16, 3x3          |     20.7 |      19.6 |           |         |        |         |
 * | [128, 32, 16, 16] -> 32, 3x3          |     13.3 |      12.9 |           |         |        |         |
 * | [128, 64, 8, 8] -> 64, 3x3            |     10.0 |       9.9 |           |         |        |         |
 * | [128, 64, 32, 32] -> 64, 3x3          |    157.8 |     147.1 |           |         |        |         |
 * | [32, 3, 112, 112] -> 64, 7x7, 2       |     35.4 |      31.7 |           |         |        |         |
 * | [32, 256, 14, 14] -> 256, 3x3         |     92.9 |      98.0 |           |         |        |         |
 * | [32, 512, 7, 7] -> 512, 3x3           |     81.6 |     119.4 |           |         |        |         |
 * | [32, 64, 56, 56] -> 256, 1x1          |     77.1 |      70.4 |      34.5 |    76.0 |        |         |
 * | [128, 16, 32, 32] -> 32, 1x1, 2       |      9.8 |      10.1 |       1.6 |     3.6 |        |         |
 * | [128, 96, 16, 16] -> 24, 1x1          |     13.7 |      14.0 |       3.3 |    13.9 |        |         |
 * | [128, 576, 4, 4] -> 160, 1x1          |     10.2 |      11.1 |       9.6 |     8.9 |        |         |
 * | [128, 96, 32, 32], depthwise 3x3      |    215.8 |     205.9 |           |         |        |   100.8 |
 * | [128, 96, 32, 32], depthwise 3x3, 2   |     83.2 |           |           |         |        |    44.5 |
 * | [128, 144, 16, 16], depthwise 3x3     |     77.5 |      79.4 |           |         |   35.6 |    29.7 |
 * | [128, 192, 8, 8], depthwise 3x3       |     30.5 |      26.6 |           |         |    6.3 |    12.9 |
 * | [128, 576, 4, 4], depthwise 3x3       |     37.1 |      27.7 |           |         |    1.8 |    21.7 |
 */
export function chooseConvWeightGrad(shape: ConvolutionShape): ConvWeightGradChoice {
  const { images, channels, maps, group, input, output, kernel, padsBegin, padsEnd } = shape;
  if (all(kernel, 1) && [...padsBegin, ...padsEnd].every((pad) => pad <= 0)) {
    // A product per image makes N gradients to be summed; where they are larger than the operands, these are better transposed.
    const [gradient, operands] = [(maps * channels) / group, product(output) * (maps + channels)];
    return { recipe: gradient > 8 * operands ? "product" : "productPerImage" };
  }
  // With more maps a channel the convolution multiplies with enough rows, and the others waste more.
  if (group === channels && maps < 4 * channels) {
    if (product(input) * product(output) <= 8192) return { recipe: "placeProducts" };
    if (input.at(-1)! * output.at(-1)! <= 128 ** 2) return { recipe: "columnProducts" };
  }
  return {
    recipe: "convolution",
    parts: parts(images, images * channels * product(input), maps * (channels / group) * product(kernel)),
  };
}

/** The largest number up to 16 that divides the images and keeps the parts' gradients together smaller than an eighth of x. */
function parts(images: number, x: number, gradient: number): number {
  for (let count = 16; count > 1; count--) if (images % count === 0 && 8 * count * gradient <= x) return count;
  return 1;
}
