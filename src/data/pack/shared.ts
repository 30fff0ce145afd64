import type { RecordStore } from "../store.js";

/** Zeros in memory that all threads of the process see: a thread that gets the array gets no copy. */
export function sharedRecords(dtype: RecordStore["dtype"], length: number): Uint8Array | Float32Array {
  return dtype === "uint8"
    ? new Uint8Array(new SharedArrayBuffer(length))
    : new Float32Array(new SharedArrayBuffer(4 * length));
}

/** Those records where all threads of the process see them. */
export function shared<T extends Uint8Array | Float32Array>(records: T): T {
  const copy = sharedRecords(records instanceof Uint8Array ? "uint8" : "float32", records.length);
  copy.set(records);
  return copy as T;
}
