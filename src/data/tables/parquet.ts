import { stat } from "node:fs/promises";
import { IsonormError } from "../../errors.js";
import { bytesAt } from "../files.js";
import type { Cell } from "./cell.js";
import { type ParquetDecoder, type ParquetSummary, startParquetDecoder } from "./parquet-worker.js";
import type { TableReader } from "./reader.js";

const rowsAtOnce = 1024;

/**
 * Opens a Parquet file, with any of the usual compressions. It is read a row group at a time.
 *
 * @throws ISO_DATA_EMPTY, ISO_DATA_TRUNCATED, ISO_DATA_FORMAT
 */
export async function openParquet(path: string): Promise<TableReader> {
  const { size } = await stat(path);
  await checkEnds(path, size);
  const decoder = await damageReported(path, () => startParquetDecoder(path, size));
  await decoder.close();
  const columns = columnNames(path, decoder.summary);
  requireRowCounts(path, decoder.summary);
  return {
    columns,
    header: true,
    firstRow: 1,
    warnings: [],
    rows: (onRead) => rowsOf(path, columns, size, onRead),
  };
}

/** The metadata's decoder takes what it finds: names and counts are looked at before anything relies on them. */
function columnNames(path: string, { columns }: ParquetSummary): string[] {
  const nested = columns.find((column) => column.nested);
  if (nested) throw valueError(path, String(nested.name), "lists or structures");
  const names = columns.map(({ name }) => name).filter((name) => typeof name === "string");
  if (names.length === 0 || names.length < columns.length) throw damaged(path, "its schema has columns without a name");
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) throw damaged(path, `two columns are called ${JSON.stringify(repeated)}`);
  return names;
}

function requireRowCounts(path: string, { totalRows, groupRows }: ParquetSummary): void {
  const sum = groupRows.reduce((rows, count) => rows + count, 0);
  if (!groupRows.every((count) => Number.isSafeInteger(count) && count >= 0) || sum !== totalRows) {
    throw damaged(
      path,
      `it states ${totalRows} rows, and row groups of ${groupRows.slice(0, 10).join(", ") || "none"}`,
    );
  }
  if (totalRows === 0) throw empty(path, "rows");
}

async function* rowsOf(
  path: string,
  names: readonly string[],
  bytes: number,
  onRead: ((bytes: number) => void) | undefined,
): AsyncGenerator<Cell[][]> {
  const decoder = await damageReported(path, () => startParquetDecoder(path, bytes));
  try {
    for (const { rowStart, rowEnd } of decoder.summary.ranges) {
      const columns = await readColumns(path, decoder, names, rowStart, rowEnd);
      const count = rowEnd - rowStart;
      for (let first = 0; first < count; first += rowsAtOnce) {
        const rows: Cell[][] = [];
        for (let row = first; row < Math.min(first + rowsAtOnce, count); row++) {
          rows.push(columns.map((values, column) => cellOf(values[row], path, names[column]!)));
        }
        yield rows;
      }
      onRead?.(bytes * (count / decoder.summary.totalRows));
    }
  } finally {
    await decoder.close();
  }
}

async function readColumns(
  path: string,
  decoder: ParquetDecoder,
  names: readonly string[],
  rowStart: number,
  rowEnd: number,
): Promise<(readonly unknown[])[]> {
  const columns: (readonly unknown[])[] = [];
  for (const name of names) {
    const values = await damageReported(path, () => decoder.readColumn(name, rowStart, rowEnd));
    if (values.length !== rowEnd - rowStart) {
      throw damaged(path, `column ${JSON.stringify(name)} has ${values.length} values for ${rowEnd - rowStart} rows`);
    }
    columns.push(values);
  }
  return columns;
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

function empty(path: string, what: string): IsonormError {
  return new IsonormError("ISO_DATA_EMPTY", `${path} has no ${what}`, "Give a table with a row for each example");
}

/** A Parquet file starts and ends with the letters PAR1. */
async function checkEnds(path: string, size: number): Promise<void> {
  if (size === 0) throw empty(path, "bytes");
  const letters = async (start: number): Promise<string> =>
    (await bytesAt(path, Math.max(start, 0), 4)).toString("latin1");
  if ((await letters(0)) !== "PAR1") throw damaged(path, "it does not start with PAR1");
  if (size < 12 || (await letters(size - 4)) !== "PAR1") {
    throw new IsonormError(
      "ISO_DATA_TRUNCATED",
      `${path} is cut off: its ${size} bytes do not end with PAR1, as those of a whole Parquet file do`,
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
    {
      cause,
    },
  );
}
