import "./convolution.js";
import "./elementwise.js";
import "./isonorm.js";
import "./matmul.js";
import "./reductions.js";
import "./shape.js";

export { broadcastShapes } from "./broadcast.js";
export { hasInference, type InferContext, type InferRule, infer, operatorKey, registerInference } from "./registry.js";
export { transposedWindowGeometry, type WindowGeometry, windowGeometry } from "./window.js";
