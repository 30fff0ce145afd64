/** Fixed-size records, wherever they lie. The data of a split is a selection of a store's records. */
export interface RecordStore {
  readonly dtype: "uint8" | "float32";
  /** Number of records. */
  readonly size: number;
  /** Elements of one record. */
  readonly recordLength: number;
  /** Copies those records into `into`, one after the other, from element `offset` on. */
  read(records: ArrayLike<number>, into: Uint8Array | Float32Array, offset?: number): void;
  /** Where the records lie, for another thread of the process. It holds until the store is closed. */
  readonly content: StoreContent;
  close(): void;
}

/** Where records lie, as plain data. */
export type StoreContent =
  | { readonly kind: "memory"; readonly data: Uint8Array | Float32Array; readonly recordLength: number }
  | { readonly kind: "file"; readonly path: string; readonly descriptor: number; readonly layout: RecordFile };

/** Where records lie in a file: one after the other from byte `position` on, float32 little-endian. */
export interface RecordFile {
  readonly dtype: "uint8" | "float32";
  readonly recordLength: number;
  readonly size: number;
  readonly position: number;
}

/** Records that lie one after the other in memory. data: [size, recordLength]; it is not copied. */
export function memoryStore(data: Uint8Array | Float32Array, recordLength: number): RecordStore {
  return {
    dtype: data instanceof Uint8Array ? "uint8" : "float32",
    size: recordLength === 0 ? 0 : data.length / recordLength,
    recordLength,
    read(records, into, offset = 0) {
      let at = offset;
      forEachRun(records, (first, count) => {
        into.set(data.subarray(first * recordLength, (first + count) * recordLength), at);
        at += count * recordLength;
      });
    },
    content: { kind: "memory", data, recordLength },
    close() {},
  };
}

/** Visits the stretches of consecutive numbers, in order: 4, 5, 6, 2 gives 4 (count 3) and 2 (count 1). */
export function forEachRun(numbers: ArrayLike<number>, visit: (first: number, count: number) => void): void {
  for (let start = 0; start < numbers.length; ) {
    const first = numbers[start]!;
    let count = 1;
    while (start + count < numbers.length && numbers[start + count] === first + count) count++;
    visit(first, count);
    start += count;
  }
}

/** A store with several owners: it closes with the last of them. Returns one handle an owner; closing a handle twice counts once. */
export function shareStore(store: RecordStore, owners: number): RecordStore[] {
  let open = owners;
  return Array.from({ length: owners }, () => {
    let closed = false;
    return {
      dtype: store.dtype,
      size: store.size,
      recordLength: store.recordLength,
      read: store.read,
      content: store.content,
      close() {
        if (closed) return;
        closed = true;
        open--;
        if (open === 0) store.close();
      },
    };
  });
}
