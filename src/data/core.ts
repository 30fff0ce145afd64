/** The parts of `data` that run anywhere: nothing here imports from Node. */
export { type ArrayData, makeDataset, recordLengthOf } from "./arrays.js";
export {
  type AugmentationSettings,
  augmentationSchema,
  defaultAugmentation,
  noAugmentation,
  type RecordAugmenter,
  recordAugmenter,
} from "./augment.js";
export { type Batch, type BatchFeed, type BatchSettings, type BatchSource, batchSource } from "./batches.js";
export type { Dataset, ImageDescription, InputDescription, Splits, TableDescription } from "./dataset.js";
export { type MixupBatch, mixup } from "./mixup.js";
export { deriveSeed, epochOrder, Random, type SeedPart } from "./random.js";
export {
  type RecordBatch,
  type RecordSource,
  recordArray,
  recordsPerMebibyte,
  sequentialBatches,
} from "./sequential.js";
export { countClasses, type Partition, type PartitionFractions, sortClassNames, stratify } from "./splits.js";
export {
  type ColumnStatistics,
  type ImageStatistics,
  type InputStatistics,
  inputStatistics,
  type TableStatistics,
} from "./statistics.js";
export { type ClassWeights, classWeightVector } from "./targets.js";
