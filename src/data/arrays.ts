import { IsonormError } from "../errors.js";
import type { Dataset, InputDescription } from "./dataset.js";
import { selectDataset } from "./select.js";
import { memoryStore } from "./store.js";

/** Labelled records in memory. */
export interface ArrayData {
  /** uint8 pixels for images, float32 cells for tables; [size, ...record], not copied. */
  readonly records: Uint8Array | Float32Array;
  /** The class index of each record. [size] */
  readonly labels: ArrayLike<number>;
  readonly classes: readonly string[];
  readonly input: InputDescription;
  /** What messages call an example; "example 3" and so on by default. */
  readonly source?: (example: number) => string;
}

/** Elements of one record of that input. */
export function recordLengthOf(input: InputDescription): number {
  return input.kind === "image"
    ? input.height * input.width * input.channels
    : input.numeric.length + input.categorical.length;
}

/**
 * A dataset over arrays in memory.
 *
 * @throws ISO_ARGUMENT where records, labels, classes and input do not fit together; ISO_DATA_NOT_FINITE for an infinite cell
 * @example
 * makeDataset({
 *   records: new Float32Array([0, 0, 0, 1, 1, 0, 1, 1]),
 *   labels: [0, 1, 1, 0],
 *   classes: ["even", "odd"],
 *   input: { kind: "table", numeric: ["a", "b"], categorical: [] },
 * });
 */
export function makeDataset({ records, labels, classes, input, source }: ArrayData): Dataset {
  const expected = input.kind === "image" ? "Uint8Array" : "Float32Array";
  if ((input.kind === "image") !== records instanceof Uint8Array) {
    throw new IsonormError(
      "ISO_ARGUMENT",
      `records of ${input.kind} input came as ${records.constructor.name}`,
      `Give a ${expected}`,
    );
  }
  const recordLength = recordLengthOf(input);
  if (recordLength * labels.length !== records.length) {
    throw new IsonormError(
      "ISO_ARGUMENT",
      `${labels.length} labels and records of ${recordLength} elements need ${labels.length * recordLength} elements, and records has ${records.length}`,
      "Give one label for each record",
    );
  }
  for (let i = 0; i < labels.length; i++) {
    if (!Number.isInteger(labels[i]) || labels[i]! < 0 || labels[i]! >= classes.length) {
      throw new IsonormError(
        "ISO_ARGUMENT",
        `labels[${i}] is ${labels[i]}, which is no index into the ${classes.length} classes`,
        "Give integers from 0 to the number of classes less one",
      );
    }
  }
  if (records instanceof Float32Array) {
    const infinite = records.findIndex(
      (value) => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY,
    );
    if (infinite >= 0) {
      throw new IsonormError(
        "ISO_DATA_NOT_FINITE",
        `records[${infinite}] (example ${Math.floor(infinite / recordLength)}, column ${infinite % recordLength}) is ${records[infinite]}`,
        "Give finite numbers, or NaN where a number is missing",
      );
    }
  }
  return selectDataset({
    input,
    classes,
    store: memoryStore(records, recordLength),
    labels: Int32Array.from(labels),
    source: source ?? ((example) => `example ${example}`),
  });
}
