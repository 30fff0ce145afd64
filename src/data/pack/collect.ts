import { IsonormError } from "../../errors.js";
import type { RecordStore } from "../store.js";
import { memoryStore } from "../store.js";
import { digestOfSegments, SegmentDigest } from "./digest.js";
import { bytesOf } from "./file.js";
import { createPack, openPack, type PackWriter } from "./pack.js";
import { sharedRecords } from "./shared.js";

/** Takes records whose number nobody knows beforehand: in memory as long as they fit, in a pack once they do not. */
export interface Collector {
  /** The next elements; a chunk may end within a record. Kept, so the caller must not change them afterwards. */
  append(records: Uint8Array | Float32Array): void;
  /** labels and meta go into the pack, where there is one. */
  finish(labels: Int32Array, meta: unknown): { readonly store: RecordStore; readonly digest: string };
  abandon(): void;
}

export interface CollectorSettings {
  readonly dtype: RecordStore["dtype"];
  readonly recordLength: number;
  /** Bytes of records that are held in memory. */
  readonly memoryLimit: number;
  /** The number of elements to come, where it is known: they are then put where they belong at once. */
  readonly expected?: number;
  /** The pack's path; asked for when the first record does not fit any more. */
  readonly packPath: () => string;
}

export function collectRecords({ dtype, recordLength, memoryLimit, expected, packPath }: CollectorSettings): Collector {
  const elementBytes = dtype === "uint8" ? 1 : 4;
  const whole =
    expected !== undefined && expected * elementBytes <= memoryLimit ? sharedRecords(dtype, expected) : undefined;
  const digest = new SegmentDigest();
  let chunks: (Uint8Array | Float32Array)[] = [];
  let elements = 0;
  let bytes = 0;
  let pack: { writer: PackWriter; path: string } | undefined;
  return {
    append(records) {
      bytes += records.byteLength;
      elements += records.length;
      if (!pack) {
        digest.update(bytesOf(records));
        if (whole) {
          whole.set(records, elements - records.length);
          return;
        }
        chunks.push(records);
        if (bytes <= memoryLimit) return;
        const path = packPath();
        pack = { writer: createPack(path, dtype, recordLength), path };
        for (const chunk of chunks) pack.writer.append(chunk);
        chunks = [];
        return;
      }
      pack.writer.append(records);
    },
    finish(labels, meta) {
      if (pack) {
        pack.writer.finish(labels, meta);
        const opened = openPack(pack.path, memoryLimit);
        if (!opened) {
          throw new IsonormError(
            "ISO_OUT_NOT_WRITABLE",
            `The cache file ${pack.path} cannot be read back`,
            "Name another cache folder",
          );
        }
        return { store: opened.store, digest: opened.digest };
      }
      const store = (data: Uint8Array | Float32Array) => ({
        store: memoryStore(data, recordLength),
        digest: digestOfSegments(digest.finish()),
      });
      if (whole) return store(whole);
      const data = sharedRecords(dtype, elements);
      let at = 0;
      for (const chunk of chunks) {
        data.set(chunk, at);
        at += chunk.length;
      }
      chunks = [];
      return store(data);
    },
    abandon() {
      pack?.writer.abandon();
    },
  };
}
