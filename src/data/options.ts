import { IsonormError } from "../errors.js";

/** How data is opened; all of it optional. */
export interface DataOptions {
  /**
   * The validation split: a share of the training part (each class at least one example), or the path of a data set of the same form. Default: what the data
   * set brings along (validation/ or val/, validation.csv), else 0.1.
   */
  readonly validation?: number | string;
  /**
   * The test split: a share of all, 0 for none, or a path. Default: what the data set brings along (test/, t10k-..., test.csv), else 0.2.
   */
  readonly test?: number | string;
  /** Tables: the label column. Default: the column called label, class, target or y in any case, else the last. */
  readonly label?: string;
  /** Of the splits; 0 by default. */
  readonly seed?: number;
  /** Refuse what would be skipped with a warning: unreadable images, rows without a label. */
  readonly strict?: boolean;
  /** Where decoded data is kept. Default: $XDG_CACHE_HOME/isonorm, else ~/.cache/isonorm. */
  readonly cacheDir?: string;
  /** Image folders: pixels of a record. Default: the size that all images share, else one chosen by their median short side. */
  readonly imageSize?: { readonly height: number; readonly width: number };
  /** Image folders: 1 for grey, 3 for RGB. Default: grey where no image has any colour. */
  readonly channels?: 1 | 3;
  /** Tables: columns to be taken as categories although (some of) their cells are numbers. */
  readonly categorical?: readonly string[];
  /** CSV: true where the first row is data, false where it is a header. Default: a header, unless all its cells are numbers. */
  readonly noHeader?: boolean;
  /** Bytes of records that are held in memory for each part of the data; above, they are read from disk. Default: 512 MiB. */
  readonly memoryLimit?: number;
  /** Image folders: images decoded at once. Default: the number of processors. */
  readonly concurrency?: number;
  /** Called while data is decoded; the unit is an image read or decoded, or a byte of a table. */
  readonly onProgress?: (done: number, total: number) => void;
}

export const defaultMemoryLimit = 512 * 2 ** 20;
export const defaultValidation = 0.1;
export const defaultTest = 0.2;

/** @throws ISO_ARGUMENT */
export function validateOptions(options: DataOptions): void {
  const { validation, test, seed, imageSize, channels, memoryLimit, concurrency } = options;
  if (typeof validation === "number" && !(validation > 0 && validation < 1)) {
    throw new IsonormError(
      "ISO_ARGUMENT",
      `The validation share is ${validation}`,
      "Give a number above 0 and below 1, or a path",
    );
  }
  if (typeof test === "number" && !(test >= 0 && test < 1)) {
    throw new IsonormError(
      "ISO_ARGUMENT",
      `The test share is ${test}`,
      "Give a number from 0 (no test split) up to 1, or a path",
    );
  }
  const integer = (name: string, value: number | undefined, least: number, most: number): void => {
    if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
    throw new IsonormError("ISO_ARGUMENT", `${name} is ${value}`, `Give an integer from ${least} to ${most}`);
  };
  integer("The seed", seed, 0, Number.MAX_SAFE_INTEGER);
  integer("The image height", imageSize?.height, 1, 8192);
  integer("The image width", imageSize?.width, 1, 8192);
  integer("concurrency", concurrency, 1, 1024);
  if (channels !== undefined && channels !== 1 && channels !== 3) {
    throw new IsonormError("ISO_ARGUMENT", `channels is ${channels}`, "Give 1 for grey or 3 for RGB");
  }
  if (memoryLimit !== undefined && !(memoryLimit >= 0)) {
    throw new IsonormError("ISO_ARGUMENT", `memoryLimit is ${memoryLimit}`, "Give a number of bytes");
  }
}
