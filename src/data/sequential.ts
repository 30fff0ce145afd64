import type { Dataset } from "./dataset.js";

/** What can be read in order: a dataset, with or without labels. */
export type RecordSource = Pick<Dataset, "dtype" | "size" | "recordLength" | "read">;

/** A batch of records read in order. */
export interface RecordBatch {
  /** [count, ...record]; a view that the next batch overwrites. */
  readonly records: Uint8Array | Float32Array;
  /** The index of the first example. */
  readonly first: number;
  /** Number of examples; smaller only in the last batch. */
  readonly count: number;
}

/** An array for so many elements of the dataset's type. */
export function recordArray(dtype: Dataset["dtype"], length: number): Uint8Array | Float32Array {
  return dtype === "uint8" ? new Uint8Array(length) : new Float32Array(length);
}

/**
 * All records in order, `batchSize` at a time, the last batch with what is left; for evaluation and statistics.
 *
 * @example
 * for (const { records, first, count } of sequentialBatches(splits.validation, 256)) evaluate(records, count);
 */
export function* sequentialBatches(dataset: RecordSource, batchSize: number): Generator<RecordBatch> {
  const buffer = recordArray(dataset.dtype, Math.min(batchSize, dataset.size) * dataset.recordLength);
  const examples = new Uint32Array(Math.min(batchSize, dataset.size));
  for (let first = 0; first < dataset.size; first += batchSize) {
    const count = Math.min(batchSize, dataset.size - first);
    for (let i = 0; i < count; i++) examples[i] = first + i;
    dataset.read(examples.subarray(0, count), buffer);
    yield { records: buffer.subarray(0, count * dataset.recordLength), first, count };
  }
}

/** How many records make about a mebibyte, at least one. */
export function recordsPerMebibyte(dataset: RecordSource): number {
  const bytes = dataset.recordLength * (dataset.dtype === "uint8" ? 1 : 4);
  return Math.max(1, Math.floor(2 ** 20 / Math.max(1, bytes)));
}
