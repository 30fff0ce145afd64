import { IsonormError } from "../../errors.js";
import type { TableDescription } from "../dataset.js";
import type { TableReader } from "../tables/reader.js";

/** What the columns of a file without a header are called: their position. */
const positionName = /^c(\d+)$/;

/**
 * Which of a table's columns stands for each column that a classifier takes: that of the same name. Where either the classifier's training data or
 * this table has no header, names say nothing and columns are matched by position, left to right, the label left out.
 *
 * @param path - for messages
 * @param label - the label column, where it is known
 * @returns the table's column name for each of the classifier's, numeric ones first, then categorical ones
 * @throws ISO_DATA_FORMAT naming the columns that are missing
 */
export function matchColumns(
  path: string,
  { columns, header }: Pick<TableReader, "columns" | "header">,
  input: TableDescription,
  label: string | undefined,
): string[] {
  const wanted = [...input.numeric, ...input.categorical.map(({ name }) => name)];
  const missing = wanted.filter((name) => !columns.includes(name));
  if (missing.length === 0) return wanted;

  const positions = wanted.map((name) => positionName.exec(name)?.[1]);
  const trainedWithoutHeader = positions.every((position) => position !== undefined);
  if (trainedWithoutHeader || !header) {
    const features = columns.filter((name) => name !== label);
    const inFileOrder = trainedWithoutHeader
      ? wanted.toSorted((a, b) => Number(positions[wanted.indexOf(a)]) - Number(positions[wanted.indexOf(b)]))
      : input.numeric.length === 0 || input.categorical.length === 0
        ? wanted
        : undefined;
    if (inFileOrder && features.length === wanted.length)
      return wanted.map((name) => features[inFileOrder.indexOf(name)]!);
    const byPosition = positions.map((position) => columns[Number(position)]);
    if (trainedWithoutHeader && byPosition.every((name) => name !== undefined && name !== label))
      return byPosition as string[];
  }
  const list = (names: readonly string[]): string =>
    `${names.slice(0, 10).join(", ")}${names.length > 10 ? ", ..." : ""}`;
  throw new IsonormError(
    "ISO_DATA_FORMAT",
    `${path} has no column ${list(missing)}, which the classifier takes; it has ${columns.length} columns, ${list(columns)}`,
    `Give a table with the ${wanted.length} columns of the training data`,
  );
}
