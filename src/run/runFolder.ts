import {
  accessSync,
  appendFileSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { IsonormError } from "../errors.js";
import { writeFileAtomically } from "../files/index.js";
import { type Checkpoint, decodeCheckpoint, type EpochRecord, encodeCheckpoint } from "../train/index.js";
import { anyRunRecord, type RunRecord, type SearchRecord } from "./record.js";

/** The files of a run folder. */
export const runFiles = {
  run: "run.json",
  metrics: "metrics.jsonl",
  checkpoint: "checkpoint.safetensors",
  model: "model.onnx",
  report: "report.html",
} as const;

/** One run's folder. Every file is replaced as a whole or not at all. */
export class RunFolder {
  readonly path: string;

  /** Makes the folder where it is missing. Throws ISO_OUT_NOT_WRITABLE. */
  constructor(path: string) {
    this.path = path;
    try {
      mkdirSync(path, { recursive: true });
      accessSync(path, constants.W_OK);
      // Root passes every access check, a read-only file system does not let even root write.
      const probe = join(path, ".isonorm-probe");
      writeFileAtomically(probe, new Uint8Array());
      rmSync(probe, { force: true });
    } catch (cause) {
      throw new IsonormError(
        "ISO_OUT_NOT_WRITABLE",
        `cannot write to the output folder ${path} (${reason(cause)})`,
        "Choose another folder with --out",
        { cause },
      );
    }
  }

  file(name: keyof typeof runFiles): string {
    return join(this.path, runFiles[name]);
  }

  hasRun(): boolean {
    return existsSync(this.file("run"));
  }

  /** Throws ISO_CHECKPOINT_MALFORMED where run.json cannot be read, ISO_ARGUMENT where it is a search's. */
  readRun(): RunRecord {
    return readRun(this.path);
  }

  writeRun(record: RunRecord | SearchRecord): void {
    this.#write("run", new TextEncoder().encode(`${JSON.stringify(record, null, 2)}\n`));
  }

  readCheckpoint(): Checkpoint | undefined {
    const path = this.file("checkpoint");
    return existsSync(path) ? decodeCheckpoint(readFileSync(path)) : undefined;
  }

  writeCheckpoint(checkpoint: Checkpoint): void {
    this.#write("checkpoint", encodeCheckpoint(checkpoint));
  }

  /** Replaces metrics.jsonl by the history of a checkpoint: lines of epochs that will run again must not stand twice. */
  resetMetrics(history: readonly EpochRecord[]): void {
    writeFileSync(this.file("metrics"), history.map((record) => `${JSON.stringify(record)}\n`).join(""));
  }

  appendMetrics(record: EpochRecord): void {
    appendFileSync(this.file("metrics"), `${JSON.stringify(record)}\n`);
  }

  writeModel(bytes: Uint8Array): void {
    this.#write("model", bytes);
  }

  writeReport(html: string): void {
    this.#write("report", new TextEncoder().encode(html));
  }

  /** Leaves no empty folder behind where a run never began. */
  removeIfEmpty(): void {
    try {
      rmdirSync(this.path);
    } catch {
      // It holds something, which stays.
    }
  }

  #write(name: keyof typeof runFiles, bytes: Uint8Array): void {
    const path = this.file(name);
    try {
      writeFileAtomically(path, bytes);
    } catch (cause) {
      throw new IsonormError(
        "ISO_CHECKPOINT_WRITE",
        `cannot write ${path} (${reason(cause)}); the file as it was before is untouched`,
        "Make room or choose another folder, then continue with --resume",
        { cause },
      );
    }
  }
}

/** A new folder under runs/, named after the time (UTC) and the command. */
export function newRunFolder(command: string): string {
  const name = `${new Date().toISOString().replace(/[:.]/g, "-").slice(0, 19)}-${command}`;
  for (let attempt = 1; ; attempt++) {
    const path = join("runs", attempt === 1 ? name : `${name}-${attempt}`);
    if (!existsSync(path)) return path;
  }
}

/** Whether the folder holds a run. */
export function isRunFolder(path: string): boolean {
  return existsSync(join(path, runFiles.run));
}

/** The record of a run of either command. Throws ISO_CHECKPOINT_MALFORMED where the folder's run.json is missing or cannot be read. */
export function readRecord(folder: string): RunRecord | SearchRecord {
  const path = join(folder, runFiles.run);
  try {
    return anyRunRecord.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new IsonormError(
      "ISO_CHECKPOINT_MALFORMED",
      `${path} is missing, damaged or from another version (${reason(cause)})`,
      "Give the folder of a run that isonorm made",
      { cause },
    );
  }
}

/** The record of a training. Throws as `readRecord`, and ISO_ARGUMENT where it is a search's. */
export function readRun(folder: string): RunRecord {
  const record = readRecord(folder);
  if (record.command === "train") return record;
  throw new IsonormError(
    "ISO_ARGUMENT",
    `${folder} holds a search, not a training`,
    `Go on with it by isonorm search --resume ${folder}`,
  );
}

function reason(cause: unknown): string {
  if (cause instanceof z.ZodError) return `${cause.issues[0]?.path.join(".")}: ${cause.issues[0]?.message}`;
  return (cause as NodeJS.ErrnoException)?.code ?? (cause instanceof Error ? cause.message : String(cause));
}
