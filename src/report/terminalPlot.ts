import { significant } from "./format.js";

/** A trial as the plot shows it. */
export interface PlotPoint {
  readonly elr: number;
  /** Validation loss; null where training diverged. */
  readonly loss: number | null;
  /** Of full length; the others are hollow. */
  readonly full: boolean;
}

export interface TerminalPlot {
  readonly points: readonly PlotPoint[];
  /** A fitted curve of the loss. */
  readonly fit?: readonly { readonly elr: number; readonly loss: number }[];
  /** The effective learning rate that was chosen; null where none was. */
  readonly chosen: number | null;
}

export interface TerminalPlotOptions {
  /** Characters a line; default 72, at least 32. */
  readonly width?: number;
  /** Lines of the plot proper; default 10. */
  readonly height?: number;
  /** Default true; false keeps to ASCII. */
  readonly unicode?: boolean;
}

const unicodeMarks = {
  full: "●",
  short: "○",
  chosen: "◆",
  diverged: "×",
  fit: "·",
  wall: "│",
  floor: "─",
  tick: "┬",
  corner: "└",
};
const asciiMarks = {
  full: "*",
  short: "o",
  chosen: "@",
  diverged: "x",
  fit: ".",
  wall: "|",
  floor: "-",
  tick: "+",
  corner: "+",
};

/**
 * Validation loss against log2 of the effective learning rate, as lines of text for the end of a search. Losses stand on a logarithmic scale where
 * they span more than a decade. Empty where there is nothing to plot.
 *
 * @example terminalPlot({ points: [{ elr: 2 ** -8, loss: 0.1, full: true }], chosen: 2 ** -8 }).join("\n")
 */
export function terminalPlot({ points, fit = [], chosen }: TerminalPlot, options: TerminalPlotOptions = {}): string[] {
  const { width = 72, height = 10, unicode = true } = options;
  const marks = unicode ? unicodeMarks : asciiMarks;
  const placed = points.filter(({ elr }) => elr > 0 && Number.isFinite(elr));
  if (placed.length === 0) return [];

  const losses = placed.map(({ loss }) => loss).filter((loss) => loss !== null && Number.isFinite(loss));
  const y = lossScale(losses as number[], height);
  const octaves = placed.map(({ elr }) => Math.log2(elr));
  const from = Math.floor(Math.min(...octaves));
  const to = Math.max(Math.ceil(Math.max(...octaves)), from + 1);
  const labels = y.labels.map(([row, loss]) => [row, significant(loss, 3)] as const);
  const gutter = Math.max(4, ...labels.map(([, label]) => label.length)) + 1;
  const columns = Math.max(24, width - gutter - 2);
  const columnOf = (elr: number) => Math.round(((Math.log2(elr) - from) / (to - from)) * (columns - 1));

  const rows = Array.from({ length: height }, () => new Array<string>(columns).fill(" "));
  const put = (elr: number, row: number, mark: string) => {
    const column = columnOf(elr);
    if (row >= 0 && row < height && column >= 0 && column < columns) rows[row]![column] = mark;
  };
  for (const { elr, loss } of fit) put(elr, y.rowOf(loss), marks.fit);
  // Full-length and chosen trials come last: where two share a cell, theirs is the mark to see.
  const rank = ({ elr, full }: PlotPoint) => (full ? 1 : 0) + (elr === chosen && full ? 1 : 0);
  for (const point of [...placed].sort((a, b) => rank(a) - rank(b))) {
    const { elr, loss, full } = point;
    if (loss === null || !Number.isFinite(loss)) put(elr, 0, marks.diverged);
    else put(elr, y.rowOf(loss), rank(point) === 2 ? marks.chosen : full ? marks.full : marks.short);
  }

  const labelOfRow = new Map(labels);
  const plot = rows.map((row, index) =>
    `${(labelOfRow.get(index) ?? "").padStart(gutter)} ${marks.wall}${row.join("")}`.trimEnd(),
  );
  const key = [
    [marks.chosen, "chosen", placed.some((point) => rank(point) === 2)],
    [marks.full, "full length", placed.some((point) => rank(point) === 1)],
    [marks.short, "shorter", placed.some(({ full, loss }) => !full && loss !== null)],
    [marks.diverged, "diverged", losses.length < placed.length],
    [marks.fit, "fit", fit.length > 0],
  ] as const;
  return [
    "validation loss by ELR",
    ...plot,
    ...floor(from, to, columns, gutter, columnOf, marks),
    `${" ".repeat(gutter + 2)}${key.flatMap(([mark, name, present]) => (present ? [`${mark} ${name}`] : [])).join("   ")}`,
  ];
}

/** Row 0 is left to diverged trials; the losses fill the others, highest first. */
function lossScale(losses: readonly number[], height: number) {
  const last = height - 1;
  const lowest = Math.min(...losses);
  const highest = Math.max(...losses);
  const logarithmic = lowest > 0 && highest / lowest > 10;
  const scaled = (loss: number) => (logarithmic ? Math.log(loss) : loss);
  const span = scaled(highest) - scaled(lowest);
  // Equal losses lie in the middle.
  const rowOf = (loss: number) =>
    span > 0 ? 1 + Math.round(((scaled(highest) - scaled(loss)) / span) * (last - 1)) : Math.ceil(last / 2);
  const lossOf = (row: number) => {
    const value = scaled(highest) - (span * (row - 1)) / (last - 1);
    return logarithmic ? Math.exp(value) : value;
  };
  const middle = 1 + Math.round((last - 1) / 2);
  const labelled = losses.length === 0 ? [] : span > 0 ? [1, middle, last] : [Math.ceil(last / 2)];
  return { rowOf, labels: labelled.map((row) => [row, span > 0 ? lossOf(row) : lowest] as const) };
}

/** The horizontal axis with a tick an octave, and labels as far as there is room. */
function floor(
  from: number,
  to: number,
  columns: number,
  gutter: number,
  columnOf: (elr: number) => number,
  marks: typeof unicodeMarks,
): [string, string] {
  const line = new Array<string>(columns).fill(marks.floor);
  const width = gutter + 2 + columns;
  const labels = new Array<string>(width).fill(" ");
  let free = 0;
  for (let octave = from; octave <= to; octave++) {
    const column = columnOf(2 ** octave);
    line[column] = marks.tick;
    const label = `2^${octave}`;
    const centred = Math.max(0, gutter + 2 + column - Math.floor(label.length / 2));
    const start = Math.min(centred, width - label.length);
    if (start < free) continue;
    labels.splice(start, label.length, ...label);
    free = start + label.length + 1;
  }
  return [`${" ".repeat(gutter)} ${marks.corner}${line.join("")}`, labels.join("").trimEnd()];
}
