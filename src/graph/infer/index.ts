export { hasInference, type InferContext, type InferRule, infer, operatorKey, registerInference } from "./registry.js";
