import { IsonormError } from "../../errors.js";
import type { Dataset, ImageDescription, InputDescription, TableDescription } from "../dataset.js";
import { readIdxPart } from "../idx/packed-idx.js";
import { packImages } from "../images/packed-images.js";
import { type DataOptions, validateOptions } from "../options.js";
import type { Part } from "../part.js";
import { type RecordLayout, selectDataset } from "../select.js";
import { chooseLabel, labelMissing, type TableForm } from "../tables/form.js";
import { tableLayout } from "../tables/layout.js";
import { readTable } from "../tables/packed-table.js";
import { openTable } from "../tables/reader.js";
import { detectData, type SplitName } from "./detect.js";
import { labelsIn } from "./open.js";
import { meantPart, requireSameImages } from "./parts.js";

/** Records without labels. */
export type UnlabelledDataset = Omit<Dataset, "labels" | "classes">;

export interface TrainedInput {
  readonly input: InputDescription;
  readonly classes: readonly string[];
}

/**
 * Opens labelled data for a model that is already trained: images are scaled to its size, columns matched by name, categories and labels translated into its
 * own. Of data with splits of its own it is the test split that is opened (or the one named); of other data, all examples.
 *
 * @throws what openData throws, and ISO_DATA_FORMAT where data and model do not fit, a class that the model does not know included
 */
export async function openForModel(
  path: string,
  { input, classes }: TrainedInput,
  options: DataOptions & { readonly split?: SplitName } = {},
): Promise<Dataset> {
  validateOptions(options);
  const found = await detectData(path);
  const split = options.split ?? "test";
  if (found.kind === "table") {
    if (input.kind !== "table") throw doesNotFit(path, "a table", input);
    const file = meantPart(found.splits, split);
    const { columns } = await openTable(file, options);
    const features = new Set([...input.numeric, ...input.categorical.map(({ name }) => name)]);
    const others = columns.filter((name) => !features.has(name));
    if (others.length === 0) throw labelMissing(file, options.label ?? "label", columns);
    const label =
      options.label === undefined ? chooseLabel(file, others, undefined) : chooseLabel(file, columns, options.label);
    const part = await readTable(file, { ...formOf(input), label }, options);
    return labelled(part, input, classes, tableLayout(part.columns, input));
  }
  if (input.kind !== "image") throw doesNotFit(path, "made of images", input);
  if (found.kind === "images")
    return labelled(await packImages(meantPart(found.splits, split), input, options), input, classes);
  const files = meantPart(found.splits, split);
  const part = await readIdxPart(files, options);
  try {
    requireSameImages(files.images, part.input, input);
  } catch (error) {
    part.store.close();
    throw error;
  }
  return labelled(part, input, classes);
}

function labelled(part: Part, input: InputDescription, classes: readonly string[], layout?: RecordLayout): Dataset {
  try {
    return selectDataset({
      input,
      classes,
      store: part.store,
      labels: labelsIn(part, classes),
      layout,
      source: part.source,
    });
  } catch (error) {
    part.store.close();
    if (!(error instanceof IsonormError) || error.code !== "ISO_DATA_CLASS_TOO_SMALL") throw error;
    const unknown = part.classes.filter((name) => !classes.includes(name));
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `The data has classes that the model does not know: ${unknown.slice(0, 10).join(", ")}; it knows ${classes.slice(0, 10).join(", ")}${classes.length > 10 ? ", ..." : ""}`,
      "Give data with the model's classes",
    );
  }
}

/**
 * The rows of a CSV or Parquet table for prediction: the columns that the model takes, matched by name; others, a label among them, are ignored.
 *
 * @throws ISO_DATA_FORMAT where a column is missing, ISO_DATA_NOT_NUMERIC, ISO_DATA_NOT_FINITE, ...
 */
export async function readTableRows(
  path: string,
  input: TableDescription,
  options: DataOptions = {},
): Promise<UnlabelledDataset> {
  validateOptions(options);
  const found = await detectData(path);
  if (found.kind !== "table") throw doesNotFit(path, "made of images", input);
  const file = meantPart(found.splits, "test");
  const part = await readTable(file, { ...formOf(input), label: undefined }, options);
  return selectDataset({
    input,
    classes: part.classes,
    store: part.store,
    labels: part.labels,
    layout: tableLayout(part.columns, input),
    source: part.source,
  });
}

function formOf(input: TableDescription): Omit<TableForm, "label"> {
  return { numeric: input.numeric, categorical: input.categorical.map(({ name }) => name) };
}

function doesNotFit(path: string, what: string, input: ImageDescription | TableDescription): IsonormError {
  return new IsonormError(
    "ISO_DATA_FORMAT",
    `${path} is ${what}, and the model takes ${input.kind === "image" ? "images" : "rows of a table"}`,
    "Give data of the kind that the model was trained on",
  );
}
