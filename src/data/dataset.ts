import type { DatasetContent } from "./select.js";

/** Labelled examples of one split, as fixed-size records: uint8 pixels or float32 table cells. */
export interface Dataset {
  readonly input: InputDescription;
  /** Class names, sorted; labels index into them. */
  readonly classes: readonly string[];
  /** Number of examples. */
  readonly size: number;
  /** The class index of each example. [size] */
  readonly labels: Int32Array;
  /** Elements of one record: height * width * channels, or the number of columns. */
  readonly recordLength: number;
  readonly dtype: "uint8" | "float32";
  /**
   * Copies the records of those examples into `into`, one after the other, from element `offset` on.
   * Images are height x width x channels; table rows are the numeric columns (NaN where missing), then the category indices (-1 where
   * missing or unknown). Synchronous: it reads from memory or from the packed cache on disk.
   */
  read(examples: ArrayLike<number>, into: Uint8Array | Float32Array, offset?: number): void;
  /** What it is made of, for another thread of the process; undefined where that cannot be told. It holds until the dataset is closed. */
  readonly content?: DatasetContent | undefined;
  /** Where an example came from (path or row), for messages and reports. */
  source(example: number): string;
  close(): void;
}

/** What a classifier's raw input looks like. Plain data: it stands in run.json and in the exported model's metadata. */
export type InputDescription = ImageDescription | TableDescription;

export interface ImageDescription {
  readonly kind: "image";
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
}

export interface TableDescription {
  readonly kind: "table";
  /** Numeric columns, in record order. */
  readonly numeric: readonly string[];
  /** Categorical columns, after the numeric ones, each with its categories. */
  readonly categorical: readonly { readonly name: string; readonly categories: readonly string[] }[];
}

export interface Splits {
  readonly train: Dataset;
  readonly validation: Dataset;
  /** Undefined where the user asked for none. */
  readonly test: Dataset | undefined;
  /** SHA-256 (hex) of the records, labels and class names of all splits. */
  readonly hash: string;
  /** What was skipped or repaired on the way: one sentence each. */
  readonly warnings: readonly string[];
}
