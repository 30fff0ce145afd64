import "../fold/index.js";
import "./blocked.js";
import "./convolution.js";
import "./einsum.js";
import "./elementwise.js";
import "./fused.js";
import "./generation.js";
import "./indexing.js";
import "./isonorm.js";
import "./losses.js";
import "./matmul.js";
import "./normalization.js";
import "./pooling.js";
import "./quantization.js";
import "./recurrent.js";
import "./reductions.js";
import "./resizing.js";
import "./shape.js";
import "./signal.js";
import "./slicing.js";

export { broadcastShapes } from "./broadcast.js";
export {
  foldLimit,
  hasInference,
  type InferContext,
  type InferRule,
  infer,
  inferableOperators,
  operatorKey,
  registerInference,
} from "./registry.js";
export { transposedWindowGeometry, type WindowGeometry, windowGeometry } from "./window.js";
