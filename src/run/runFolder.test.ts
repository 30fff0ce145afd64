import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { type Checkpoint, type EpochRecord, freshProgress, parseTrainSettings } from "../train/index.js";
import type { RunRecord } from "./record.js";
import { isRunFolder, newRunFolder, RunFolder, readRun, runFiles } from "./runFolder.js";

const root = mkdtempSync(join(tmpdir(), "isonorm-run-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let path: string;
let count = 0;
beforeEach(() => {
  path = join(root, String(count++));
});

const record: RunRecord = {
  format: 1,
  command: "train",
  version: "0.1.0",
  versions: { node: "20" },
  createdAt: "2026-01-01T00:00:00.000Z",
  data: { path: "flowers", test: 0.2 },
  dataHash: "abc",
  classes: ["a", "b"],
  examples: { train: 8, validation: 2, test: 2 },
  settings: { ...parseTrainSettings({ epochs: 3 }), elr: 2 ** -8.5, labelSmoothing: 0 },
  device: "cpu",
  threads: 2,
  status: "running",
  results: null,
};

const epoch = (number: number): EpochRecord => ({
  epoch: number,
  step: 10 * number,
  elr: 0.01,
  trainLoss: number === 2 ? Number.NaN : 0.5,
  trainAccuracy: 0.9,
  validationLoss: 0.6,
  validationAccuracy: 0.8,
  validationMacroF1: 0.8,
  examplesPerSecond: 100,
  seconds: 1,
  skipped: 0,
});

const checkpoint = (step: number): Checkpoint => ({
  progress: { ...freshProgress("digest"), step },
  state: new Map([["w", { dtype: "float32", shape: [2], data: Float32Array.of(step, 1) }]]),
  best: new Map(),
});

describe("a run folder", () => {
  it("is made with the folders above it, and holds no run yet", () => {
    const folder = new RunFolder(join(path, "a", "b"));
    expect(readdirSync(folder.path)).toEqual([]);
    expect([folder.hasRun(), isRunFolder(folder.path), folder.readCheckpoint()]).toEqual([false, false, undefined]);
  });

  it("gives back its record and checkpoint as they were last written", () => {
    const folder = new RunFolder(path);
    folder.writeRun(record);
    folder.writeRun({ ...record, status: "interrupted" });
    folder.writeCheckpoint(checkpoint(3));
    folder.writeCheckpoint(checkpoint(4));
    const again = new RunFolder(path);
    expect(again.readRun()).toEqual({ ...record, status: "interrupted" });
    expect(readRun(path)).toEqual(again.readRun());
    expect(again.readCheckpoint()).toEqual(checkpoint(4));
    expect(isRunFolder(path)).toBe(true);
    // Nothing of how they were written is left.
    expect(readdirSync(path).sort()).toEqual([runFiles.checkpoint, runFiles.run]);
  });

  it("has a line of metrics for each epoch; those that will run again are taken back", () => {
    const folder = new RunFolder(path);
    folder.resetMetrics([]);
    for (const number of [1, 2, 3]) folder.appendMetrics(epoch(number));
    const lines = () =>
      readFileSync(folder.file("metrics"), "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as EpochRecord);
    expect(lines().map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(lines()[1]!.trainLoss).toBeNull();
    folder.resetMetrics([epoch(1), epoch(2)]);
    folder.appendMetrics(epoch(3));
    expect(lines().map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
  });

  it("goes away where a run never began, and stays where there is something in it", () => {
    const folder = new RunFolder(path);
    folder.removeIfEmpty();
    expect(readdirSync(root)).not.toContain(path.slice(root.length + 1));
    const used = new RunFolder(path);
    used.writeRun(record);
    used.removeIfEmpty();
    expect(used.hasRun()).toBe(true);
  });
});

describe("refused", () => {
  it("a folder that cannot be made, because a file is in its way", () => {
    writeFileSync(path, "");
    for (const wanted of [path, join(path, "below")])
      expect(() => new RunFolder(wanted)).toThrow(
        expect.objectContaining({ code: "ISO_OUT_NOT_WRITABLE", message: expect.stringContaining(wanted) }),
      );
  });

  it.skipIf(process.getuid?.() === 0)("a folder without the right to write (root has every right)", () => {
    mkdirSync(path);
    chmodSync(path, 0o555);
    expect(() => new RunFolder(path)).toThrow(expect.objectContaining({ code: "ISO_OUT_NOT_WRITABLE" }));
    chmodSync(path, 0o755);
  });

  it.each<[string, string, RegExp]>([
    ["that is no JSON", "{", /JSON/],
    ["of another version", JSON.stringify({ ...record, format: 2 }), /format/],
    [
      "with a setting out of range",
      JSON.stringify({ ...record, settings: { ...record.settings, lr: -1 } }),
      /settings\.lr/,
    ],
    ["without its settings' resolved rate", JSON.stringify({ ...record, settings: {} }), /settings\.elr/],
  ])("a record %s", (_, content, reason) => {
    const folder = new RunFolder(path);
    writeFileSync(folder.file("run"), content);
    expect(() => folder.readRun()).toThrow(
      expect.objectContaining({ code: "ISO_CHECKPOINT_MALFORMED", message: expect.stringMatching(reason) }),
    );
  });

  it("a folder without a record", () => {
    mkdirSync(path);
    expect(() => readRun(path)).toThrow(
      expect.objectContaining({ code: "ISO_CHECKPOINT_MALFORMED", message: expect.stringContaining("ENOENT") }),
    );
  });

  it("a checkpoint that was damaged", () => {
    const folder = new RunFolder(path);
    writeFileSync(folder.file("checkpoint"), "not a checkpoint");
    expect(() => folder.readCheckpoint()).toThrow(expect.objectContaining({ code: "ISO_CHECKPOINT_MALFORMED" }));
  });
});

it("a write that fails says so and leaves the file as it was", () => {
  const folder = new RunFolder(path);
  folder.writeCheckpoint(checkpoint(1));
  // A folder where the new model should come to lie.
  mkdirSync(folder.file("model"));
  writeFileSync(join(folder.file("model"), "something"), "");
  expect(() => folder.writeModel(new Uint8Array(8))).toThrow(
    expect.objectContaining({ code: "ISO_CHECKPOINT_WRITE", message: expect.stringContaining(folder.file("model")) }),
  );
  expect(folder.readCheckpoint()).toEqual(checkpoint(1));
});

it("new run folders are named after time and command, and never twice", () => {
  const before = process.cwd();
  mkdirSync(path);
  process.chdir(path);
  try {
    const first = newRunFolder("train");
    expect(first).toMatch(/^runs\/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-train$/);
    new RunFolder(first);
    const second = newRunFolder("train");
    expect(second).not.toBe(first);
  } finally {
    process.chdir(before);
  }
});
