import { type ParameterName, parameterNames } from "./space.js";
import { type EpochMetrics, type Study, studyCost, type Trial } from "./study.js";

/** Studies and trials as rows for `isonorm search --list`, `--show` and `--export`. A cell that does not apply is undefined: empty in CSV, absent in JSON. */
export type Cell = string | number | undefined;
export type Row = Readonly<Record<string, Cell>>;

export function studyRows(studies: readonly { readonly study: Study; readonly trials: readonly Trial[] }[]): Row[] {
  return studies.map(({ study, trials }) => ({
    study: study.id,
    created: new Date(study.createdAt).toISOString(),
    strategy: study.strategy.name,
    seed: study.seed,
    trials: trials.length,
    complete: trials.filter(({ state }) => state === "complete").length,
    diverged: trials.filter(({ state }) => state === "diverged").length,
    failed: trials.filter(({ state }) => state === "failed").length,
    open: trials.filter(({ state }) => state === "waiting" || state === "running" || state === "lost").length,
    cost: studyCost(trials),
    data: study.dataHash,
  }));
}

/** One row a trial, with a column for each parameter that any of them has. */
export function trialRows(trials: readonly Trial[]): Row[] {
  const searched = parameterNames.filter((name) => trials.some(({ candidate }) => candidate[name] !== undefined));
  return trials.map((trial) => {
    const { candidate, result } = trial;
    const values = Object.fromEntries(searched.map((name): [ParameterName, Cell] => [name, candidate[name]]));
    return {
      trial: trial.number,
      state: trial.state,
      log2Elr: Math.log2(candidate.elr),
      ...values,
      fraction: candidate.fraction,
      replicate: candidate.replicate,
      loss: result?.validation.loss,
      accuracy: result?.validation.accuracy,
      macroF1: result?.validation.macroF1,
      steps: result?.steps,
      examplesPerSecond: result?.examplesPerSecond,
      cost: trial.cost,
      wasted: trial.wasted,
      attempt: trial.attempt,
      seed: trial.seed,
      seconds:
        trial.startedAt === undefined || trial.endedAt === undefined
          ? undefined
          : (trial.endedAt - trial.startedAt) / 1000,
      error: trial.error && `${trial.error.code}: ${trial.error.message}`,
    };
  });
}

export function epochRows(trial: number, epochs: readonly EpochMetrics[]): Row[] {
  return epochs.map(({ epoch, steps, trainLoss, trainAccuracy, validation }) => ({
    trial,
    epoch,
    steps,
    trainLoss,
    trainAccuracy,
    loss: validation.loss,
    accuracy: validation.accuracy,
    macroF1: validation.macroF1,
  }));
}

/**
 * Rows as CSV (RFC 4180, line ends CR LF), columns in the order of the first row. Text that a spreadsheet would take for a formula (first character = + - @) gets an apostrophe in front.
 */
export function toCsv(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const cell = (value: Cell): string => {
    if (value === undefined || typeof value === "number") return value === undefined ? "" : String(value);
    const text = /^[=+\-@]/.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns.map(cell), ...rows.map((row) => columns.map((column) => cell(row[column])))];
  return columns.length === 0 ? "" : lines.map((line) => `${line.join(",")}\r\n`).join("");
}

/** Rows as a JSON array, one object a line. */
export function toJson(rows: readonly Row[]): string {
  return rows.length === 0 ? "[]\n" : `[\n${rows.map((row) => JSON.stringify(row)).join(",\n")}\n]\n`;
}

/** Rows as aligned columns for a terminal: numbers to four significant digits and to the right, columns that are empty throughout left out. */
export function toText(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {}).filter((column) => rows.some((row) => row[column] !== undefined));
  const shown = (value: Cell): string => {
    if (typeof value === "number")
      return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
    return (value ?? "").replaceAll(/\s+/g, " ");
  };
  const lines = [columns, ...rows.map((row) => columns.map((column) => shown(row[column])))];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  const right = columns.map((column) => rows.every((row) => typeof row[column] !== "string"));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (right[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  return columns.length === 0 ? "" : `${lines.map(line).join("\n")}\n`;
}
