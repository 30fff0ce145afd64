import type { Row } from "./measure.js";
import { markdownTable, textTable } from "./textTable.js";

const header = [
  "workload",
  "ms a step",
  "examples/s",
  "compile s",
  "first step s",
  "peak MiB",
  "GFLOP",
  "GFLOP/s",
  "ceiling",
  "times limit",
];
const comparisonHeader = ["ratio", "(quarters)", "ms", "peak MiB"];

/** The figures as cells, with the columns that any row has. */
function cells(rows: readonly Row[]): { header: readonly string[]; rows: readonly (readonly string[])[] } {
  const peer = rows.find((row) => row.peer)?.peer;
  const mebibytes = (bytes: number): string => String(Math.round(bytes / 2 ** 20));
  return {
    header: [...header, ...(peer ? comparisonHeader.map((title) => `${peer.name.split(" ")[0]} ${title}`) : [])],
    rows: rows.map((row) => [
      row.workload,
      row.milliseconds.toFixed(1),
      String(Math.round(row.examplesPerSecond)),
      row.compileSeconds.toFixed(2),
      row.firstStepSeconds.toFixed(2),
      mebibytes(row.peakMemoryBytes),
      row.gigaOperations.toFixed(2),
      row.gflops.toFixed(0),
      row.ceilingGflops.toFixed(0),
      row.timesLimit.toFixed(2),
      ...(peer
        ? [
            row.peer ? row.peer.ratio.toFixed(2) : "",
            row.peer ? row.peer.quarters.map((quarter) => quarter.toFixed(2)).join(" to ") : "",
            row.peer ? row.peer.milliseconds.toFixed(1) : "",
            row.peer ? mebibytes(row.peer.peakMemoryBytes) : "",
          ]
        : []),
    ]),
  };
}

export function rowsAsText(rows: readonly Row[]): string {
  const table = cells(rows);
  return textTable(table.header, table.rows);
}

/** A Markdown table. */
export function rowsAsMarkdown(rows: readonly Row[]): string {
  const table = cells(rows);
  return markdownTable(table.header, table.rows);
}
