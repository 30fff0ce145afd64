export { inferGraph, materialiseConstants } from "./constants.js";
export {
  eliminateCommonSubexpressions,
  eliminateDeadNodes,
  foldIdentities,
  mergeReshapes,
  nameOutputs,
  pruneInitializers,
} from "./eliminate.js";
export { consumers, dependents, producers, readNames, topologicalOrder } from "./order.js";
export { renameReads, replaceValue } from "./substitute.js";
