import pc from "picocolors";
import type { IsonormError } from "../errors.js";

/** Where a command's words go: with `--json`, events to stdout and words for people to stderr; else words to stdout. */
export class Output {
  readonly json: boolean;
  /** Whether stderr is a terminal that shows a live line. */
  readonly live: boolean;
  #lineShown = false;

  constructor(options: { json?: boolean }) {
    this.json = options.json === true;
    this.live = process.stderr.isTTY === true && process.env.TERM !== "dumb";
  }

  /** One event, one line; nothing without `--json`. */
  event(event: { readonly event: string }): void {
    if (this.json) process.stdout.write(`${JSON.stringify(event, notFiniteAsNull)}\n`);
  }

  /** A line for people. */
  say(line = ""): void {
    this.#clear();
    (this.json ? process.stderr : process.stdout).write(`${line}\n`);
  }

  warn(message: string): void {
    this.#clear();
    process.stderr.write(`${pc.yellow("warning")} ${message}\n`);
  }

  /** Replaces the live line at the bottom of a terminal; nothing where stderr is a pipe. */
  progress(line: string): void {
    if (!this.live) return;
    const width = Math.max(20, (process.stderr.columns ?? 80) - 1);
    process.stderr.write(`\r\u001b[2K${line.length > width ? `${line.slice(0, width - 1)}…` : line}`);
    this.#lineShown = true;
  }

  error(error: IsonormError, debug: boolean): void {
    this.#clear();
    process.stderr.write(`${pc.red("error")} ${error.code}: ${error.message}\n`);
    if (debug && error.stack) process.stderr.write(`${error.stack}\n`);
  }

  #clear(): void {
    if (this.#lineShown) process.stderr.write("\r\u001b[2K");
    this.#lineShown = false;
  }
}

// JSON has no NaN: a figure that could not be measured is null.
const notFiniteAsNull = (_: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isFinite(value) ? null : value;
