/** Labelled data: from folders, IDX files and tables to splits, batches and statistics. What runs without Node is in core.ts alone. */
export {
  type CheckReport,
  type ColumnReport,
  checkData,
  type Duplicate,
  type DuplicateSide,
  type SplitReport,
} from "./check.js";
export * from "./core.js";
export { decodeImage, isImageName } from "./images/decode.js";
export type { UnreadableImage } from "./images/packed-images.js";
export { joinDatasets } from "./join.js";
export { detectData, type FoundData } from "./open/detect.js";
export {
  type ClassifierData,
  type ClassifierDataOptions,
  type ClassifierRows,
  openForClassifier,
  openRowsForClassifier,
  type TrainedClassifier,
} from "./open/forClassifier.js";
export { openData, openData as open } from "./open/open.js";
export { type ArraySplits, arrays, csv, idx, imageFolder, parquet } from "./open/sources.js";
export type { DataOptions } from "./options.js";
export { openCache } from "./pack/cache.js";
export { createPack, openPack } from "./pack/pack.js";
export { shared } from "./pack/shared.js";
export { type PreparedBatches, prepareAhead } from "./prefetch/prepareAhead.js";
export { selectDataset } from "./select.js";
