export {
  attributeDataType,
  attributeFloat,
  attributeFloats,
  attributeInt,
  attributeInts,
  attributeString,
  attributeTensor,
} from "./attributes.js";
export { GraphBuilder, type Operand, type OperatorOptions, sameShape } from "./builder.js";
export { dropPathName, isDropPath } from "./dropPath.js";
export {
  broadcastShapes,
  hasInference,
  type InferContext,
  type InferRule,
  infer,
  inferableOperators,
  operatorKey,
  registerInference,
  transposedWindowGeometry,
  type WindowGeometry,
  windowGeometry,
} from "./infer/index.js";
export { type InlineOptions, inline } from "./inline.js";
export { pack, unpack } from "./pack.js";
export {
  consumers,
  dependents,
  eliminateCommonSubexpressions,
  eliminateDeadNodes,
  foldIdentities,
  inferGraph,
  materialiseConstants,
  mergeReshapes,
  nameOutputs,
  producers,
  pruneInitializers,
  readNames,
  renameReads,
  replaceValue,
  shareConstants,
  topologicalOrder,
} from "./rewrite/index.js";
export { isControl, keyOf, storedConstant, type Unrolled, unroll } from "./unroll/index.js";
export { currentOpset, unknownForms, upgrade } from "./upgrade/index.js";
export type { TensorType, Value } from "./value.js";
