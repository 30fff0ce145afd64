import "./infer.js";

export {
  type BaseRule,
  defaultEffectiveLearningRate,
  defaultEffectiveLearningRateFor,
  defaultEffectiveLearningRates,
  directionLength,
  layerLearningRate,
  requireEffectiveLearningRate,
} from "./effectiveLearningRate.js";
export { measureNorm, type Projection, projectToNorm, sumOfSquaresOf } from "./fixedNorm.js";
export { type ClassifierReport, type ReplaceClassifierOptions, replaceClassifier } from "./head.js";
export {
  analyseScaleInvariance,
  type InvarianceOptions,
  type LogicalMatrices,
  type WeightProof,
  type WeightRole,
  type WeightUse,
  weightUse,
} from "./invariance/index.js";
export { channelShape, type Granularity, matrixOfSlice, norms } from "./norm.js";
export { radialComponent, relativeOutputChange } from "./numericalProof.js";
export {
  defaultScale,
  expandScaleInvariantLinear,
  foldedLinear,
  foldedWeight,
  foldScaleInvariantLinear,
  isScaleInvariantLinear,
  type ScaleInvariantLinearOptions,
  scaleInvariantLinear,
  scaleInvariantLinearAttributes,
  scaleInvariantLinearOptions,
} from "./scaleInvariantLinear.js";
