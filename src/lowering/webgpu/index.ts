import { averagePoolGrad } from "../cpu/averagePool.js";
import type { Recipe, RecipeSet } from "../recipe.js";
import { linearOverNorm } from "../shared/linearOverNorm.js";
import { maxPoolGradByComparison } from "../shared/maxPool.js";
import { clipGrad, reluGrad } from "./activationMasks.js";
import { batchNormGrad, batchNormTraining } from "./batchNormalization.js";
import { convInputGrad } from "./convInputGrad.js";
import { convWeightGrad } from "./convWeightGrad.js";
import { sameLargest } from "./sameLargest.js";
import { channelSum, sumOfSquares, sumOfSquaresPerChannel } from "./sums.js";

export { webgpuSubstitutes } from "./substitutes.js";

/**
 * Recipes for ONNX Runtime's WebGPU provider. It has no float64 and no scatter that adds in a fixed order; what it lacks altogether runs on the CPU, with the
 * tensor brought over and back and the device waiting meanwhile: {@link webgpuSubstitutes} is for those operators.
 */
export const webgpuRecipes: RecipeSet = new Map<string, Recipe>([
  ["ReluGrad", reluGrad],
  ["ClipGrad", clipGrad],
  ["SameLargest", sameLargest],
  ["ChannelSum", channelSum],
  ["SumOfSquares", sumOfSquares],
  ["SumOfSquaresPerChannel", sumOfSquaresPerChannel],
  ["LinearOverNorm", linearOverNorm],
  ["BatchNormTraining", batchNormTraining],
  ["BatchNormGrad", batchNormGrad],
  ["ConvWeightGrad", convWeightGrad],
  ["ConvInputGrad", convInputGrad],
  ["MaxPoolGrad", maxPoolGradByComparison],
  ["AveragePoolGrad", averagePoolGrad],
]);
