import { basename } from "node:path";
import { firstBytes } from "../files.js";
import type { Cell } from "./cell.js";
import { openCsv } from "./csv.js";
import { openParquet } from "./parquet.js";

/** A table as its file gives it, row by row. */
export interface TableReader {
  readonly columns: readonly string[];
  /** Whether the file has a header row; without, the columns are called c0, c1, ... */
  readonly header: boolean;
  /** The number of the first row of data, as people and spreadsheets count: 2 after a header, else 1. */
  readonly firstRow: number;
  readonly warnings: readonly string[];
  /** All rows, some at a time. A row without any cell stands for a blank line. May be called again to read them again. */
  rows(onRead?: (bytes: number) => void): AsyncGenerator<readonly (readonly Cell[])[]>;
}

export interface ReaderOptions {
  readonly noHeader?: boolean;
}

const tableName = /\.(csv|tsv|parquet)(\.gz)?$/i;

export function isTableName(name: string): boolean {
  return tableName.test(name) && !/\.parquet\.gz$/i.test(name);
}

/** Opens a CSV or Parquet file, told apart by its content. */
export async function openTable(path: string, options: ReaderOptions): Promise<TableReader> {
  const parquet = (await firstBytes(path, 4)).equals(Buffer.from("PAR1")) || /\.parquet$/i.test(basename(path));
  return parquet ? await openParquet(path) : await openCsv(path, options);
}
