import type { Value } from "../../../graph/index.js";
import { all, type ConvolutionShape, convolutionShape, product } from "../../shared/convolution.js";
import { kindOf } from "../blocked/convolution.js";
import { type ConvolutionKind, canBlock } from "../blocked/layout.js";
import { depthwiseWeightGrad, imageParts, partsPay, weightGrad } from "../blocked/weightGrad.js";
import { asConvolution, oneProduct, productPerImage, vectorProduct } from "../convWeightGrad.js";
import { columnProducts, placeProducts } from "../depthwiseWeightGrad.js";
import type { CpuOperator, CpuRecipe, NodeView } from "../operator.js";
import { convolutionSizes, isVector } from "./sizes.js";

function shapeOf({ attributes, inputs }: Pick<NodeView, "attributes" | "inputs">): ConvolutionShape {
  return convolutionShape(attributes, inputs[0]!.shape, inputs[1]!.shape);
}

function plain(name: string, fits: (shape: ConvolutionShape) => boolean, build: typeof oneProduct): CpuRecipe {
  return {
    name,
    form: "plain",
    fits: (node) => fits(shapeOf(node)),
    build: (context) => [build(context.b, context.inputs[0]!, context.inputs[1]!, shapeOf(context))],
  };
}

function blocked(
  name: string,
  fits: (shape: ConvolutionShape, block: number, kind: ConvolutionKind) => boolean,
  parts: (shape: ConvolutionShape, block: number) => number,
): CpuRecipe {
  return {
    name,
    form: "blocked",
    fits: (node) => {
      const [shape, kind] = [shapeOf(node), blockedKind(node)];
      return kind !== undefined && kind !== "depthwise" && fits(shape, node.block!, kind);
    },
    build: (context) => {
      const shape = shapeOf(context);
      return weightGrad(context, shape, parts(shape, context.block));
    },
  };
}

function blockedKind(node: NodeView): ConvolutionKind | undefined {
  const { channels, maps, group } = shapeOf(node);
  return canBlock(node.inputs[0] as Value) ? kindOf(channels, maps, group, node.block) : undefined;
}

const isProduct = ({ kernel, padsBegin, padsEnd }: ConvolutionShape): boolean =>
  all(kernel, 1) && [...padsBegin, ...padsEnd].every((pad) => pad <= 0);
const isDepthwise = ({ group, channels }: ConvolutionShape): boolean => group === channels;
const fewPlaces = ({ input, output }: ConvolutionShape): boolean => product(input) * product(output) <= 8192;
const fewColumns = ({ input, output }: ConvolutionShape): boolean => input.at(-1)! * output.at(-1)! <= 128 ** 2;
const wholeBatch = ({ images }: ConvolutionShape, block: number): boolean => images % block === 0;
/** Padded images would be more than the batch's own otherwise. */
const halfBlock = ({ images }: ConvolutionShape, block: number): boolean => 2 * images >= block;

/** ConvWeightGrad: x [N, C, ...input], dy [N, K, ...output] -> dw [K, C / group, ...kernel] */
export const convWeightGrad: CpuOperator = {
  name: "ConvWeightGrad",
  activations: { inputs: [0, 1], output: false },
  recipes: [
    blocked(
      "blocks",
      (shape, block) => wholeBatch(shape, block),
      () => 1,
    ),
    blocked("blocks in parts", (shape, block) => wholeBatch(shape, block) && shape.images > block, imageParts),
    blocked(
      "padded blocks",
      (shape, block) => !wholeBatch(shape, block) && halfBlock(shape, block),
      () => 1,
    ),
    blocked("padded blocks in parts", (shape, block) => !wholeBatch(shape, block) && shape.images > block, imageParts),
    {
      name: "blocks by image",
      form: "blocked",
      fits: (node) =>
        blockedKind(node) === "depthwise" &&
        [...shapeOf(node).padsBegin, ...shapeOf(node).padsEnd].every((pad) => pad >= 0),
      build: (context) => depthwiseWeightGrad(context, shapeOf(context)),
    },
    plain(
      "convolution",
      () => true,
      (b, x, dy, shape) => asConvolution(b, x, dy, shape, 1),
    ),
    plain(
      "convolution in parts",
      (shape) => parts(shape) > 1,
      (b, x, dy, shape) => asConvolution(b, x, dy, shape, parts(shape)),
    ),
    plain("product", isProduct, oneProduct),
    plain("product per image", isProduct, productPerImage),
    plain("vector product", isVector, vectorProduct),
    plain("place products", (shape) => isDepthwise(shape) && fewPlaces(shape), placeProducts),
    plain("column products", (shape) => isDepthwise(shape) && fewColumns(shape), columnProducts),
  ],
  sizes: (node) => {
    const shape = shapeOf(node);
    const { kind, ...rest } = convolutionSizes(shape, node.block);
    return { kind: node.block && shape.images % node.block !== 0 ? `${kind}, broken batch` : kind, ...rest };
  },
  byRule: (node, fits) => {
    const shape = shapeOf(node);
    if (fits("blocks by image")) return "blocks by image";
    if (fits("blocks") && blockedKind(node) === "dense")
      return partsPay(shape) && fits("blocks in parts") ? "blocks in parts" : "blocks";
    return plainByRule(shape);
  },
};

/**
 * The plain recipe that is fastest by rule. Milliseconds of one thread's time on an AMD EPYC with AVX-512, onnxruntime-node 1.30
 * ("conv / p" is `convolution` in p parts):
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
function plainByRule(shape: ConvolutionShape): string {
  const { channels, maps, group, output } = shape;
  if (isProduct(shape)) {
    // A product per image makes N gradients to be summed; where these are much larger than the operands, one product of the transposed operands is faster.
    const [gradient, operands] = [(maps * channels) / group, product(output) * (maps + channels)];
    return gradient > 4 * operands ? "product" : "product per image";
  }
  // With more maps a channel the convolution multiplies with enough rows, and the others waste more.
  if (isDepthwise(shape) && maps < 4 * channels) {
    if (fewPlaces(shape)) return "place products";
    if (fewColumns(shape)) return "column products";
  }
  return parts(shape) > 1 ? "convolution in parts" : "convolution";
}

/** The largest number up to 16 that divides the images and keeps the parts' gradients together smaller than an eighth of x. */
function parts({ images, channels, maps, group, input, kernel }: ConvolutionShape): number {
  const [x, gradient] = [images * channels * product(input), maps * (channels / group) * product(kernel)];
  for (let count = 16; count > 1; count--) if (images % count === 0 && 8 * count * gradient <= x) return count;
  return 1;
}
