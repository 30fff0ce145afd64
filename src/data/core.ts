/** The part of `data/` that imports nothing from Node: what training itself needs. */
export { type AugmentationSettings, augmentationSchema, defaultAugmentation, noAugmentation } from "./augment.js";
export { type Batch, type BatchSettings, type BatchSource, batchSource } from "./batches.js";
export type { Dataset, ImageDescription, InputDescription, Splits, TableDescription } from "./dataset.js";
export { deriveSeed, epochOrder, Random } from "./random.js";
export { type RecordBatch, recordsPerMebibyte, sequentialBatches } from "./sequential.js";
export { type InputStatistics, inputStatistics } from "./statistics.js";
