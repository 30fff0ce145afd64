import { IsonormError } from "../../errors.js";
import { sortClassNames } from "../splits.js";
import { type Cell, isMissing } from "./cell.js";

/** More classes than this, and the column is a measurement or an identifier. */
const mostClasses = 20_000;

/** Gathers the labels; they index into the sorted class names only when all rows are read. */
export function readLabels(path: string, column: string | undefined) {
  const codes = new Map<string, number>();
  let labels = new Int32Array(1024);
  let size = 0;
  const finish = (): { labels: Int32Array; classes: string[] } => {
    const found = [...codes.keys()];
    const classes = sortClassNames(found);
    const order = new Map(classes.map((name, i) => [name, i]));
    const index = found.map((name) => order.get(name)!);
    return { labels: labels.subarray(0, size).map((code) => index[code]!), classes };
  };
  /** Whether the row has a label. */
  const append = (cell: Cell): boolean => {
    if (column !== undefined && isMissing(cell)) return false;
    const name = String(cell);
    let code = codes.get(name);
    if (code === undefined) {
      if (codes.size >= mostClasses) {
        throw new IsonormError(
          "ISO_DATA_FORMAT",
          `The label column ${JSON.stringify(column)} of ${path} has more than ${mostClasses} different values, so it holds no classes`,
          "Name the label column with --label",
        );
      }
      code = codes.size;
      codes.set(name, code);
    }
    if (size === labels.length) {
      const grown = new Int32Array(2 * size);
      grown.set(labels);
      labels = grown;
    }
    labels[size++] = code;
    return true;
  };
  return { append, finish };
}
