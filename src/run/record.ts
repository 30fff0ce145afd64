import { z } from "zod";
import { resolvedTrainSettings } from "../train/index.js";

/** How the data was given: what `openData` takes, as far as it decides what is learned. */
export const dataSettings = z.strictObject({
  path: z.string(),
  validation: z.union([z.number(), z.string()]).optional(),
  test: z.union([z.number(), z.string()]).optional(),
  label: z.string().optional(),
  strict: z.boolean().optional(),
  noHeader: z.boolean().optional(),
  imageSize: z.object({ height: z.int().positive(), width: z.int().positive() }).optional(),
  categorical: z.array(z.string()).optional(),
  /** Of the splits, where it is not the training's own: all trials of a search share one. */
  seed: z.int().nonnegative().optional(),
});

export type DataSettings = z.output<typeof dataSettings>;

const score = z.object({ accuracy: z.number(), loss: z.number().nullable(), macroF1: z.number() });

/** What the records of all commands have. */
const anyRecord = {
  format: z.literal(1),
  version: z.string(),
  versions: z.record(z.string(), z.string()),
  createdAt: z.string(),
  data: dataSettings,
  dataHash: z.string(),
  classes: z.array(z.string()),
  examples: z.object({ train: z.int(), validation: z.int(), test: z.int() }),
  /** As asked for, with "auto" and defaults resolved. */
  settings: resolvedTrainSettings,
  device: z.string(),
  threads: z.int().positive(),
};

/** run.json of a training: everything that decided it, and how it ended. */
export const runRecord = z.object({
  ...anyRecord,
  command: z.literal("train"),
  status: z.enum(["running", "interrupted", "done", "stopped early", "diverged"]),
  results: z
    .object({
      validation: score,
      test: score.nullable(),
      bestEpoch: z.number(),
      examplesPerSecond: z.number(),
      seconds: z.number(),
      peakMemoryBytes: z.number(),
    })
    .nullable(),
});

export type RunRecord = z.output<typeof runRecord>;

/** run.json of a search. `settings` are those that all trials share; the study itself stands in study.db. */
export const searchRecord = z.object({
  ...anyRecord,
  command: z.literal("search"),
  study: z.string(),
  strategy: z.object({ name: z.string(), settings: z.unknown() }),
  choose: z.string(),
  status: z.enum(["running", "interrupted", "done", "failed"]),
  /** Wall-clock time so far, of all parts of a resumed search. */
  seconds: z.number(),
  results: z
    .object({
      /** Number of the chosen trial. */
      trial: z.int(),
      elr: z.number(),
      scale: z.number(),
      /** Values found for the other parameters that were searched. */
      found: z.record(z.string(), z.number()),
      why: z.string(),
      validation: score,
      test: score.nullable(),
      examplesPerSecond: z.number(),
      peakMemoryBytes: z.number(),
      cost: z.object({ fullRuns: z.number(), seconds: z.number() }),
    })
    .nullable(),
});

export type SearchRecord = z.output<typeof searchRecord>;

export const anyRunRecord = z.discriminatedUnion("command", [runRecord, searchRecord]);
