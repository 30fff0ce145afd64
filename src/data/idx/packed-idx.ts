import { realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { IsonormError } from "../../errors.js";
import type { ImageDescription } from "../dataset.js";
import { type DataOptions, defaultMemoryLimit } from "../options.js";
import { openCache } from "../pack/cache.js";
import { collectRecords } from "../pack/collect.js";
import { sha256 } from "../pack/digest.js";
import { openPack } from "../pack/pack.js";
import type { Part } from "../part.js";
import type { IdxFiles } from "./folder.js";
import { readIdx } from "./idx.js";

export interface IdxPart extends Part {
  readonly input: ImageDescription;
}

/**
 * Reads an image file and its labels. Images that take more than the memory limit are unpacked into the cache and read from there.
 *
 * @throws ISO_DATA_TRUNCATED, ISO_DATA_FORMAT, ISO_DATA_EMPTY
 */
export async function readIdxPart({ images, labels: labelFile }: IdxFiles, options: DataOptions): Promise<IdxPart> {
  const { memoryLimit = defaultMemoryLimit } = options;
  const values = await readLabels(labelFile);
  const { header, chunks } = await readIdx(images, [3, 4]);
  let input: ImageDescription;
  try {
    input = describe(images, header.dimensions);
    if (header.dimensions[0] !== values.length) {
      throw new IsonormError(
        "ISO_DATA_FORMAT",
        `${images} holds ${header.dimensions[0]} images, and ${labelFile} ${values.length} labels`,
        "Give image and label files that belong together",
      );
    }
    if (values.length === 0)
      throw new IsonormError("ISO_DATA_EMPTY", `${images} holds no images`, "Give data with examples");
  } catch (error) {
    await chunks.return(undefined);
    throw error;
  }
  const present = new Uint8Array(256);
  for (const value of values) present[value] = 1;
  const classes = [...present.keys()].filter((value) => present[value]).map(String);
  const index = new Int32Array(256);
  classes.forEach((name, i) => {
    index[Number(name)] = i;
  });

  const { store, digest, warnings } = await unpack(images, chunks, input, header.dimensions[0]!, memoryLimit, options);
  return {
    store,
    classes,
    labels: Int32Array.from(values, (value) => index[value]!),
    digest,
    warnings,
    input,
    source: (record) => `${images} image ${record}`,
  };
}

async function readLabels(path: string): Promise<Uint8Array> {
  const { header, chunks } = await readIdx(path, [1]);
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  const labels = Buffer.concat(parts);
  return header.dimensions[0] === labels.length ? labels : labels.subarray(0, header.dimensions[0]);
}

function describe(path: string, [, height, width, channels = 1]: readonly number[]): ImageDescription {
  if (channels === 1 || channels === 3) return { kind: "image", height: height!, width: width!, channels };
  throw new IsonormError(
    "ISO_DATA_FORMAT",
    `The images of ${path} have ${channels} channels`,
    "Give images with 1 or 3 channels, stored last",
  );
}

async function unpack(
  path: string,
  chunks: AsyncGenerator<Uint8Array>,
  { height, width, channels }: ImageDescription,
  count: number,
  memoryLimit: number,
  { cacheDir, onProgress }: DataOptions,
) {
  const recordLength = height * width * channels;
  const total = count * recordLength;
  const warnings: string[] = [];
  let packPath = "";
  if (total > memoryLimit) {
    const cache = openCache(cacheDir);
    if (cache.warning) warnings.push(cache.warning);
    const { size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    packPath = join(
      cache.folder,
      `${sha256(JSON.stringify(["idx 1", await realpath(path), `${size} ${mtimeNs} ${ctimeNs}`]))}.pack`,
    );
    const found = openPack(packPath, memoryLimit);
    if (found) {
      await chunks.return(undefined);
      return { store: found.store, digest: found.digest, warnings };
    }
  }
  const collector = collectRecords({
    dtype: "uint8",
    recordLength,
    memoryLimit,
    expected: total,
    packPath: () => packPath,
  });
  let done = 0;
  try {
    for await (const chunk of chunks) {
      collector.append(chunk);
      done += chunk.length;
      onProgress?.(done, total);
    }
    return { ...collector.finish(new Int32Array(count), {}), warnings };
  } catch (error) {
    collector.abandon();
    throw error;
  }
}
