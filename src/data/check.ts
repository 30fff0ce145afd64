import { createHash } from "node:crypto";
import type { Dataset, InputDescription } from "./dataset.js";
import type { UnreadableImage } from "./images/packed-images.js";
import { openDataInFull } from "./open/open.js";
import type { DataOptions } from "./options.js";
import { recordArray, recordsPerMebibyte, sequentialBatches } from "./sequential.js";
import { countClasses } from "./splits.js";

/** What `isonorm check` has to say about data. Plain data. */
export interface CheckReport {
  readonly input: InputDescription;
  readonly classes: readonly string[];
  readonly splits: readonly SplitReport[];
  readonly unreadable: readonly UnreadableImage[];
  /** Records that occur more than once. */
  readonly duplicates: {
    /** Records whose content an earlier record of the same split has. */
    readonly within: number;
    /** Records of validation or test whose content a record of an earlier split has: what is learned by heart there counts as skill here. */
    readonly leaks: number;
    /** Of both, those whose label differs from the earlier record's. */
    readonly conflicting: number;
    /** The first of them, leaks and conflicts before others. */
    readonly examples: readonly Duplicate[];
  };
  /** Images of each "WIDTHxHEIGHT" and of each mode (format, colour space, transparency), before scaling; most frequent first. */
  readonly imageSizes: readonly Counted[];
  readonly imageModes: readonly Counted[];
  /** For tables, the columns of the training split. */
  readonly columns: readonly ColumnReport[];
  /** For tables, columns that are left out. */
  readonly omittedColumns: readonly string[];
  readonly warnings: readonly string[];
  /** As in Splits. */
  readonly hash: string;
}

export interface SplitReport {
  readonly name: "train" | "validation" | "test";
  readonly size: number;
  /** Examples of each class. [classes] */
  readonly perClass: readonly number[];
}

export interface Duplicate {
  readonly first: DuplicateSide;
  readonly second: DuplicateSide;
  readonly conflicting: boolean;
}

export interface DuplicateSide {
  readonly split: SplitReport["name"];
  readonly source: string;
  readonly label: string;
}

export interface Counted {
  readonly name: string;
  readonly count: number;
}

export interface ColumnReport {
  readonly name: string;
  readonly kind: "numeric" | "categorical";
  /** Share of the training rows, 0 to 1. */
  readonly missing: number;
  /** All values that are not missing are equal. */
  readonly constant: boolean;
  /** Of a numeric column with a value; null otherwise. */
  readonly min: number | null;
  readonly max: number | null;
  /** Of a categorical column; null otherwise. */
  readonly categories: number | null;
}

const shownDuplicates = 20;

/**
 * Looks data over: what it holds, what is broken, and what would make its test figures lie.
 *
 * @throws what openData throws: data that cannot be opened at all has no report
 */
export async function checkData(path: string, options: DataOptions = {}): Promise<CheckReport> {
  const { splits, loaded } = await openDataInFull(path, options);
  const { train, validation, test } = splits;
  try {
    const datasets = [
      { name: "train" as const, dataset: train },
      { name: "validation" as const, dataset: validation },
      ...(test ? [{ name: "test" as const, dataset: test }] : []),
    ];
    const facts = [loaded.train, loaded.validation, loaded.test].flatMap((part) => part?.facts ?? []);
    return {
      input: train.input,
      classes: train.classes,
      splits: datasets.map(({ name, dataset }) => ({
        name,
        size: dataset.size,
        perClass: [...countClasses(dataset.labels, train.classes.length)],
      })),
      unreadable: facts.flatMap(({ unreadable }) => unreadable),
      duplicates: findDuplicates(datasets),
      imageSizes: merged(facts.map(({ sizes }) => sizes)),
      imageModes: merged(facts.map(({ modes }) => modes)),
      columns: columnReports(train),
      omittedColumns: loaded.train.facts.omitted,
      warnings: splits.warnings,
      hash: splits.hash,
    };
  } finally {
    for (const dataset of [train, validation, test]) dataset?.close();
  }
}

type Named = { readonly name: SplitReport["name"]; readonly dataset: Dataset };

/**
 * Finds records with equal content by a 52-bit hash, which a map of numbers holds cheaply, and compares the records themselves where hashes are equal. Of
 * several equal records the first stands for all.
 */
function findDuplicates(splits: readonly Named[]): CheckReport["duplicates"] {
  const firsts = new Map<number, { split: number; example: number }>();
  const duplicates: (Duplicate & { readonly leak: boolean })[] = [];
  let within = 0;
  let leaks = 0;
  let conflicting = 0;
  splits.forEach(({ dataset }, split) => {
    const earlier = recordArray(dataset.dtype, dataset.recordLength);
    for (const { records, first, count } of sequentialBatches(dataset, recordsPerMebibyte(dataset))) {
      for (let i = 0; i < count; i++) {
        const record = records.subarray(i * dataset.recordLength, (i + 1) * dataset.recordLength);
        const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
        const key = Number(createHash("sha256").update(bytes).digest().readBigUInt64LE() & 0xfffffffffffffn);
        const seen = firsts.get(key);
        if (seen === undefined) {
          firsts.set(key, { split, example: first + i });
          continue;
        }
        splits[seen.split]!.dataset.read([seen.example], earlier);
        if (!bytes.equals(Buffer.from(earlier.buffer, earlier.byteOffset, earlier.byteLength))) continue;
        const one = side(splits[seen.split]!, seen.example);
        const two = side(splits[split]!, first + i);
        const leak = seen.split !== split;
        if (leak) leaks++;
        else within++;
        if (one.label !== two.label) conflicting++;
        if (duplicates.length < 50 * shownDuplicates || leak || one.label !== two.label) {
          duplicates.push({ first: one, second: two, conflicting: one.label !== two.label, leak });
        }
      }
    }
  });
  const weight = ({ leak, conflicting }: (typeof duplicates)[number]): number => (leak ? 2 : 0) + (conflicting ? 1 : 0);
  const examples = duplicates
    .sort((a, b) => weight(b) - weight(a))
    .slice(0, shownDuplicates)
    .map(({ first, second, conflicting }) => ({ first, second, conflicting }));
  return { within, leaks, conflicting, examples };
}

function side({ name, dataset }: Named, example: number): DuplicateSide {
  return { split: name, source: dataset.source(example), label: dataset.classes[dataset.labels[example]!]! };
}

function merged(counts: readonly Readonly<Record<string, number>>[]): Counted[] {
  const sums = new Map<string, number>();
  for (const part of counts)
    for (const [name, count] of Object.entries(part)) sums.set(name, (sums.get(name) ?? 0) + count);
  return Array.from(sums, ([name, count]) => ({ name, count })).sort((a, b) => b.count - a.count);
}

function columnReports(dataset: Dataset): ColumnReport[] {
  const { input, recordLength } = dataset;
  if (input.kind !== "table") return [];
  const missing = new Float64Array(recordLength);
  const least = new Float64Array(recordLength).fill(Number.POSITIVE_INFINITY);
  const most = new Float64Array(recordLength).fill(Number.NEGATIVE_INFINITY);
  for (const { records, count } of sequentialBatches(dataset, recordsPerMebibyte(dataset))) {
    for (let row = 0; row < count; row++) {
      for (let column = 0; column < recordLength; column++) {
        const value = records[row * recordLength + column]!;
        const absent = column < input.numeric.length ? Number.isNaN(value) : value < 0;
        if (absent) missing[column]!++;
        else {
          if (value < least[column]!) least[column] = value;
          if (value > most[column]!) most[column] = value;
        }
      }
    }
  }
  const report = (
    name: string,
    kind: ColumnReport["kind"],
    column: number,
    categories: number | null,
  ): ColumnReport => {
    const numeric = kind === "numeric" && missing[column]! < dataset.size;
    return {
      name,
      kind,
      missing: missing[column]! / dataset.size,
      constant: least[column] === most[column],
      min: numeric ? least[column]! : null,
      max: numeric ? most[column]! : null,
      categories,
    };
  };
  return [
    ...input.numeric.map((name, i) => report(name, "numeric", i, null)),
    ...input.categorical.map(({ name, categories }, i) =>
      report(name, "categorical", input.numeric.length + i, categories.length),
    ),
  ];
}
