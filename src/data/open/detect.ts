import { readdir, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { IsonormError } from "../../errors.js";
import { firstBytes } from "../files.js";
import { findIdxFiles, type IdxFiles } from "../idx/folder.js";
import { isImageName } from "../images/decode.js";
import { type ImageListing, isHidden, listFolders, listImages } from "../images/listing.js";
import { isTableName } from "../tables/reader.js";

export type SplitName = "train" | "validation" | "test";

/** A data set as it lies on disk: its form, and for each split that it brings along where that is. */
export type FoundData =
  | { readonly kind: "images"; readonly splits: Readonly<Partial<Record<SplitName, ImageListing>>> }
  | { readonly kind: "idx"; readonly splits: Readonly<Partial<Record<SplitName, IdxFiles>>> }
  | { readonly kind: "table"; readonly splits: Readonly<Partial<Record<SplitName, string>>> };

const expected =
  "Give a folder with a subfolder for each class (optionally under train/, validation/ and test/), a folder of IDX files (train-images-idx3-ubyte ...), or a CSV or Parquet table";

const splitNames: Readonly<Record<string, SplitName>> = {
  train: "train",
  training: "train",
  validation: "validation",
  valid: "validation",
  val: "validation",
  test: "test",
  testing: "test",
};

/**
 * Finds out what form of data lies at the path. A data set without splits of its own is all "train".
 *
 * @throws ISO_DATA_MISSING, ISO_DATA_EMPTY, ISO_DATA_FORMAT
 */
export async function detectData(path: string): Promise<FoundData> {
  let isFile: boolean;
  try {
    const stats = await stat(path);
    isFile = stats.isFile();
    if (!isFile && !stats.isDirectory())
      throw new IsonormError("ISO_DATA_FORMAT", `${path} is neither a file nor a folder`, expected);
  } catch (error) {
    if (error instanceof IsonormError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === "ENOENT" || code === "ENOTDIR" ? "does not exist" : `cannot be read (${code})`;
    throw new IsonormError("ISO_DATA_MISSING", `${path} ${reason}`, "Give the path of a data set", { cause: error });
  }
  try {
    return isFile ? await detectFile(path) : await detectFolder(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EPERM") throw error;
    throw new IsonormError("ISO_DATA_MISSING", `${path} cannot be read (${code})`, "Make it readable", {
      cause: error,
    });
  }
}

async function detectFile(path: string): Promise<FoundData> {
  const table = isTableName(basename(path)) || (await firstBytes(path, 4)).toString("latin1") === "PAR1";
  if (table) return { kind: "table", splits: { train: path } };
  const what = /idx\d-ubyte/i.test(basename(path))
    ? "a single IDX file"
    : `a file of another kind (${extname(path) || "no extension"})`;
  throw new IsonormError("ISO_DATA_FORMAT", `${path} is ${what}`, expected);
}

async function detectFolder(path: string): Promise<FoundData> {
  const idx = await findIdxFiles(path);
  if (idx) return { kind: "idx", splits: idx };
  const folders = await listFolders(path);
  const images = await findImages(path, folders);
  if (images) return images;

  const files = (await readdir(path)).filter((name) => !isHidden(name) && !folders.includes(name)).sort();
  const tables = files.filter(isTableName);
  const splits: Partial<Record<SplitName, string>> = {};
  for (const name of tables) {
    const split = splitNames[name.replace(/\..*$/, "").toLowerCase()];
    if (split) splits[split] ??= join(path, name);
  }
  if (splits.train) return { kind: "table", splits };
  if (tables.length === 1) return { kind: "table", splits: { train: join(path, tables[0]!) } };
  throw nothingFound(path, folders, files, tables);
}

async function findImages(path: string, folders: readonly string[]): Promise<FoundData | undefined> {
  const roles = folders.map((name) => ({ name, split: splitNames[name.toLowerCase()] }));
  const train = roles.find(({ split }) => split === "train");
  if (train && roles.every(({ split }) => split !== undefined)) {
    const splits: Partial<Record<SplitName, ImageListing>> = {};
    for (const { name, split } of roles) {
      const listing = await listImages(join(path, name));
      if (listing.files.length > 0) splits[split!] ??= listing;
    }
    if (splits.train) return { kind: "images", splits };
    if ((await readdir(join(path, train.name))).some(isImageName)) {
      throw new IsonormError(
        "ISO_DATA_FORMAT",
        `${join(path, train.name)} holds images, but not in a subfolder for each class`,
        expected,
      );
    }
    return undefined;
  }
  const listing = await listImages(path);
  return listing.files.length > 0 ? { kind: "images", splits: { train: listing } } : undefined;
}

function nothingFound(
  path: string,
  folders: readonly string[],
  files: readonly string[],
  tables: readonly string[],
): IsonormError {
  if (files.length === 0) {
    const what =
      folders.length === 0 ? "is empty" : `holds no images: nothing lies in ${folders.slice(0, 10).join(", ")}`;
    return new IsonormError("ISO_DATA_EMPTY", `${path} ${what}`, expected);
  }
  if (tables.length > 1) {
    return new IsonormError(
      "ISO_DATA_FORMAT",
      `${path} holds several tables: ${tables.slice(0, 10).join(", ")}`,
      "Name one of them, or call them train, validation and test",
    );
  }
  const images = files.filter(isImageName).length;
  if (images > 0) {
    return new IsonormError(
      "ISO_DATA_FORMAT",
      `${path} holds ${images} images, but no subfolder for each class`,
      expected,
    );
  }
  return new IsonormError(
    "ISO_DATA_FORMAT",
    `${path} holds no data of a known form: found ${files.slice(0, 10).join(", ")}${files.length > 10 ? ", ..." : ""}`,
    expected,
  );
}
