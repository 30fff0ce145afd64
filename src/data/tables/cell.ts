/** A table's cell: text from CSV; from Parquet numbers and null too. */
export type Cell = string | number | null;

const missingTexts = new Set(["", "NA", "N/A", "?", "null", "NULL"]);
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const notFinite = /^[+-]?(nan|inf|infinity)$/i;

/** Whether the cell stands for a value that is not known. */
export function isMissing(cell: Cell): boolean {
  return cell === null || (typeof cell === "string" && missingTexts.has(cell));
}

/**
 * The number that a cell holds: NaN where it is text. Infinite where it is a literal NaN or infinity, or a number that float32 cannot hold.
 */
export function cellNumber(cell: string | number): number {
  if (typeof cell === "number") return Number.isNaN(cell) ? Number.POSITIVE_INFINITY : Math.fround(cell);
  if (decimal.test(cell)) return Math.fround(Number(cell));
  return notFinite.test(cell) ? Number.POSITIVE_INFINITY : Number.NaN;
}
