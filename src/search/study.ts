import { z } from "zod";
import { deriveSeed } from "../data/core.js";
import { candidateSchema, spaceSchema } from "./space.js";

/** A study is a search: what is searched, how, and on which data. Its trials are the trainings made for it. All of it is plain data that any storage can keep. */

/** Classification metrics on the validation split. The test split is never part of a trial. */
export const metricsSchema = z.strictObject({
  /** Mean cross-entropy, nats. */
  loss: z.number(),
  /** Share of right answers. */
  accuracy: z.number(),
  macroF1: z.number(),
});
export type Metrics = z.output<typeof metricsSchema>;

export const chooseMetrics = ["accuracy", "loss", "macroF1"] as const;
export type ChooseMetric = (typeof chooseMetrics)[number];

const json: z.ZodType<unknown> = z.json();

export const studySchema = z.strictObject({
  id: z.string().min(1),
  seed: z
    .int()
    .nonnegative()
    .max(2 ** 32 - 1),
  space: spaceSchema,
  /** Name and settings of the strategy, as `openStrategy` takes them. */
  strategy: z.strictObject({ name: z.string(), settings: json }),
  /** The training's settings that all trials share. */
  settings: z.record(z.string(), json),
  /** SHA-256 of the data, from `Splits.hash`. */
  dataHash: z.string(),
  /** Versions of isonorm, ONNX Runtime and so on. */
  versions: z.record(z.string(), z.string()),
  /** Milliseconds since 1970. */
  createdAt: z.number(),
});
export type Study = z.output<typeof studySchema>;

/**
 * waiting: nobody has it. running: a worker has it. lost: its worker vanished (the machine's fault); it waits for another attempt.
 * The rest are ends: complete; pruned, the strategy gave it up; diverged, its loss ceased to be finite; failed, the code's or the data's fault.
 */
export const trialStates = ["waiting", "running", "lost", "complete", "pruned", "diverged", "failed"] as const;
export type TrialState = (typeof trialStates)[number];
export type FinalState = "complete" | "pruned" | "diverged" | "failed";
export const isFinal = (state: TrialState): state is FinalState => !["waiting", "running", "lost"].includes(state);

export const resultSchema = z.strictObject({
  validation: metricsSchema,
  /** Training steps, and examples trained on, from start to end of the trial, whatever the number of attempts. */
  steps: z.int().nonnegative(),
  examplesPerSecond: z.number().nonnegative(),
  /** Work that the result took, in full trainings; without what lost attempts did in vain. */
  cost: z.number().nonnegative(),
});
export type TrialResult = z.output<typeof resultSchema>;

/** How a trial ended, as its worker reports it. */
export type Ending =
  | { readonly state: "complete"; readonly result: TrialResult }
  /** `cost` of the steps made until then, in full trainings. */
  | { readonly state: "pruned" | "diverged"; readonly cost: number }
  | { readonly state: "failed"; readonly cost: number; readonly error: TrialError };

export const errorSchema = z.strictObject({ code: z.string(), message: z.string() });
export type TrialError = z.output<typeof errorSchema>;

export const trialSchema = z.strictObject({
  studyId: z.string(),
  /** From 0, in the order in which the strategy asked. */
  number: z.int().nonnegative(),
  candidate: candidateSchema,
  state: z.enum(trialStates),
  /** How many workers have claimed it; the number of the current or last attempt, 0 before the first. */
  attempt: z.int().nonnegative(),
  seed: z.int().nonnegative(),
  worker: z.string().optional(),
  result: resultSchema.optional(),
  error: errorSchema.optional(),
  /** Work from its start to its end, in full trainings; 0 until it has ended. Independent of how often it was lost. */
  cost: z.number().nonnegative(),
  /** How far it is, and how far its last checkpoint, in full trainings; of a trial that has not ended. */
  done: z.number().nonnegative(),
  kept: z.number().nonnegative(),
  /** Work that lost attempts did beyond their last checkpoint, in full trainings. */
  wasted: z.number().nonnegative(),
  /** Milliseconds since 1970: of the first claim, of the last sign of life, of the end. */
  startedAt: z.number().optional(),
  heartbeatAt: z.number().optional(),
  endedAt: z.number().optional(),
});
export type Trial = z.output<typeof trialSchema>;

/** One epoch of one trial, for its learning curve. */
export const epochMetricsSchema = z.strictObject({
  /** Passes over the data that are done; a short trial may end at a fraction. */
  epoch: z.number().positive(),
  steps: z.int().nonnegative(),
  trainLoss: z.number(),
  trainAccuracy: z.number(),
  validation: metricsSchema,
});
export type EpochMetrics = z.output<typeof epochMetricsSchema>;

/**
 * The seed of a trial: a function of the study's seed and the trial's number alone, so that it does not depend on the number of workers or on what was lost.
 */
export function trialSeed(studySeed: number, number: number): number {
  return deriveSeed(studySeed, "trial", number);
}

/** All the work charged to a study, in full trainings. */
export function studyCost(trials: readonly Trial[]): number {
  return trials.reduce((sum, trial) => sum + trial.cost + trial.wasted, 0);
}
