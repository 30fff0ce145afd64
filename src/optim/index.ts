export { type AdamOptions, adam } from "./adam.js";
export { type ClippedGradients, clipByGlobalNorm } from "./clip.js";
export { averageRemainder, movingAverage } from "./movingAverage.js";
export type { Direction, DirectionInput, Optimizer, OptimizerScalar } from "./optimizer.js";
export { constant, cosine, linear, type Schedule, type ScheduleName, schedules, warmUp } from "./schedule.js";
export { type SgdOptions, sgd } from "./sgd.js";
export {
  type FixedNormRule,
  type JointRule,
  type PlainRule,
  type UpdateRule,
  updateWeight,
  type WeightUpdate,
  type WeightUpdateInput,
} from "./update.js";
