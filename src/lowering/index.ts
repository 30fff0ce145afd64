export {
  blockedDomain,
  fromOrder,
  interleave,
  type MatrixForm,
  type MatrixOrder,
  shapeInBlocks,
  toOrder,
  weightForms,
} from "./cpu/blocked/index.js";
export { type Costs, type CostTable, costsFor, costTableSchema, shippedCosts } from "./cpu/index.js";
export { type LowerOptions, lower, opsetsOf } from "./lower.js";
export type { Recipe, RecipeContext, RecipeSet, Target } from "./recipe.js";
export { webgpuProvider } from "./webgpu/provider.js";
