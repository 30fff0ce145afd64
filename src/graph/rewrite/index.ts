export { inferGraph, materialiseConstants } from "./constants.js";
export {
  eliminateCommonSubexpressions,
  eliminateDeadNodes,
  foldIdentities,
  mergeReshapes,
  nameOutputs,
  pruneInitializers,
  shareConstants,
} from "./eliminate.js";
export { allNames, consumers, dependents, innerGraphs, producers, readNames, topologicalOrder } from "./order.js";
export { mapGraphs, renameReads, replaceValue } from "./substitute.js";
