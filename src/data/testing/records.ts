import type { Dataset } from "../dataset.js";
import { recordArray } from "../sequential.js";

/** All records of a dataset. */
export function recordsOf(dataset: Pick<Dataset, "dtype" | "size" | "recordLength" | "read">): number[][] {
  const all = recordArray(dataset.dtype, dataset.size * dataset.recordLength);
  dataset.read(
    Array.from({ length: dataset.size }, (_, i) => i),
    all,
  );
  return Array.from({ length: dataset.size }, (_, i) => [
    ...all.subarray(i * dataset.recordLength, (i + 1) * dataset.recordLength),
  ]);
}
