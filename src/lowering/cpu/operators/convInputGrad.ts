import { all, type ConvolutionShape } from "../../shared/convolution.js";
import { convInputGrad as inBlocks, inputGradKind, inputGradReverses, inputGradShape } from "../blocked/convolution.js";
import { canBlock } from "../blocked/layout.js";
import { inputGradByPhases, inputGradHasPhases } from "../blocked/phases.js";
import { flipped, transposed, vectorProduct } from "../convInputGrad.js";
import type { CpuOperator, CpuRecipe } from "../operator.js";
import { convolutionSizes, isVector } from "./sizes.js";

function plain(name: string, fits: (shape: ConvolutionShape) => boolean, build: typeof flipped): CpuRecipe {
  return {
    name,
    form: "plain",
    fits: (node) => fits(inputGradShape(node)),
    build: (context) => [build(context.b, context.inputs[0]!, context.inputs[1]!, inputGradShape(context))],
  };
}

/** ConvInputGrad: dy [N, K, ...output], w [K, C / group, ...kernel] -> dx [N, C, ...input] */
export const convInputGrad: CpuOperator = {
  name: "ConvInputGrad",
  activations: { inputs: [0], output: true },
  recipes: [
    {
      name: "blocks",
      form: "blocked",
      fits: (node) => canBlock(node.inputs[0]!) && inputGradReverses(inputGradShape(node), node.block),
      build: (context) => inBlocks(context, inputGradShape(context), context.plain(1)),
    },
    {
      name: "blocks by phase",
      form: "blocked",
      fits: (node) => canBlock(node.inputs[0]!) && inputGradHasPhases(inputGradShape(node), node.block),
      build: (context) => inputGradByPhases(context, inputGradShape(context), context.plain(1)),
    },
    plain("flipped", ({ strides }) => all(strides, 1), flipped),
    plain("transposed", () => true, transposed),
    plain("vector product", isVector, vectorProduct),
  ],
  sizes: (node) => convolutionSizes(inputGradShape(node), node.block),
  /**
   * Of the plain ones: Conv is ONNX Runtime's fastest operator, but has to be stretched for strides: as one convolution for all phases of dx, whose results are
   * interleaved, it took 20 ms where ConvTranspose took 6 ([128, 16, 32, 32], 32 maps, 3x3, stride 2, one thread).
   */
  byRule: (node, fits) => {
    const shape = inputGradShape(node);
    if (inputGradKind(shape, node.block) !== "grouped") {
      if (fits("blocks")) return "blocks";
      if (fits("blocks by phase")) return "blocks by phase";
    }
    return all(shape.strides, 1) ? "flipped" : "transposed";
  },
};
