import { IsonormError } from "../../errors.js";
import type { Dataset, InputDescription, TableDescription } from "../dataset.js";
import { readIdxPart } from "../idx/packed-idx.js";
import { packImages } from "../images/packed-images.js";
import { joinDatasets } from "../join.js";
import { type DataOptions, validateOptions } from "../options.js";
import type { Part } from "../part.js";
import { type RecordLayout, selectDataset } from "../select.js";
import { chooseLabel, labelMissing } from "../tables/form.js";
import { tableLayout } from "../tables/layout.js";
import { readTable } from "../tables/packed-table.js";
import { openTable } from "../tables/reader.js";
import { detectData, type FoundData, type SplitName } from "./detect.js";
import { matchColumns } from "./matchColumns.js";
import { requireSameImages } from "./parts.js";

/** What a trained classifier says of itself. */
export interface TrainedClassifier {
  readonly input: InputDescription;
  readonly classes: readonly string[];
}

export interface ClassifierDataOptions extends DataOptions {
  /** The part of the data that is wanted. Default: its test part where it has one, else all of it. */
  readonly split?: SplitName | "all";
}

/** Labelled examples as a classifier takes them. */
export interface ClassifierData {
  readonly dataset: Dataset;
  /** The part that was opened. */
  readonly split: SplitName | "all";
  readonly warnings: readonly string[];
}

/**
 * Opens labelled data for a classifier that is already trained: images are scaled to its size, table columns found by name (or by position where there
 * are no names), categories and labels translated into its own. The data need not hold every class.
 *
 * @throws what openData throws; ISO_DATA_FORMAT where data and classifier do not fit, a label that the classifier does not know included; ISO_ARGUMENT for
 * a part that the data does not have
 */
export async function openForClassifier(
  path: string,
  classifier: TrainedClassifier,
  options: ClassifierDataOptions = {},
): Promise<ClassifierData> {
  validateOptions(options);
  const found = await detectData(path);
  const { names, split } = chooseParts(path, found, options.split);
  const opened: { dataset: Dataset; warnings: readonly string[] }[] = [];
  try {
    for (const name of names) opened.push(await openPart(found, name, classifier, options));
  } catch (error) {
    for (const { dataset } of opened) dataset.close();
    throw error;
  }
  return {
    dataset: joinDatasets(opened.map(({ dataset }) => dataset)),
    split,
    warnings: [...new Set(opened.flatMap(({ warnings }) => warnings))],
  };
}

function chooseParts(path: string, { splits }: FoundData, wanted: ClassifierDataOptions["split"]) {
  const present = (["train", "validation", "test"] as const).filter((name) => splits[name] !== undefined);
  const whole = present.length === 1 && present[0] === "train";
  const split = wanted ?? (splits.test ? "test" : "all");
  if (split === "all") return { names: present, split };
  if (!whole && present.includes(split)) return { names: [split], split };
  throw new IsonormError(
    "ISO_ARGUMENT",
    `${path} has no ${split} split of its own${whole ? "" : ` (it has ${present.join(", ")})`}, and is not the data that the classifier was trained on`,
    "Leave --split out, or use --split all",
  );
}

async function openPart(
  found: FoundData,
  name: SplitName,
  { input, classes }: TrainedClassifier,
  options: DataOptions,
): Promise<{ dataset: Dataset; warnings: readonly string[] }> {
  const dataset = (part: Part, layout?: RecordLayout) => {
    try {
      const labels = knownLabels(part, classes);
      const { store, source, warnings } = part;
      return { dataset: selectDataset({ input, classes, store, labels, layout, source }), warnings };
    } catch (error) {
      part.store.close();
      throw error;
    }
  };
  switch (found.kind) {
    case "images":
      if (input.kind !== "image") throw doesNotFit(found.splits[name]!.root, "a folder of images", input);
      return dataset(await packImages(found.splits[name]!, input, options));
    case "idx": {
      const files = found.splits[name]!;
      if (input.kind !== "image") throw doesNotFit(files.images, "an IDX file of images", input);
      const part = await readIdxPart(files, options);
      try {
        requireSameImages(files.images, part.input, input);
      } catch (error) {
        part.store.close();
        throw error;
      }
      return dataset(part);
    }
    case "table": {
      const path = found.splits[name]!;
      if (input.kind !== "table") throw doesNotFit(path, "a table", input);
      const { part, layout } = await openColumns(path, input, true, options);
      return dataset(part, layout);
    }
  }
}

/** Rows of a table without labels, for prediction: the columns that the classifier takes; others are ignored. */
export interface ClassifierRows extends Omit<Dataset, "labels" | "classes"> {
  readonly warnings: readonly string[];
}

/**
 * Opens the rows of a CSV or Parquet table for prediction.
 *
 * @throws ISO_DATA_FORMAT where a column is missing, ISO_DATA_NOT_NUMERIC, ISO_DATA_NOT_FINITE, ISO_DATA_EMPTY, ...
 */
export async function openRowsForClassifier(
  path: string,
  input: TableDescription,
  options: DataOptions = {},
): Promise<ClassifierRows> {
  validateOptions(options);
  const { part, layout } = await openColumns(path, input, false, options);
  const { store, labels, classes, source, warnings } = part;
  return { ...selectDataset({ input, classes, store, labels, layout, source }), warnings };
}

async function openColumns(path: string, input: TableDescription, labelled: boolean, options: DataOptions) {
  const table = await openTable(path, options);
  const label = labelled ? findLabel(path, table.columns, input, options.label) : undefined;
  const columns = matchColumns(path, table, input, label);
  const numeric = columns.slice(0, input.numeric.length);
  const categorical = columns.slice(input.numeric.length);
  const part = await readTable(path, { numeric, categorical, label }, options);
  const renamed: TableDescription = {
    kind: "table",
    numeric,
    categorical: input.categorical.map(({ categories }, i) => ({ name: categorical[i]!, categories })),
  };
  return { part, layout: tableLayout(part.columns, renamed) };
}

/** The label column is none of the classifier's columns, where names tell. */
function findLabel(
  path: string,
  columns: readonly string[],
  input: TableDescription,
  wanted: string | undefined,
): string {
  if (wanted !== undefined) return chooseLabel(path, columns, wanted);
  const features = [...input.numeric, ...input.categorical.map(({ name }) => name)];
  if (!features.every((name) => columns.includes(name))) return chooseLabel(path, columns, undefined);
  const others = columns.filter((name) => !features.includes(name));
  if (others.length === 0) throw labelMissing(path, "label", columns);
  return chooseLabel(path, others, undefined);
}

/** Labels as indices into the classifier's classes. [store.size] */
function knownLabels({ classes: names, labels, source }: Part, classes: readonly string[]): Int32Array {
  const index = names.map((name) => classes.indexOf(name));
  const unknown = names.filter((_, i) => index[i] === -1);
  if (unknown.length > 0) {
    const example = labels.indexOf(names.indexOf(unknown[0]!));
    const list = (texts: readonly string[]): string =>
      `${texts
        .slice(0, 10)
        .map((text) => JSON.stringify(text))
        .join(", ")}${texts.length > 10 ? ", ..." : ""}`;
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `The classifier does not know the ${unknown.length === 1 ? "label" : "labels"} ${list(unknown)} (first in ${source(example)}); its classes are ${list(classes)}`,
      "Give data whose labels are among the classifier's classes, or name the label column with --label",
    );
  }
  return labels.map((label) => index[label]!);
}

function doesNotFit(path: string, what: string, input: InputDescription): IsonormError {
  return new IsonormError(
    "ISO_DATA_FORMAT",
    `${path} is ${what}, and the classifier takes ${input.kind === "image" ? "images" : "rows of a table"}`,
    "Give data of the kind that it was trained on",
  );
}
