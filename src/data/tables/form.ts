import { IsonormError } from "../../errors.js";
import type { DataOptions } from "../options.js";
import type { ColumnExpectation } from "./column.js";
import type { TableReader } from "./reader.js";

/** What a table must look like to go with one that was read before. */
export interface TableForm {
  readonly numeric: readonly string[];
  readonly categorical: readonly string[];
  /** Undefined where labels are not needed: rows then all have class 0 of the one class "". */
  readonly label: string | undefined;
}

const labelNames = ["label", "class", "target", "y"];

/** The label column: the wanted one, else the first of the usual names in any case, else the last column. */
export function chooseLabel(path: string, columns: readonly string[], wanted: string | undefined): string {
  if (wanted !== undefined) {
    if (columns.includes(wanted)) return wanted;
    throw labelMissing(path, wanted, columns);
  }
  for (const name of labelNames) {
    const found = columns.find((column) => column.toLowerCase() === name);
    if (found !== undefined) return found;
  }
  return columns[columns.length - 1]!;
}

/** The error for a table without that column. */
export function labelMissing(path: string, label: string, columns: readonly string[]): IsonormError {
  const shown = columns.slice(0, 30).join(", ");
  return new IsonormError(
    "ISO_DATA_LABEL_MISSING",
    `${path} has no label column ${JSON.stringify(label)}; its columns are ${shown}${columns.length > 30 ? ` and ${columns.length - 30} more` : ""}`,
    "Name one of these columns with --label",
  );
}

/** The feature columns by the position at which they stand in the file, with what is expected of each. */
export function expectations(
  path: string,
  { columns }: TableReader,
  label: string | undefined,
  form: TableForm | undefined,
  { categorical = [] }: DataOptions,
): Map<number, ColumnExpectation> {
  if (!form) {
    const unknown = categorical.find((name) => !columns.includes(name) || name === label);
    if (unknown !== undefined) {
      throw new IsonormError(
        "ISO_ARGUMENT",
        `${JSON.stringify(unknown)} is to be categorical, and is no feature column of ${path}`,
        `Name one of ${columns
          .filter((name) => name !== label)
          .slice(0, 30)
          .join(", ")}`,
      );
    }
    const features = columns.flatMap((name, i): [number, ColumnExpectation][] =>
      name === label ? [] : [[i, categorical.includes(name) ? "declared" : "any"]],
    );
    return new Map(features);
  }
  const missing = [...form.numeric, ...form.categorical].filter((name) => !columns.includes(name));
  if (missing.length > 0) {
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `${path} lacks ${missing.length === 1 ? "the column" : "the columns"} ${missing.slice(0, 10).join(", ")}${missing.length > 10 ? ", ..." : ""} of the training data; it has ${columns.slice(0, 10).join(", ")}${columns.length > 10 ? ", ..." : ""}`,
      "Give a table with the columns of the training data",
    );
  }
  return new Map([
    ...form.numeric.map((name) => [columns.indexOf(name), "numeric"] as const),
    ...form.categorical.map((name) => [columns.indexOf(name), "categorical"] as const),
  ]);
}
