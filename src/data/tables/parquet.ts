import { type FileHandle, open } from "node:fs/promises";
import type { AsyncBuffer, FileMetaData } from "hyparquet";
import { IsonormError } from "../../errors.js";
import type { Cell } from "./cell.js";
import type { TableReader } from "./reader.js";

const rowsAtOnce = 1024;

/**
 * Opens a Parquet file, with any of the usual compressions. It is read a row group at a time.
 *
 * @throws ISO_DATA_EMPTY, ISO_DATA_TRUNCATED, ISO_DATA_FORMAT
 */
export async function openParquet(path: string): Promise<TableReader> {
  const { parquetMetadataAsync, parquetSchema, parquetScan } = await import("hyparquet");
  const { compressors } = await import("hyparquet-compressors");
  const { metadata, columns } = await withFile(path, async (file) => {
    await checkEnds(path, file);
    const metadata = await damageReported(path, () => parquetMetadataAsync(file));
    const columns = await damageReported(path, async () => parquetSchema(metadata).children);
    return { metadata, columns };
  });
  const names = columns.map(({ element }) => element.name);
  const nested = columns.find(({ children, element }) => children.length > 0 || element.repetition_type === "REPEATED");
  if (nested) throw valueError(path, nested.element.name, "lists or structures");
  if (Number(metadata.num_rows) === 0) {
    throw new IsonormError("ISO_DATA_EMPTY", `${path} has no rows`, "Give a table with a row for each example");
  }
  return {
    columns: names,
    header: true,
    firstRow: 1,
    warnings: [],
    rows: (onRead) =>
      rowsOf(path, names, metadata, onRead, (file) =>
        damageReported(path, () => parquetScan({ file, metadata, compressors, useOffsetIndex: false })),
      ),
  };
}

interface Scan {
  readonly ranges: readonly { readonly rowStart: number; readonly rowEnd: number }[];
  readColumn(options: { column: string; rowStart: number; rowEnd: number }): Promise<ArrayLike<unknown>>;
}

async function* rowsOf(
  path: string,
  names: readonly string[],
  metadata: FileMetaData,
  onRead: ((bytes: number) => void) | undefined,
  scanOf: (file: AsyncBuffer) => Promise<Scan>,
): AsyncGenerator<Cell[][]> {
  const handle = await open(path, "r");
  try {
    const file = await bufferOf(handle);
    const { ranges, readColumn } = await scanOf(file);
    for (const range of ranges) {
      const count = range.rowEnd - range.rowStart;
      const columns: ArrayLike<unknown>[] = [];
      for (const column of names) {
        const values = await damageReported(path, () => readColumn({ column, ...range }));
        if (values.length !== count) {
          throw damaged(path, `column ${JSON.stringify(column)} has ${values.length} values for ${count} rows`);
        }
        columns.push(values);
      }
      for (let first = 0; first < count; first += rowsAtOnce) {
        const rows: Cell[][] = [];
        for (let row = first; row < Math.min(first + rowsAtOnce, count); row++) {
          rows.push(columns.map((values, column) => cellOf(values[row], path, names[column]!)));
        }
        yield rows;
      }
      onRead?.(file.byteLength * (count / Number(metadata.num_rows)));
    }
  } finally {
    await handle.close();
  }
}

function cellOf(value: unknown, path: string, column: string): Cell {
  switch (typeof value) {
    case "number":
      return value;
    case "string":
      return value.trim();
    case "bigint":
      return Number(value);
    case "boolean":
      return String(value);
    case "undefined":
      return null;
  }
  if (value === null) return null;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  throw valueError(path, column, value instanceof Uint8Array ? "bytes" : "lists or structures");
}

function valueError(path: string, column: string, what: string): IsonormError {
  return new IsonormError(
    "ISO_DATA_FORMAT",
    `Column ${JSON.stringify(column)} of ${path} holds ${what}`,
    "Give a table whose cells are numbers or text",
  );
}

async function withFile<T>(path: string, work: (file: AsyncBuffer) => Promise<T>): Promise<T> {
  const handle = await open(path, "r");
  try {
    return await work(await bufferOf(handle));
  } finally {
    await handle.close();
  }
}

async function bufferOf(handle: FileHandle): Promise<AsyncBuffer> {
  const { size } = await handle.stat();
  return {
    byteLength: size,
    async slice(start, end = size) {
      if (!(start >= 0 && end >= start && end <= size)) {
        throw new RangeError(`bytes ${start} to ${end} lie outside the file of ${size} bytes`);
      }
      const into = new ArrayBuffer(end - start);
      let done = 0;
      while (done < into.byteLength) {
        const { bytesRead } = await handle.read(new Uint8Array(into), done, into.byteLength - done, start + done);
        if (bytesRead === 0) throw new RangeError(`the file ended at byte ${start + done}`);
        done += bytesRead;
      }
      return into;
    },
  };
}

/** A Parquet file starts and ends with the letters PAR1. */
async function checkEnds(path: string, file: AsyncBuffer): Promise<void> {
  const letters = async (start: number): Promise<string> =>
    Buffer.from(await file.slice(start, Math.min(start + 4, file.byteLength))).toString("latin1");
  if (file.byteLength === 0)
    throw new IsonormError("ISO_DATA_EMPTY", `${path} has no bytes`, "Give a table with a row for each example");
  if ((await letters(0)) !== "PAR1") throw damaged(path, "it does not start with PAR1");
  if (file.byteLength < 12 || (await letters(file.byteLength - 4)) !== "PAR1") {
    throw new IsonormError(
      "ISO_DATA_TRUNCATED",
      `${path} is cut off: its ${file.byteLength} bytes do not end with PAR1, as those of a whole Parquet file do`,
      "Download or copy the file again",
    );
  }
}

async function damageReported<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw damaged(path, (error as Error).message, error);
  }
}

function damaged(path: string, reason: string, cause?: unknown): IsonormError {
  return new IsonormError(
    "ISO_DATA_FORMAT",
    `${path} cannot be read as Parquet: ${reason}`,
    "Write or download the file again",
    { cause },
  );
}
