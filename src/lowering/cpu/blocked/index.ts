import { batchNormalization } from "./batchNormalization.js";
import { elementwiseRules } from "./elementwise.js";
import type { BlockedRule } from "./layout.js";
import { matrixProduct } from "./product.js";

export { fuse } from "./fuse.js";
export * from "./layout.js";
export * from "./matrices.js";
export * from "./matrixOrder.js";
export { stateForms, weightForms } from "./stateForms.js";

/** What is computed on blocked values wherever it can be, by operator; those that have a choice are in `../operators.ts`. */
export const blockedRules: ReadonlyMap<string, BlockedRule> = new Map<string, BlockedRule>([
  ...elementwiseRules,
  ["BatchNormalization", batchNormalization],
  ["Gemm", matrixProduct],
]);
