import { IsonormError } from "../../errors.js";
import type { Dataset, InputDescription, Splits } from "../dataset.js";
import { type DataOptions, defaultTest, defaultValidation, validateOptions } from "../options.js";
import { sha256 } from "../pack/digest.js";
import type { Part } from "../part.js";
import { selectDataset } from "../select.js";
import { countClasses, stratify } from "../splits.js";
import { type RecordStore, shareStore } from "../store.js";
import { type LoadedData, type LoadedPart, loadData } from "./parts.js";

/** The splits, and what a check reports besides. */
export interface OpenedData {
  readonly splits: Splits;
  readonly loaded: LoadedData;
}

/**
 * Opens labelled data: a folder with a subfolder a class (optionally under train/, validation/, test/), a folder of IDX files, or a CSV or Parquet
 * table (or a folder that holds one, or train.csv and test.csv).
 *
 * Splits that neither the data nor the options give are taken from the training part, class by class: 0.2 of it for test, then 0.1 of the rest for
 * validation, each class with at least one example in training and one in validation. They depend on the seed and on names, never on the order in which
 * the file system lists files.
 *
 * @throws coded errors named ISO_DATA_..., and ISO_ARGUMENT for options out of range
 * @example
 * const { train, validation, test } = await openData("examples/digits", { seed: 1 });
 */
export async function openData(path: string, options: DataOptions = {}): Promise<Splits> {
  return (await openDataInFull(path, options)).splits;
}

export async function openDataInFull(path: string, options: DataOptions): Promise<OpenedData> {
  validateOptions(options);
  const loaded = await loadData(path, options);
  try {
    return { splits: split(loaded, options), loaded };
  } catch (error) {
    for (const part of [loaded.train, loaded.validation, loaded.test]) part?.part.store.close();
    throw error;
  }
}

function split(loaded: LoadedData, options: DataOptions): Splits {
  const { train, validation, test } = loaded;
  const { classes, labels } = train.part;
  const share = (option: number | string | undefined, otherwise: number): number =>
    typeof option === "number" ? option : otherwise;
  const partition = stratify(
    labels,
    classes,
    {
      validation: validation ? undefined : share(options.validation, defaultValidation),
      test: test || typeof options.test === "string" ? 0 : share(options.test, defaultTest),
    },
    options.seed ?? 0,
  );
  const input = loaded.describe(partition.train);
  const warnings = [
    ...new Set([train, validation, test].flatMap((part) => part?.part.warnings ?? [])),
    ...loaded.warnings,
  ];

  const taken = [
    partition.train,
    ...(validation ? [] : [partition.validation]),
    ...(test || partition.test.length === 0 ? [] : [partition.test]),
  ];
  const handles = shareStore(train.part.store, taken.length);
  const select = (part: LoadedPart, store: RecordStore, records: Uint32Array | undefined): SplitDataset => ({
    dataset: selectDataset({
      input,
      classes,
      store,
      records,
      labels: part === train ? labels : labelsIn(part.part, classes),
      layout: part.layout(input),
      source: part.part.source,
    }),
    identity: [part.part.digest, records ? sha256(asBytes(records)) : ""],
  });
  const own = (records: Uint32Array): SplitDataset => select(train, handles[taken.indexOf(records)]!, records);
  const splits = {
    train: own(partition.train),
    validation: validation ? select(validation, validation.part.store, undefined) : own(partition.validation),
    test: test ? select(test, test.part.store, undefined) : partition.test.length > 0 ? own(partition.test) : undefined,
  };
  const counts = countClasses(splits.validation.dataset.labels, classes.length);
  const unvalidated = classes.filter((_, i) => counts[i] === 0);
  if (unvalidated.length > 0)
    warnings.push(
      `The validation split has no example of ${unvalidated.slice(0, 10).join(", ")}${unvalidated.length > 10 ? ", ..." : ""}.`,
    );
  if (!splits.test && !test && share(options.test, defaultTest) > 0 && typeof options.test !== "string") {
    warnings.push("The data has too few examples for a test split.");
  }
  return {
    train: splits.train.dataset,
    validation: splits.validation.dataset,
    test: splits.test?.dataset,
    hash: hashOf(classes, input, [splits.train, splits.validation, splits.test]),
    warnings,
  };
}

interface SplitDataset {
  readonly dataset: Dataset;
  /** Digests of the stored records and of which of them are meant. */
  readonly identity: readonly string[];
}

/** The labels of a given split as indices into the training part's classes. */
function labelsIn(part: Part, classes: readonly string[]): Int32Array {
  const index = part.classes.map((name) => classes.indexOf(name));
  const unknown = index.indexOf(-1);
  if (unknown >= 0) {
    const example = part.labels.indexOf(unknown);
    throw new IsonormError(
      "ISO_DATA_CLASS_TOO_SMALL",
      `Class ${JSON.stringify(part.classes[unknown])} (${part.source(example)}) has no example to train on`,
      "Add training examples of that class, or take it out of the other data",
    );
  }
  return part.labels.map((label) => index[label]!);
}

function asBytes(array: Uint32Array | Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function hashOf(
  classes: readonly string[],
  input: InputDescription,
  splits: readonly (SplitDataset | undefined)[],
): string {
  const identities = splits.map((split) => split && [...split.identity, sha256(asBytes(split.dataset.labels))]);
  return sha256(JSON.stringify(["isonorm data 1", classes, input, identities]));
}
