import * as batchNormalization from "./batchNormalization.js";
import * as convolution from "./convolution.js";
import { sumOfSquares } from "./dot.js";
import { elementwiseRules } from "./elementwise.js";
import type { BlockedRule } from "./layout.js";

export { fuse } from "./fuse.js";
export * from "./layout.js";

/** What is computed on blocked values, by operator. */
export const blockedRules: ReadonlyMap<string, BlockedRule> = new Map<string, BlockedRule>([
  ...elementwiseRules,
  ["Conv", convolution.convolution],
  ["isonorm:ConvInputGrad", convolution.convInputGrad],
  ["isonorm:ConvWeightGrad", convolution.convWeightGrad],
  ["BatchNormalization", batchNormalization.batchNormalization],
  ["isonorm:BatchNormTraining", batchNormalization.batchNormTraining],
  ["isonorm:BatchNormGrad", batchNormalization.batchNormGrad],
  ["isonorm:ChannelSum", batchNormalization.channelSum],
  ["isonorm:SumOfSquares", sumOfSquares],
]);
