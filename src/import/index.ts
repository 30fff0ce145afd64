export { asTrained } from "./asTrained.js";
export {
  foldedConvolutions,
  insertBatchNormalizations,
  type Moments,
  momentsGraph,
  poolMoments,
  standardizeFeatures,
} from "./batchNormalization.js";
export { type ImportedModel, type ImportOptions, importModel } from "./importModel.js";
export { describeInput, type ModelInput } from "./input.js";
export { chooseNormalization, type Normalization, ownStatistics } from "./normalization.js";
export { type Cut, cutFrozen, selectTrained } from "./trained.js";
