import type { RecordSource, TableDescription } from "../data/index.js";
import { IsonormError } from "../errors.js";

/** A row of a table by column name. null, and NaN in a numeric column, stand for a missing value. Columns that a classifier does not know are ignored. */
export type TableRow = Readonly<Record<string, number | string | boolean | null>>;

/**
 * Rows as records of that input: numeric columns, then category indices (-1 where missing or unknown).
 *
 * @param first - number of the first row, for messages
 * @throws ISO_DATA_FORMAT for a missing column, ISO_DATA_NOT_NUMERIC, ISO_DATA_NOT_FINITE
 */
export function tableRecords(rows: readonly unknown[], input: TableDescription, first = 0): RecordSource {
  const { numeric, categorical } = input;
  const recordLength = numeric.length + categorical.length;
  const data = new Float32Array(rows.length * recordLength);
  const indices = categorical.map(({ categories }) => new Map(categories.map((category, index) => [category, index])));
  rows.forEach((row, index) => {
    const at = index * recordLength;
    const cell = (name: string) => cellOf(row, name, first + index);
    numeric.forEach((name, column) => {
      data[at + column] = numberOf(cell(name), name, first + index);
    });
    categorical.forEach(({ name }, column) => {
      const value = cell(name);
      data[at + numeric.length + column] = value === null ? -1 : (indices[column]!.get(String(value)) ?? -1);
    });
  });
  return {
    dtype: "float32",
    size: rows.length,
    recordLength,
    read(wanted, into, offset = 0) {
      for (let i = 0; i < wanted.length; i++)
        into.set(data.subarray(wanted[i]! * recordLength, (wanted[i]! + 1) * recordLength), offset + i * recordLength);
    },
  };
}

function cellOf(row: unknown, name: string, number: number): TableRow[string] {
  if (typeof row !== "object" || row === null || ArrayBuffer.isView(row) || Array.isArray(row))
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `example ${number} is no object with a value for each column`,
      `Give rows such as { ${JSON.stringify(name)}: ... }`,
    );
  const value = (row as TableRow)[name];
  if (value !== undefined && Object.hasOwn(row, name)) return value;
  throw new IsonormError(
    "ISO_DATA_FORMAT",
    `example ${number} has no column ${JSON.stringify(name)}; it has ${Object.keys(row).slice(0, 10).join(", ")}`,
    "Give a value for each column that the classifier takes, null where it is missing",
  );
}

function numberOf(value: TableRow[string], name: string, number: number): number {
  if (value === null) return Number.NaN;
  if (typeof value !== "number")
    throw new IsonormError(
      "ISO_DATA_NOT_NUMERIC",
      `example ${number}, column ${JSON.stringify(name)} is ${JSON.stringify(value)}, and the column is numeric`,
      "Give a number, or null where the value is missing",
    );
  if (!Number.isNaN(value) && !Number.isFinite(Math.fround(value)))
    throw new IsonormError(
      "ISO_DATA_NOT_FINITE",
      `example ${number}, column ${JSON.stringify(name)} is ${value}, which float32 cannot hold`,
      "Give a finite number, or null where the value is missing",
    );
  return value;
}
