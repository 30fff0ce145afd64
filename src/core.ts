/**
 * The part of isonorm that runs anywhere, a browser included: ONNX models as data, gradients, the fixed-norm method and training itself.
 * Sessions come from onnxruntime-node or onnxruntime-web, as the caller likes. Nothing here imports from Node.
 *
 * @module
 */
export * as autodiff from "./autodiff/index.js";
export * as classifier from "./classifier/index.js";
export * as data from "./data/core.js";
export { type ErrorCode, IsonormError } from "./errors.js";
export * as graph from "./graph/index.js";
export * as inspect from "./inspect/index.js";
export * as lowering from "./lowering/index.js";
export * as method from "./method/index.js";
export * as metrics from "./metrics/index.js";
export * as models from "./models/index.js";
export * as onnx from "./onnx/index.js";
export * as optim from "./optim/index.js";
export * as training from "./train/index.js";
