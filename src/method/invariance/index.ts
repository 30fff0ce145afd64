export { analyseScaleInvariance, type InvarianceOptions, type WeightProof } from "./analyse.js";
export type { LogicalMatrices } from "./matrices.js";
export { type WeightRole, type WeightUse, weightUse } from "./roles.js";
