import type { TableDescription } from "../dataset.js";
import type { RecordLayout } from "../select.js";
import { sortClassNames } from "../splits.js";
import type { RecordStore } from "../store.js";
import type { ColumnSummary } from "./column.js";

/** Stored records read at once. */
const chunk = 4096;

/**
 * The table that training sees: the numeric and the categorical columns, each categorical one with the categories that occur in the training rows. A
 * categorical column without any there is left out.
 */
export function describeTable(
  columns: readonly ColumnSummary[],
  store: RecordStore,
  trainingRows: Uint32Array,
): TableDescription {
  const named = (kind: ColumnSummary["kind"]) => columns.filter((column) => column.kind === kind);
  const seen = named("categorical").map((column) => ({ column, codes: new Set<number>() }));
  if (seen.length > 0) {
    const records = new Float32Array(Math.min(chunk, trainingRows.length) * store.recordLength);
    for (let first = 0; first < trainingRows.length; first += chunk) {
      const rows = trainingRows.subarray(first, first + chunk);
      store.read(rows, records);
      for (const { column, codes } of seen) {
        for (let row = 0; row < rows.length; row++) {
          const code = records[row * store.recordLength + column.position]!;
          if (!Number.isNaN(code)) codes.add(code);
        }
      }
    }
  }
  const categorical = seen.map(({ column, codes }) => ({
    name: column.name,
    categories: sortClassNames(Array.from(codes, (code) => column.texts[code]!)),
  }));
  return {
    kind: "table",
    numeric: named("numeric").map(({ name }) => name),
    categorical: categorical.filter(({ categories }) => categories.length > 0),
  };
}

/** How that table's records come from stored ones; undefined where they are the same. */
export function tableLayout(columns: readonly ColumnSummary[], input: TableDescription): RecordLayout | undefined {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const from = [...input.numeric, ...input.categorical.map(({ name }) => name)].map(
    (name) => byName.get(name)!.position,
  );
  if (input.categorical.length === 0 && from.length === columns.length && from.every((position, i) => position === i))
    return undefined;
  const translations = input.categorical.map(({ name, categories }) => {
    const index = new Map(categories.map((category, i) => [category, i]));
    return Int32Array.from(byName.get(name)!.texts, (text) => index.get(text) ?? -1);
  });
  return { from: Uint32Array.from(from), codes: [...input.numeric.map(() => undefined), ...translations] };
}
