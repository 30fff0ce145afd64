import type { Recipe, RecipeSet } from "../recipe.js";
import { clipGrad, reluGrad } from "./activationMasks.js";
import { averagePoolGrad } from "./averagePool.js";
import { batchNormGrad, batchNormTraining } from "./batchNormalization.js";
import { convInputGrad } from "./convInputGrad.js";
import { convWeightGrad } from "./convWeightGrad.js";
import { maxPoolGrad } from "./maxPool.js";
import { sameLargest } from "./sameLargest.js";
import { channelSum, sumOfSquares, sumOfSquaresPerChannel } from "./sums.js";

export { cpuSubstitutes } from "./substitutes.js";

/** Recipes for ONNX Runtime's CPU provider. */
export const cpuRecipes: RecipeSet = new Map<string, Recipe>([
  ["ReluGrad", reluGrad],
  ["ClipGrad", clipGrad],
  ["SameLargest", sameLargest],
  ["ChannelSum", channelSum],
  ["SumOfSquares", sumOfSquares],
  ["SumOfSquaresPerChannel", sumOfSquaresPerChannel],
  ["BatchNormTraining", batchNormTraining],
  ["BatchNormGrad", batchNormGrad],
  ["ConvWeightGrad", convWeightGrad],
  ["ConvInputGrad", convInputGrad],
  ["MaxPoolGrad", maxPoolGrad],
  ["AveragePoolGrad", averagePoolGrad],
]);
