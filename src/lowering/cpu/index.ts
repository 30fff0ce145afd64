export { chooseRecipe } from "./choose.js";
export { type Costs, type CostTable, costsFor, costTableSchema, layoutOperators, shippedCosts } from "./costs/index.js";
export type { CpuOperator, CpuRecipe, NodeView, Sizes } from "./operator.js";
export { cpuOperators } from "./operators/index.js";
export { cpuSubstitutes } from "./substitutes.js";
