import "./rules/index.js";

export { differentiate } from "./differentiate.js";
export { differentiableOperators, type GradientContext, type GradientRule, gradientRule } from "./registry.js";
