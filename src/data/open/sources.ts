import { IsonormError } from "../../errors.js";
import { type ArrayData, makeDataset } from "../arrays.js";
import type { Dataset, InputDescription, Splits } from "../dataset.js";
import { type DataOptions, defaultTest, defaultValidation, validateOptions } from "../options.js";
import { sha256 } from "../pack/digest.js";
import { bytesOf } from "../pack/file.js";
import { selectDataset } from "../select.js";
import { stratify } from "../splits.js";
import { memoryStore } from "../store.js";
import { detectData, type FoundData } from "./detect.js";
import { openData } from "./open.js";

type ImageOptions = Omit<DataOptions, "label" | "categorical" | "noHeader">;
type TableOptions = Omit<DataOptions, "imageSize" | "channels" | "concurrency">;

/** A folder with a subfolder of images for each class, optionally under train/, validation/, test/. */
export function imageFolder(path: string, options: ImageOptions = {}): Promise<Splits> {
  return openAs("images", "a folder with a subfolder of images for each class", path, options);
}

/** A folder of IDX files, named as MNIST's are. */
export function idx(path: string, options: ImageOptions = {}): Promise<Splits> {
  return openAs("idx", "a folder of IDX files", path, options);
}

/** A CSV file, or a folder that holds one, or train.csv and test.csv. */
export function csv(path: string, options: TableOptions = {}): Promise<Splits> {
  return openAs("table", "a CSV table", path, options, /\.[ct]sv(\.gz)?$/i);
}

/** A Parquet file, or a folder that holds one, or train.parquet and test.parquet. */
export function parquet(path: string, options: TableOptions = {}): Promise<Splits> {
  return openAs("table", "a Parquet table", path, options, /\.parquet$/i);
}

async function openAs(
  kind: FoundData["kind"],
  wanted: string,
  path: string,
  options: DataOptions,
  tableName = /^/,
): Promise<Splits> {
  const found = await detectData(path);
  if (found.kind === kind && (found.kind !== "table" || tableName.test(found.splits.train ?? "")))
    return await openData(path, options);
  throw new IsonormError(
    "ISO_DATA_FORMAT",
    `${path} is not ${wanted}`,
    "Use data.open, which takes every form, or give the path of that form",
  );
}

/** Labelled records in memory, and how to split them: shares as in openData. */
export interface ArraySplits extends ArrayData {
  readonly validation?: number;
  readonly test?: number;
  readonly seed?: number;
}

/**
 * Splits of labelled records in memory, class by class as openData does it.
 *
 * @throws ISO_ARGUMENT, ISO_DATA_ONE_CLASS, ISO_DATA_CLASS_TOO_SMALL, ISO_DATA_NOT_FINITE
 * @example
 * const splits = arrays({ records, labels, classes: ["cat", "dog"], input: { kind: "image", height: 32, width: 32, channels: 3 } });
 */
export function arrays({ validation = defaultValidation, test = defaultTest, seed = 0, ...data }: ArraySplits): Splits {
  validateOptions({ validation, test, seed });
  const whole = makeDataset(data);
  const partition = stratify(whole.labels, whole.classes, { validation, test }, seed);
  const { labels, classes, input, source } = whole;
  const store = memoryStore(data.records, whole.recordLength);
  const part = (records: Uint32Array): Dataset => selectDataset({ input, classes, labels, source, store, records });
  const digest = sha256(bytesOf(data.records));
  const identity: [string, readonly string[], InputDescription, object, number[][]] = [
    digest,
    data.classes,
    data.input,
    [...whole.labels],
    [[...partition.train], [...partition.validation], [...partition.test]],
  ];
  return {
    train: part(partition.train),
    validation: part(partition.validation),
    test: partition.test.length > 0 ? part(partition.test) : undefined,
    hash: sha256(JSON.stringify(identity)),
    warnings: [],
  };
}
