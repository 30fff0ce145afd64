import { closeSync, fstatSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { z } from "zod";
import { memoryStore, type RecordStore } from "../store.js";
import { cacheWriteError, partialPath } from "./cache.js";
import { digestOfSegments, SegmentDigest, segmentBytes, sha256 } from "./digest.js";
import { bytesOf, fileStore, readExactly } from "./file.js";
import { sharedRecords } from "./shared.js";

/**
 * A pack: decoded records, their labels and what else belongs to them, in one file of the cache.
 *
 *   magic (16 bytes) | records | labels, int32 | footer, JSON | length of the footer, uint32 | SHA-256 of labels and footer | magic
 *
 * Numbers are little-endian. The footer stands last because the number of records is known only when all are decoded. A pack is written under another name
 * and renamed when it is whole; the magic at its end and the digests are for disks and copies that are not as careful.
 */
const magic = Buffer.from("isonorm pack 1\n\0", "latin1");
const trailerBytes = 4 + 32 + magic.length;

const footerSchema = z.object({
  dtype: z.enum(["uint8", "float32"]),
  recordLength: z.int().min(1),
  size: z.int().min(0),
  segments: z.array(z.string()),
  meta: z.unknown(),
});

export interface Pack {
  readonly store: RecordStore;
  /** [size] */
  readonly labels: Int32Array;
  /** What the writer said of the records. */
  readonly meta: unknown;
  /** Of the records. */
  readonly digest: string;
}

export interface PackWriter {
  /** Whole records. */
  append(records: Uint8Array | Float32Array): void;
  /** Completes the file. labels: [size] */
  finish(labels: Int32Array, meta: unknown): void;
  /** Removes what was written. */
  abandon(): void;
}

/** @throws ISO_OUT_NOT_WRITABLE, on writing too */
export function createPack(path: string, dtype: RecordStore["dtype"], recordLength: number): PackWriter {
  const partial = partialPath(path);
  const digest = new SegmentDigest();
  let elements = 0;
  const file = guarded(path, () => openSync(partial, "wx"));
  let open = true;
  const close = (): void => {
    if (open) closeSync(file);
    open = false;
  };
  const abandon = (): void => {
    close();
    rmSync(partial, { force: true });
  };
  const write = (bytes: Uint8Array): void => {
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    } catch (error) {
      abandon();
      throw cacheWriteError(path, error);
    }
  };
  write(magic);
  return {
    append(records) {
      write(bytesOf(records));
      digest.update(bytesOf(records));
      elements += records.length;
    },
    finish(labels, meta) {
      const size = elements / recordLength;
      const footer = Buffer.from(JSON.stringify({ dtype, recordLength, size, segments: digest.finish(), meta }));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(footer.length);
      const labelBytes = bytesOf(labels);
      for (const part of [labelBytes, footer, length, tailDigest(labelBytes, footer), magic]) write(part);
      close();
      guarded(path, () => renameSync(partial, path));
    },
    abandon,
  };
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw cacheWriteError(path, error);
  }
}

function tailDigest(labels: Uint8Array, footer: Uint8Array): Buffer {
  return Buffer.from(sha256(Buffer.concat([labels, footer])), "hex");
}

/**
 * Opens a pack: in memory, every byte checked, where its records take at most `memoryLimit` bytes; from the disk otherwise, where the labels, the footer, and
 * the first and last segment of the records are checked.
 *
 * @returns undefined where there is no such file, or where it is not whole
 */
export function openPack(path: string, memoryLimit: number): Pack | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return undefined;
  }
  try {
    return readPack(file, path, memoryLimit);
  } catch {
    return undefined;
  } finally {
    closeSync(file);
  }
}

function readPack(file: number, path: string, memoryLimit: number): Pack | undefined {
  const bytes = fstatSync(file).size;
  if (bytes < magic.length + trailerBytes) return undefined;
  const head = Buffer.alloc(magic.length);
  const trailer = Buffer.alloc(trailerBytes);
  readExactly(file, path, head, 0);
  readExactly(file, path, trailer, bytes - trailerBytes);
  if (!head.equals(magic) || !trailer.subarray(36).equals(magic)) return undefined;
  const footerBytes = trailer.readUInt32LE(0);
  const footerAt = bytes - trailerBytes - footerBytes;
  if (footerAt < magic.length) return undefined;
  const footer = Buffer.alloc(footerBytes);
  readExactly(file, path, footer, footerAt);
  const { dtype, recordLength, size, segments, meta } = footerSchema.parse(JSON.parse(footer.toString()));
  const recordBytes = size * recordLength * (dtype === "uint8" ? 1 : 4);
  if (footerAt !== magic.length + recordBytes + 4 * size) return undefined;
  if (segments.length !== Math.ceil(recordBytes / segmentBytes)) return undefined;
  const labels = new Int32Array(size);
  readExactly(file, path, bytesOf(labels), magic.length + recordBytes);
  if (!tailDigest(bytesOf(labels), footer).equals(trailer.subarray(4, 36))) return undefined;

  const digest = digestOfSegments(segments);
  if (recordBytes > memoryLimit) {
    const whole = [0, segments.length - 1].every((segment) => {
      const start = segment * segmentBytes;
      const content = new Uint8Array(Math.min(segmentBytes, recordBytes - start));
      readExactly(file, path, content, magic.length + start);
      return sha256(content) === segments[segment];
    });
    if (!whole) return undefined;
    return { store: fileStore(path, { dtype, recordLength, size, position: magic.length }), labels, meta, digest };
  }
  const data = sharedRecords(dtype, size * recordLength);
  const content = bytesOf(data);
  for (let start = 0; start < content.length; start += segmentBytes) {
    const segment = content.subarray(start, start + segmentBytes);
    readExactly(file, path, segment, magic.length + start);
    if (sha256(segment) !== segments[start / segmentBytes]) return undefined;
  }
  return { store: memoryStore(data, recordLength), labels, meta, digest };
}
