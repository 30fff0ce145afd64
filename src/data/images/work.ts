import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { mapConcurrently } from "../concurrent.js";
import type { ImageDescription } from "../dataset.js";
import type { DataOptions } from "../options.js";
import { sha256 } from "../pack/digest.js";
import { createPack, openPack } from "../pack/pack.js";
import { decodePixels, type ImageHeader, imageFailure, readHeader } from "./decode.js";
import type { ImageListing } from "./listing.js";

/** What one look at a file told. */
export interface InspectedImage {
  /** Undefined where the file is no readable image. */
  readonly header: ImageHeader | undefined;
  /** Why not, in that case. */
  readonly reason: string;
  /** SHA-256 of the file; empty where it could not even be opened. */
  readonly content: string;
}

/** Images decoded before they are written: enough to keep the processors busy, small in memory. */
const blockSize = 64;

/** The two passes over the images of a listing, which count towards one progress. */
export function imageWork({ root, files }: ImageListing, options: DataOptions) {
  const { concurrency = availableParallelism(), onProgress } = options;
  let done = 0;
  const step = (): void => onProgress?.(++done, 2 * files.length);

  /** Reads every file once, for its digest and its header. */
  const inspect = (): Promise<InspectedImage[]> =>
    mapConcurrently(files, concurrency, async (file) => {
      let content = "";
      try {
        const bytes = await readFile(join(root, file));
        content = sha256(bytes);
        return { header: await readHeader(bytes), reason: "", content };
      } catch (error) {
        return { header: undefined, reason: imageFailure(error), content };
      } finally {
        step();
      }
    });

  /**
   * Decodes the images with a header into a pack, in their order; those whose pixels turn out to be damaged are left out too.
   *
   * @returns whether any of them has colour
   */
  const decode = async (
    path: string,
    inspected: readonly InspectedImage[],
    input: ImageDescription,
    facts: object,
  ): Promise<boolean> => {
    const unreadable: { file: string; reason: string }[] = [];
    const readable: number[] = [];
    let coloured = false;
    const writer = createPack(path, "uint8", input.height * input.width * input.channels);
    try {
      for (let start = 0; start < files.length; start += blockSize) {
        const block = inspected.slice(start, start + blockSize);
        const decoded = await mapConcurrently(block, concurrency, async ({ header, reason }, i) => {
          try {
            return header ? await decodePixels(await readFile(join(root, files[start + i]!)), input) : reason;
          } catch (error) {
            return imageFailure(error);
          } finally {
            step();
          }
        });
        decoded.forEach((pixels, i) => {
          if (typeof pixels === "string") {
            unreadable.push({ file: files[start + i]!, reason: pixels });
            return;
          }
          readable.push(start + i);
          writer.append(pixels);
          coloured ||= input.channels === 3 && hasColour(pixels);
        });
      }
      writer.finish(Int32Array.from(readable), { input, unreadable, ...facts });
    } catch (error) {
      writer.abandon();
      throw error;
    }
    return coloured;
  };

  return { inspect, decode };
}

function hasColour(pixels: Uint8Array): boolean {
  for (let i = 0; i < pixels.length; i += 3) {
    if (pixels[i] !== pixels[i + 1] || pixels[i] !== pixels[i + 2]) return true;
  }
  return false;
}

/** Rewrites an RGB pack without any colour as grey: a third of the memory, and no channels that say the same. */
export function greyPack(path: string, memoryLimit: number): void {
  const pack = openPack(path, memoryLimit);
  if (!pack) return;
  const { store, labels, meta } = pack;
  const { input } = meta as { input: ImageDescription };
  const writer = createPack(path, "uint8", store.recordLength / 3);
  try {
    const rgb = new Uint8Array(store.recordLength);
    for (let record = 0; record < store.size; record++) {
      store.read([record], rgb);
      writer.append(Uint8Array.from({ length: rgb.length / 3 }, (_, i) => rgb[3 * i]!));
    }
    writer.finish(labels, { ...(meta as object), input: { ...input, channels: 1 } });
  } catch (error) {
    writer.abandon();
    throw error;
  } finally {
    store.close();
  }
}
