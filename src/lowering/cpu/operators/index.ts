import { linearOverNorm } from "../../shared/linearOverNorm.js";
import type { CpuOperator } from "../operator.js";
import { single } from "../operator.js";
import { sameLargest } from "../sameLargest.js";
import { sumOfSquaresPerChannel } from "../sums.js";
import { batchNormGrad, batchNormTraining } from "./batchNormalization.js";
import { convInputGrad } from "./convInputGrad.js";
import { conv } from "./convolution.js";
import { convWeightGrad } from "./convWeightGrad.js";
import { clipGrad, reluGrad } from "./masks.js";
import { averagePoolGrad, maxPoolGrad } from "./pools.js";
import { channelSum, sumOfSquares } from "./sums.js";

const abstract: readonly CpuOperator[] = [
  convWeightGrad,
  convInputGrad,
  batchNormTraining,
  batchNormGrad,
  reluGrad,
  clipGrad,
  channelSum,
  sumOfSquares,
  maxPoolGrad,
  averagePoolGrad,
  single("SameLargest", sameLargest),
  single("SumOfSquaresPerChannel", sumOfSquaresPerChannel),
  single("LinearOverNorm", linearOverNorm),
];

/** All operators whose recipes are listed: every abstract one, and ONNX's that can be computed in several ways. By `operatorKey`. */
export const cpuOperators: ReadonlyMap<string, CpuOperator> = new Map([
  ...abstract.map((operator) => [`isonorm:${operator.name}`, operator] as const),
  [conv.name, conv],
]);
