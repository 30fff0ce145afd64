import { IsonormError } from "../errors.js";
import type { Dataset, InputDescription } from "./dataset.js";
import type { RecordStore, StoreContent } from "./store.js";

/** How a record is put together from a stored one: element i comes from stored element `from[i]`, translated by `codes[i]` where there is one. */
export interface RecordLayout {
  readonly from: Uint32Array;
  /** For a categorical column: stored code -> category index (-1 for a category that training never saw); undefined for a numeric one. */
  readonly codes: readonly (Int32Array | undefined)[];
}

export interface Selection {
  readonly input: InputDescription;
  readonly classes: readonly string[];
  readonly store: RecordStore;
  /** The stored record of each example; undefined for all of them in order. [size] */
  readonly records?: Uint32Array;
  /** The class index of each stored record. [store.size] */
  readonly labels: Int32Array;
  /** Undefined where records are used as they are stored. */
  readonly layout?: RecordLayout;
  /** Where a stored record came from. */
  source(record: number): string;
}

/** A selection as plain data, without what only messages need. */
export interface DatasetContent extends Omit<Selection, "store" | "source"> {
  readonly store: StoreContent;
}

/** The dataset of the selected records; it owns its store handle. */
export function selectDataset(selection: Selection): Dataset {
  const { input, classes, store, records, layout, source, ...rest } = selection;
  const labels = records ? Int32Array.from(records, (record) => selection.labels[record]!) : selection.labels;
  const size = labels.length;
  const recordOf = (example: number): number => {
    if (!(example >= 0 && example < size)) {
      throw new IsonormError(
        "ISO_INTERNAL",
        `Example ${example} of a split of ${size} was asked for`,
        "Report this as a bug",
      );
    }
    return records ? records[example]! : example;
  };
  let scratch = new Float32Array(0);

  return {
    input,
    classes,
    size,
    labels,
    recordLength: layout ? layout.from.length : store.recordLength,
    dtype: store.dtype,
    read(examples, into, offset = 0) {
      const wanted = new Uint32Array(examples.length);
      for (let i = 0; i < wanted.length; i++) wanted[i] = recordOf(examples[i]!);
      if (!layout) {
        store.read(wanted, into, offset);
        return;
      }
      const length = wanted.length * store.recordLength;
      if (scratch.length < length) scratch = new Float32Array(length);
      store.read(wanted, scratch);
      arrange(scratch, store.recordLength, layout, wanted.length, into, offset);
    },
    content: { ...rest, input, classes, store: store.content, ...(records && { records }), ...(layout && { layout }) },
    source: (example) => source(recordOf(example)),
    close: () => store.close(),
  };
}

function arrange(
  stored: Float32Array,
  storedLength: number,
  { from, codes }: RecordLayout,
  count: number,
  into: Uint8Array | Float32Array,
  offset: number,
): void {
  for (let column = 0; column < from.length; column++) {
    const translation = codes[column];
    let at = offset + column;
    let stored0 = from[column]!;
    for (let row = 0; row < count; row++, at += from.length, stored0 += storedLength) {
      const value = stored[stored0]!;
      into[at] = translation === undefined ? value : Number.isNaN(value) ? -1 : translation[value]!;
    }
  }
}
