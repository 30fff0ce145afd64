export { GraphBuilder, type Operand, type OperatorOptions, sameShape } from "./builder.js";
export { hasInference, type InferContext, type InferRule, infer, operatorKey, registerInference } from "./infer/index.js";
export type { TensorType, Value } from "./value.js";
