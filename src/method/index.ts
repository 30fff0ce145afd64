import "./infer.js";

export {
  angularLearningRate,
  type BaseRule,
  defaultEffectiveLearningRate,
  defaultEffectiveLearningRateFor,
  defaultEffectiveLearningRates,
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
} from "./scaleInvariantLinear.js";
