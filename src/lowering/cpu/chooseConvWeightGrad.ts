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
 * | [128, 16, 32, 32] -> 16, 3x3          |     13.8 |      13.5 |           |         |        |         |
 * | [128, 16, 32, 32] -> 32, 3x3, 2       |      7.9 |       7.3 |           |         |        |         |
 * | [128, 32, 16, 16] -> 32, 3x3          |      9.9 |      10.0 |           |         |        |         |
 * | [128, 64, 8, 8] -> 64, 3x3            |      8.3 |       8.3 |           |         |        |         |
 * | [128, 64, 32, 32] -> 64, 3x3          |    131.3 |     125.4 |           |         |        |         |
 * | [64, 64, 32, 32] -> 64, 3x3, 4 groups |     28.5 |      27.0 |           |         |        |         |
 * | [32, 3, 112, 112] -> 64, 7x7, 2       |     29.8 |      28.2 |           |         |        |         |
 * | [32, 256, 14, 14] -> 256, 3x3         |     87.7 |      90.0 |           |         |        |         |
 * | [32, 512, 7, 7] -> 512, 3x3           |     78.8 |     117.6 |           |         |        |         |
 * | [32, 64, 56, 56] -> 256, 1x1          |     58.0 |      53.7 |      33.0 |    52.8 |        |         |
 * | [128, 16, 32, 32] -> 32, 1x1, 2       |      3.8 |       3.8 |       1.7 |     2.0 |        |         |
 * | [128, 96, 16, 16] -> 24, 1x1          |      7.2 |       6.4 |       3.4 |     7.5 |        |         |
 * | [128, 576, 4, 4] -> 160, 1x1          |      6.5 |       8.2 |       9.7 |     6.1 |        |         |
 * | [128, 96, 32, 32], depthwise 3x3      |    166.3 |     168.4 |           |         |        |    97.4 |
 * | [128, 96, 32, 32], depthwise 3x3, 2   |     46.9 |      46.3 |           |         |        |    42.7 |
 * | [128, 144, 16, 16], depthwise 3x3     |     63.0 |      63.1 |           |         |   35.5 |    28.4 |
 * | [128, 192, 8, 8], depthwise 3x3       |     22.2 |      21.9 |           |         |    4.4 |     9.0 |
 * | [128, 576, 4, 4], depthwise 3x3       |     18.4 |      20.3 |           |         |    1.9 |     9.6 |
 */
export function chooseConvWeightGrad(shape: ConvolutionShape): ConvWeightGradChoice {
  const { images, channels, maps, group, input, output, kernel, padsBegin, padsEnd } = shape;
  if (all(kernel, 1) && [...padsBegin, ...padsEnd].every((pad) => pad <= 0)) {
    // A product per image makes N gradients to be summed; where these are much larger than the operands, one product of the transposed operands is faster.
    const [gradient, operands] = [(maps * channels) / group, product(output) * (maps + channels)];
    return { recipe: gradient > 4 * operands ? "product" : "productPerImage" };
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
