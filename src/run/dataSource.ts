import { type ArrayData, detectData } from "../data/index.js";
import { IsonormError } from "../errors.js";
import type { DataSettings } from "./record.js";

/** Data to train on: where it lies and how it is to be read. Plain data; the process that trains opens it. */
export type DataSource =
  | { readonly kind: "path"; readonly settings: DataSettings }
  | { readonly kind: "arrays"; readonly settings: DataSettings; readonly arrays: ArraySource };

/** How a data set on disk is read: the splits, the label column, image size and so on. The seed is that of the training. */
export type DataSourceOptions = Omit<DataSettings, "path">;

/** Labelled records in memory. */
export type ArraySource = Omit<ArrayData, "source"> & { readonly validation?: number; readonly test?: number };

const names = {
  images: "a folder with a subfolder of images for each class",
  idx: "a folder of IDX files",
  table: "a table",
};

async function sourceOf(
  kind: keyof typeof names | undefined,
  path: string,
  options: DataSourceOptions,
): Promise<DataSource> {
  const found = await detectData(path);
  if (kind !== undefined && found.kind !== kind)
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `${path} is ${names[found.kind]}, and not ${names[kind]}`,
      "Use data.open, which takes every form, or give another path",
    );
  return { kind: "path", settings: { ...options, path } };
}

type ImageSourceOptions = Omit<DataSourceOptions, "label" | "categorical" | "noHeader">;
type TableSourceOptions = Omit<DataSourceOptions, "imageSize">;

/**
 * Data to train on. Each function looks at what lies at the path and throws ISO_DATA_MISSING, ISO_DATA_EMPTY or ISO_DATA_FORMAT; the examples themselves are
 * read when training starts.
 */
export const data = {
  /** Data of any form, as `isonorm train` takes it. */
  open: (path: string, options: DataSourceOptions = {}): Promise<DataSource> => sourceOf(undefined, path, options),
  /** A folder with a subfolder of images for each class, optionally under train/, validation/, test/. */
  imageFolder: (path: string, options: ImageSourceOptions = {}): Promise<DataSource> =>
    sourceOf("images", path, options),
  /** A folder of IDX files, named as MNIST's are. */
  idx: (path: string, options: ImageSourceOptions = {}): Promise<DataSource> => sourceOf("idx", path, options),
  /** A CSV or Parquet table, or a folder that holds one, or train.csv and test.csv. */
  table: (path: string, options: TableSourceOptions = {}): Promise<DataSource> => sourceOf("table", path, options),
  /**
   * Labelled records in memory; they are copied to the process that trains.
   *
   * @example
   * data.arrays({ records, labels, classes: ["cat", "dog"], input: { kind: "image", height: 32, width: 32, channels: 3 } })
   */
  arrays: ({ records, labels, classes, input, validation, test }: ArraySource): DataSource => ({
    kind: "arrays",
    settings: { path: "arrays in memory", validation, test },
    arrays: { records, labels: Int32Array.from(labels), classes, input, validation, test },
  }),
} as const;
