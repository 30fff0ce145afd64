import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { IsonormError } from "../../errors.js";

export interface IdxFiles {
  readonly images: string;
  readonly labels: string;
}

export interface IdxFolder {
  readonly train: IdxFiles | undefined;
  readonly validation: IdxFiles | undefined;
  readonly test: IdxFiles | undefined;
}

/** train-images-idx3-ubyte, t10k-labels.idx1-ubyte.gz, emnist-letters-train-images-idx3-ubyte, ... */
const pattern = /^(.*?)(train|t10k|test|validation|valid|val)[-_.](images|labels)[-_.]idx\d-ubyte(\.gz)?$/i;

const splitOf = {
  train: "train",
  t10k: "test",
  test: "test",
  validation: "validation",
  valid: "validation",
  val: "validation",
} as const;

/**
 * The IDX files of a folder by the split that their names give them, or undefined where there are none.
 *
 * @throws ISO_DATA_FORMAT where several data sets lie in one folder, or images have no labels
 */
export async function findIdxFiles(folder: string): Promise<IdxFolder | undefined> {
  const found: Record<string, Partial<Record<"images" | "labels", string>>> = {};
  const prefixes = new Set<string>();
  for (const name of (await readdir(folder)).sort()) {
    const match = pattern.exec(name);
    if (!match) continue;
    const split = splitOf[match[2]!.toLowerCase() as keyof typeof splitOf];
    const kind = match[3]!.toLowerCase() as "images" | "labels";
    prefixes.add(match[1]!);
    found[split] ??= {};
    // Where a file lies there unpacked and packed, the unpacked one comes first in the order of names.
    found[split][kind] ??= join(folder, name);
  }
  if (prefixes.size === 0) return undefined;
  if (prefixes.size > 1) {
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `${folder} holds IDX files of several data sets: ${[...prefixes].map((prefix) => prefix || "(no prefix)").join(", ")}`,
      "Put each data set into a folder of its own",
    );
  }
  const files = (split: string): IdxFiles | undefined => {
    const pair = found[split];
    if (!pair) return undefined;
    const { images, labels } = pair;
    if (images && labels) return { images, labels };
    const [have, missing] = images ? [images, "labels"] : [labels, "images"];
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `${have} has no file of ${missing} beside it`,
      `Add the file of ${missing}, named like it`,
    );
  };
  return { train: files("train"), validation: files("validation"), test: files("test") };
}
