import { closeSync, openSync, readSync } from "node:fs";
import { IsonormError } from "../../errors.js";
import { forEachRun, memoryStore, type RecordFile, type RecordStore, type StoreContent } from "../store.js";

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
export function fileStore(path: string, layout: RecordFile): RecordStore {
  return descriptorStore(openSync(path, "r"), path, layout);
}

/** The records of another thread's store. What it opens is the other's to close, after this one's last use. */
export function storeOf(content: StoreContent): RecordStore {
  const store =
    content.kind === "memory"
      ? memoryStore(content.data, content.recordLength)
      : descriptorStore(content.descriptor, content.path, content.layout);
  return { ...store, close() {} };
}

function descriptorStore(file: number, path: string, layout: RecordFile): RecordStore {
  const { dtype, recordLength, size, position } = layout;
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
    content: { kind: "file", path, descriptor: file, layout },
    close: () => closeSync(file),
  };
}
