import { IsonormError } from "../../errors.js";
import { type Cell, cellNumber, isMissing } from "./cell.js";

/** Categories that a column may have; more make it an identifier or free text, and a one-hot input of that size helps no one. */
export const mostCategories = 1000;

/**
 * What is known of a column before it is read: nothing ("any"), that an earlier reading found mostly text ("text"), that the user named it as categorical
 * ("declared"), or what the training part settled ("numeric", "categorical").
 */
export type ColumnExpectation = "any" | "text" | "declared" | "numeric" | "categorical";

/** What a column of row numbers is called, where a data frame was written with its index; c0 is the first column of a file without header. */
const indexName = /^(c0|id|index|unnamed: 0|row|row_?id|#)$/i;

/** What a column turned out to be. */
export interface ColumnSummary {
  readonly name: string;
  /** Column of the stored record. */
  readonly position: number;
  /** "omitted" columns stay out of the records. */
  readonly kind: "numeric" | "categorical" | "omitted";
  /** The texts of a categorical column by their stored code. */
  readonly texts: readonly string[];
  readonly missing: number;
  /** All cells that are not missing are equal. */
  readonly constant: boolean;
}

/** What a reading finds out about one column. */
export interface ColumnReading {
  /** What to store for the cell: its number, the code of its text, NaN where it is missing. */
  encode(cell: Cell, row: number): number;
  /** Whether the reading stored numbers and codes mixed, so that the table must be read again with this column "categorical". */
  mixed(): boolean;
  summarise(rows: number): { readonly summary: ColumnSummary; readonly warning: string | undefined };
}

interface Sighting {
  readonly row: number;
  readonly cell: Cell;
}

/** Reads one column. Of which nothing is known, it is categorical where fewer than half of its cells are numbers, and numeric otherwise. */
export function readColumn(
  path: string,
  name: string,
  position: number,
  expectation: ColumnExpectation,
): ColumnReading {
  const numericPossible = expectation === "any" || expectation === "numeric";
  const codes = new Map<string, number>();
  let numbers = 0;
  let missing = 0;
  let texts = 0;
  let infinite = 0;
  let overflowed = false;
  let firstText: Sighting | undefined;
  let firstInfinite: Sighting | undefined;
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  let counts = true;

  const code = (text: string): number => {
    const known = codes.get(text);
    if (known !== undefined) return known;
    if (codes.size >= mostCategories) {
      overflowed = true;
      return Number.NaN;
    }
    codes.set(text, codes.size);
    return codes.size - 1;
  };
  const encode = (cell: Cell, row: number): number => {
    if (cell === null || isMissing(cell)) {
      missing++;
      return Number.NaN;
    }
    if (numericPossible) {
      const value = cellNumber(cell);
      if (Number.isFinite(value)) {
        counts &&= numbers === 0 || value === most + 1;
        numbers++;
        if (value < least) least = value;
        if (value > most) most = value;
        return value;
      }
      const sighting = { row, cell };
      if (Number.isNaN(value)) {
        if (expectation === "numeric") throw notNumeric(path, name, sighting);
        texts++;
        firstText ??= sighting;
      } else {
        if (expectation === "numeric") throw notFinite(path, name, sighting);
        infinite++;
        firstInfinite ??= sighting;
      }
    }
    return code(String(cell));
  };
  /** With cells of several kinds the majority decides; literal NaN and infinity speak for numbers. */
  const isText = (): boolean => !numericPossible || (expectation === "any" && texts > numbers + infinite);

  return {
    encode,
    mixed: () => expectation === "any" && isText() && numbers > 0,
    summarise(rows) {
      const summary = (kind: ColumnSummary["kind"], constant: boolean): ColumnSummary => ({
        name,
        position,
        kind,
        texts: kind === "categorical" ? [...codes.keys()] : [],
        missing,
        constant,
      });
      const omit = (reason: string) => ({
        summary: summary("omitted", false),
        warning: `Column ${JSON.stringify(name)} ${reason}, and is left out.`,
      });
      if (!isText()) {
        if (firstInfinite) throw notFinite(path, name, firstInfinite);
        if (firstText) throw notNumeric(path, name, firstText);
        if (expectation === "any" && numbers === 0) return omit("has no value in any row");
        const index = counts && missing === 0 && (least === 0 || least === 1) && indexName.test(name);
        if (expectation === "any" && rows > 10 && index) return omit("counts the rows");
        return { summary: summary("numeric", least === most), warning: undefined };
      }
      const present = rows - missing;
      if (expectation === "categorical") return { summary: summary("categorical", false), warning: undefined };
      if (overflowed && expectation === "declared") {
        throw new IsonormError(
          "ISO_ARGUMENT",
          `Column ${JSON.stringify(name)} of ${path} is to be categorical and has more than ${mostCategories} categories`,
          "Group its categories, or do not name it as categorical",
        );
      }
      if (overflowed) return omit(`has more than ${mostCategories} different texts`);
      if (codes.size === 0) return omit("has no value in any row");
      if (expectation !== "declared" && codes.size > 10 && codes.size > present / 2) {
        return omit(`has ${codes.size} different texts in ${present} rows`);
      }
      return { summary: summary("categorical", codes.size === 1), warning: undefined };
    },
  };
}

function notNumeric(path: string, name: string, { row, cell }: Sighting): IsonormError {
  const comma = typeof cell === "string" && /^[+-]?\d+,\d+$/.test(cell) ? "write decimals with a point, " : "";
  return new IsonormError(
    "ISO_DATA_NOT_NUMERIC",
    `Row ${row}, column ${JSON.stringify(name)} of ${path} is ${JSON.stringify(cell)}, and the column is numeric`,
    `Correct the cell (${comma}leave it empty where the value is missing), or take the column as categories with --categorical ${name}`,
  );
}

function notFinite(path: string, name: string, { row, cell }: Sighting): IsonormError {
  return new IsonormError(
    "ISO_DATA_NOT_FINITE",
    `Row ${row}, column ${JSON.stringify(name)} of ${path} is ${cell}, and only numbers that float32 can hold can be learned from`,
    "Correct the cell, or leave it empty where the value is missing",
  );
}
