import type { RecordStore } from "./store.js";

/** One part of a data set as it was found (the whole, or a given training, validation or test part), decoded but not yet split. */
export interface Part {
  readonly store: RecordStore;
  /** The class names that occur, sorted. */
  readonly classes: readonly string[];
  /** The class of each record, as an index into `classes`. [store.size] */
  readonly labels: Int32Array;
  /** SHA-256 (hex) of the records. */
  readonly digest: string;
  /** What was skipped or repaired: one sentence each. */
  readonly warnings: readonly string[];
  /** Where a record came from. */
  source(record: number): string;
}
