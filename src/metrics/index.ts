export { accuracy, type Interval, topKAccuracy, wilsonInterval } from "./accuracy.js";
export { brierScore, type Calibration, calibration, type ReliabilityBin, reliabilityBins } from "./calibration.js";
export {
  type AveragedMetrics,
  type ClassMetrics,
  type Confusion,
  classMetrics,
  confusionMatrix,
  denseConfusion,
  macroAverage,
  weightedAverage,
} from "./confusion.js";
export { crossEntropyFromLogits, crossEntropyFromProbabilities } from "./crossEntropy.js";
export { type Evaluation, type EvaluationOptions, Evaluator, evaluatePredictions } from "./evaluation.js";
export { type Mistake, mostConfidentMistakes } from "./mistakes.js";
export { argmax, logSumExp, softmax } from "./scores.js";
