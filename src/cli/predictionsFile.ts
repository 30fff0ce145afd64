import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import type { Dataset } from "../data/index.js";
import { IsonormError } from "../errors.js";
import { argmax } from "../metrics/index.js";
import type { ServedBatch } from "../run/index.js";

/**
 * Predictions as CSV, an example a line: source, label, predicted, and the probability of every class in a column of its own. Written batch by batch beside
 * the path, which it takes when it is whole.
 */
export class PredictionsFile {
  readonly path: string;
  readonly #partial: string;
  readonly #file: number;
  readonly #classes: readonly string[];

  /** Throws ISO_OUT_NOT_WRITABLE, as the other methods do. */
  constructor(path: string, classes: readonly string[]) {
    this.path = path;
    this.#partial = `${path}.${process.pid}.partial`;
    this.#classes = classes;
    this.#file = guarded(path, () => openSync(this.#partial, "w"));
    this.#write(
      `${["source", "label", "predicted", ...classes.map((name) => `probability ${name}`)].map(cell).join(",")}\n`,
    );
  }

  add(dataset: Dataset, { first, count, probabilities }: ServedBatch): void {
    const classes = this.#classes;
    let lines = "";
    for (let row = 0; row < count; row++) {
      const offset = row * classes.length;
      const label = classes[dataset.labels[first + row]!]!;
      const predicted = classes[argmax(probabilities, offset, classes.length)]!;
      lines += [dataset.source(first + row), label, predicted].map(cell).join(",");
      for (let k = 0; k < classes.length; k++) lines += `,${Number(probabilities[offset + k]!.toPrecision(7))}`;
      lines += "\n";
    }
    this.#write(lines);
  }

  finish(): void {
    guarded(this.path, () => {
      closeSync(this.#file);
      renameSync(this.#partial, this.path);
    });
  }

  /** Removes what was written. */
  abandon(): void {
    rmSync(this.#partial, { force: true });
  }

  #write(text: string): void {
    const bytes = Buffer.from(text);
    guarded(this.path, () => {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done);
    });
  }
}

/** A CSV cell (RFC 4180). */
const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new IsonormError(
      "ISO_OUT_NOT_WRITABLE",
      `cannot write ${path} (${code ?? message})`,
      "Choose another --out",
      { cause },
    );
  }
}
