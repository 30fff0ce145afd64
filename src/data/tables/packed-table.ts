import { realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { IsonormError } from "../../errors.js";
import { type DataOptions, defaultMemoryLimit } from "../options.js";
import { openCache, wantedCacheFolder } from "../pack/cache.js";
import { collectRecords } from "../pack/collect.js";
import { sha256 } from "../pack/digest.js";
import { openPack } from "../pack/pack.js";
import type { Part } from "../part.js";
import type { RecordStore } from "../store.js";
import type { Cell } from "./cell.js";
import { type ColumnExpectation, type ColumnSummary, readColumn } from "./column.js";
import { chooseLabel, expectations, labelMissing, type TableForm } from "./form.js";
import { readLabels } from "./labels.js";
import { openTable, type TableReader } from "./reader.js";

/** A part made of table rows; its records hold all feature columns in file order, categories as codes of this file's own. */
export interface TablePart extends Part {
  readonly columns: readonly ColumnSummary[];
  /** The label column, where there is one. */
  readonly label: string | undefined;
}

const metaSchema = z.object({
  columns: z.array(
    z.object({
      name: z.string(),
      position: z.int(),
      kind: z.enum(["numeric", "categorical", "omitted"]),
      texts: z.array(z.string()),
      missing: z.int(),
      constant: z.boolean(),
    }),
  ),
  classes: z.array(z.string()),
  skipped: z.array(z.int()),
  warnings: z.array(z.string()),
});

/** What a table's pack says besides the records. */
interface Meta {
  readonly columns: readonly ColumnSummary[];
  readonly classes: readonly string[];
  /** Rows of data, counted from 0, that are no records: without a label, or blank. */
  readonly skipped: readonly number[];
  readonly warnings: readonly string[];
}

/**
 * Reads a table. Records that take more than the memory limit go into the cache, and are read from there; they are found there the next time.
 *
 * @param form - what the table must go with; undefined for the training part, whose columns settle it
 * @throws ISO_DATA_LABEL_MISSING, ISO_DATA_NOT_NUMERIC, ISO_DATA_NOT_FINITE, ISO_DATA_EMPTY, ISO_DATA_FORMAT, ISO_DATA_TRUNCATED, ISO_ARGUMENT
 */
export async function readTable(path: string, form: TableForm | undefined, options: DataOptions): Promise<TablePart> {
  const { memoryLimit = defaultMemoryLimit } = options;
  const reader = await openTable(path, options);
  if (!form && reader.columns.length < 2) {
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `${path} has one column, ${JSON.stringify(reader.columns[0])}`,
      "Give a table with feature columns and a label column, separated by comma, semicolon or tab",
    );
  }
  const label = form ? form.label : chooseLabel(path, reader.columns, options.label);
  if (label !== undefined && !reader.columns.includes(label)) throw labelMissing(path, label, reader.columns);
  const expected = expectations(path, reader, label, form, options);

  const { size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  const identity = [await realpath(path), `${size} ${mtimeNs} ${ctimeNs}`, label, [...expected], options.noHeader];
  const packName = `${sha256(JSON.stringify(["table 1", ...identity]))}.pack`;
  let cacheWarning: string | undefined;
  const packPath = (): string => {
    const cache = openCache(options.cacheDir);
    cacheWarning = cache.warning;
    return join(cache.folder, packName);
  };
  const read =
    openTablePack(join(wantedCacheFolder(options.cacheDir), packName), memoryLimit) ??
    (await readRows(path, reader, label, expected, Number(size), packPath, options));
  const { store, digest, labels, meta } = read;
  const { columns, classes, skipped, warnings } = meta;
  if (options.strict && label !== undefined && skipped.length > 0) {
    store.close();
    throw new IsonormError(
      "ISO_DATA_LABEL_MISSING",
      `Row ${reader.firstRow + skipped[0]!} of ${path} has no label in column ${JSON.stringify(label)}`,
      "Fill the label in, or remove the row; without strict, such rows are skipped",
    );
  }
  if (!form && classes.length > 10 && classes.length > store.size / 2) {
    store.close();
    throw noClasses(path, label!, classes, labels.length);
  }
  return {
    store,
    classes,
    labels,
    digest,
    warnings: [...reader.warnings, ...warnings, ...(cacheWarning === undefined ? [] : [cacheWarning])],
    columns,
    label,
    source(record) {
      let row = record;
      for (const left of skipped) if (left <= row) row++;
      return `${path} row ${reader.firstRow + row}`;
    },
  };
}

interface ReadRows {
  readonly store: RecordStore;
  readonly digest: string;
  readonly labels: Int32Array;
  readonly meta: Meta;
}

function openTablePack(path: string, memoryLimit: number): ReadRows | undefined {
  const pack = openPack(path, memoryLimit);
  if (!pack) return undefined;
  const meta = metaSchema.safeParse(pack.meta);
  if (meta.success) return { ...pack, meta: meta.data };
  pack.store.close();
  return undefined;
}

async function readRows(
  path: string,
  reader: TableReader,
  label: string | undefined,
  expected: Map<number, ColumnExpectation>,
  bytes: number,
  packPath: () => string,
  options: DataOptions,
): Promise<ReadRows> {
  const { memoryLimit = defaultMemoryLimit, onProgress } = options;
  const positions = [...expected.keys()];
  const readings = positions.map((column, i) => readColumn(path, reader.columns[column]!, i, expected.get(column)!));
  const labelColumn = label === undefined ? -1 : reader.columns.indexOf(label);
  const labelReading = readLabels(path, label);
  const collector = collectRecords({ dtype: "float32", recordLength: positions.length, memoryLimit, packPath });
  const skipped: number[] = [];
  let unlabelled = 0;
  let row = 0;
  let progress = 0;
  try {
    for await (const rows of reader.rows((read) => {
      progress += read;
      onProgress?.(progress, bytes);
    })) {
      const records = new Float32Array(rows.length * positions.length);
      let at = 0;
      for (const cells of rows) {
        const number = reader.firstRow + row;
        const usable =
          cells.length > 0 &&
          labelReading.append(labelColumn < 0 ? "" : checkedRow(path, reader, cells, number)[labelColumn]!);
        if (usable) {
          checkedRow(path, reader, cells, number);
          for (let i = 0; i < positions.length; i++) records[at++] = readings[i]!.encode(cells[positions[i]!]!, number);
        } else {
          skipped.push(row);
          if (cells.length > 0) unlabelled++;
        }
        row++;
      }
      collector.append(records.subarray(0, at));
    }
    const mixed = readings.flatMap((reading, i) => (reading.mixed() ? [positions[i]!] : []));
    if (mixed.length > 0) {
      collector.abandon();
      const known = new Map([...expected, ...mixed.map((column) => [column, "text"] as const)]);
      return await readRows(path, reader, label, known, bytes, packPath, options);
    }
    const size = row - skipped.length;
    if (size === 0) {
      throw new IsonormError(
        "ISO_DATA_EMPTY",
        `${path} has no rows${row > 0 ? " with a label" : ""}`,
        "Give a table with a row for each example",
      );
    }
    const { labels, classes } = labelReading.finish();
    // Where an earlier table settled the columns, this one need not vary in every column.
    const settled = [...expected.values()].every((kind) => kind === "numeric" || kind === "categorical");
    const summaries = readings.map((reading) => reading.summarise(size));
    const columns = summaries.map(({ summary }) => summary);
    const warnings = summaries.flatMap(({ warning }) => (warning === undefined ? [] : [warning]));
    const constant = columns.filter(({ kind, constant }) => kind !== "omitted" && constant).map(({ name }) => name);
    if (constant.length > 0 && !settled) {
      warnings.push(
        `${constant.length === 1 ? "One column is" : `${constant.length} columns are`} constant: ${constant.slice(0, 10).join(", ")}${constant.length > 10 ? ", ..." : ""}.`,
      );
    }
    if (unlabelled > 0)
      warnings.push(
        `${unlabelled === 1 ? "One row" : `${unlabelled} rows`} of ${path} without a label ${unlabelled === 1 ? "was" : "were"} skipped.`,
      );
    if (columns.every(({ kind }) => kind === "omitted")) {
      throw new IsonormError(
        "ISO_DATA_FORMAT",
        `${path} has no column to learn from. ${warnings.join(" ")}`,
        "Give a table with feature columns",
      );
    }
    const meta = { columns, classes, skipped, warnings };
    return { ...collector.finish(labels, meta), labels, meta };
  } catch (error) {
    collector.abandon();
    throw error;
  }
}

function checkedRow(
  path: string,
  { columns, header }: TableReader,
  cells: readonly Cell[],
  row: number,
): readonly Cell[] {
  if (cells.length === columns.length) return cells;
  throw new IsonormError(
    "ISO_DATA_FORMAT",
    `Row ${row} of ${path} has ${cells.length} cells, and the ${header ? "header" : "first row"} has ${columns.length}`,
    "Correct the row; if it is the last one, the file may be cut off",
  );
}

function noClasses(path: string, label: string, classes: readonly string[], rows: number): IsonormError {
  return new IsonormError(
    "ISO_DATA_CLASS_TOO_SMALL",
    `The label column ${JSON.stringify(label)} of ${path} has ${classes.length} different values in ${rows} rows (${classes.slice(0, 3).join(", ")}, ...), so most classes have one example`,
    "Name the label column with --label, or give at least two examples of each class",
  );
}
