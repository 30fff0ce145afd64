import { closeSync, openSync, readSync } from "node:fs";
import { IsonormError } from "../../errors.js";
import { forEachRun, type RecordStore } from "../store.js";

/** Where records lie in a file: one after the other from byte `position` on, float32 little-endian. */
export interface RecordFile {
  readonly dtype: "uint8" | "float32";
  readonly recordLength: number;
  readonly size: number;
  readonly position: number;
}

/** The bytes of a typed array. */
export function bytesOf(array: Uint8Array | Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/**
 * Reads exactly `into.length` bytes from `position` on.
 *
 * @throws ISO_DATA_TRUNCATED where the file ends before
 */
export function readExactly(file: number, path: string, into: Uint8Array, position: number): void {
  let done = 0;
  while (done < into.length) {
    const read = readSync(file, into, done, into.length - done, position + done);
    if (read === 0) {
      throw new IsonormError(
        "ISO_DATA_TRUNCATED",
        `${path} ends at byte ${position + done}, and ${position + into.length} bytes were expected`,
        "Do not change data while it is in use; start again",
      );
    }
    done += read;
  }
}

/** Records read from the file when they are asked for, consecutive ones together; nothing is held in memory. */
export function fileStore(path: string, { dtype, recordLength, size, position }: RecordFile): RecordStore {
  const file = openSync(path, "r");
  const elementBytes = dtype === "uint8" ? 1 : 4;
  return {
    dtype,
    size,
    recordLength,
    read(records, into, offset = 0) {
      const sameType = into instanceof Uint8Array === (dtype === "uint8");
      let at = offset;
      forEachRun(records, (first, count) => {
        const length = count * recordLength;
        const target = sameType
          ? into.subarray(at, at + length)
          : dtype === "uint8"
            ? new Uint8Array(length)
            : new Float32Array(length);
        if (target.length < length)
          throw new RangeError(`${length} elements do not fit behind element ${at} of ${into.length}`);
        readExactly(file, path, bytesOf(target), position + first * recordLength * elementBytes);
        if (!sameType) into.set(target, at);
        at += length;
      });
    },
    close: () => closeSync(file),
  };
}
