/** A table's cell: text from CSV, trimmed; from Parquet numbers and null too. */
export type Cell = string | number | null;

const missingTexts = new Set(["", "NA", "N/A", "?", "null", "NULL"]);
const longestMissing = 4;
const notFinite = /^[+-]?(nan|inf|infinity)$/i;
/** What JavaScript takes for a number and no table means as one: hexadecimal, octal and binary. */
const otherBase = /^0[xob]/i;

/** Whether the cell stands for a value that is not known. */
export function isMissing(cell: Cell): boolean {
  return cell === null || (typeof cell === "string" && cell.length <= longestMissing && missingTexts.has(cell));
}

/**
 * The number that a cell, one that is not missing, holds: NaN where it is text. Infinite where it is a literal NaN or infinity, or a number that float32
 * cannot hold.
 */
export function cellNumber(cell: string | number): number {
  if (typeof cell === "number") return Number.isNaN(cell) ? Number.POSITIVE_INFINITY : Math.fround(cell);
  const value = Number(cell);
  if (Number.isNaN(value)) return notFinite.test(cell) ? Number.POSITIVE_INFINITY : Number.NaN;
  return cell.charCodeAt(0) === 48 && otherBase.test(cell) ? Number.NaN : Math.fround(value);
}
