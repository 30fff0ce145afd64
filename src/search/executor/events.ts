import type { DoneEvent, TrainingEvent } from "../../run/index.js";
import type { Candidate } from "../space.js";
import type { ChooseMetric, Metrics, Trial, TrialError, TrialState } from "../study.js";

/** What a search tells while it runs; `--json` prints all but `step` and `preparing`, one a line. */
export type SearchEvent =
  | Extract<TrainingEvent, { readonly event: "preparing" | "import" | "warning" }>
  | {
      readonly event: "start";
      readonly study: string;
      readonly strategy: string;
      readonly choose: ChooseMetric;
      /** The parameters that are searched. */
      readonly searched: readonly string[];
      readonly model: string;
      readonly parameters: number;
      readonly classes: readonly string[];
      readonly dataHash: string;
      readonly examples: { readonly train: number; readonly validation: number; readonly test: number };
      /** Of a full training. */
      readonly epochs: number;
      readonly steps: number;
      readonly batchSize: number;
      readonly seed: number;
      readonly device: string;
      /** Trainings side by side at most, and the threads that they share. */
      readonly jobs: number;
      readonly threads: number;
      /** Trials that a resumed search need not run again. */
      readonly trialsDone: number;
      readonly out: string;
    }
  | {
      readonly event: "round";
      /** From 0. */
      readonly round: number;
      readonly why: string;
      /** Numbers of its trials. */
      readonly trials: readonly number[];
    }
  | TrialEvent
  | ({ readonly trial: number } & Extract<TrainingEvent, { readonly event: "step" | "epoch" }>)
  | SearchDone;

/** A trial that has begun, ended or got lost. */
export interface TrialEvent extends Candidate {
  readonly event: "trial";
  readonly number: number;
  readonly state: TrialState;
  readonly attempt: number;
  readonly validation: Metrics | null;
  /** In full trainings, what lost attempts did in vain included. */
  readonly cost: number;
  readonly error?: TrialError;
}

/** A trial in one line of figures. */
export interface TrialSummary {
  readonly number: number;
  readonly elr: number;
  readonly fraction: number;
  readonly state: TrialState;
  readonly validationLoss: number | null;
  readonly validationAccuracy: number | null;
  /** In full trainings, what lost attempts did in vain included. */
  readonly cost: number;
}

export interface CurvePoint {
  readonly elr: number;
  readonly loss: number;
  readonly low: number;
  readonly high: number;
}

/** The best ELR of trainings of one length. */
export interface Optimum {
  readonly fraction: number;
  readonly epochs: number;
  /** Median, and the 10% and 90% quantiles. */
  readonly elr: number;
  readonly low: number;
  readonly high: number;
}

export interface SearchDone {
  readonly event: "done";
  /** Of the winner, as its model.onnx gives them. */
  readonly validation: DoneEvent["validation"];
  /** Null where the data has no test split. */
  readonly test: DoneEvent["test"];
  readonly elr: number;
  readonly scale: number;
  /** Values found for the other parameters that were searched. */
  readonly found: Readonly<Record<string, number>>;
  /** Number of the winner. */
  readonly trial: number;
  /** Why the search stopped and that trial was chosen. */
  readonly why: string;
  /** What the fits say about the best ELR at each training length, shortest first. */
  readonly optima: readonly Optimum[];
  /** Expected validation loss by ELR, with a band of one standard deviation. */
  readonly fit: { readonly fraction: number; readonly points: readonly CurvePoint[] } | null;
  /** Of the winner's training. */
  readonly examplesPerSecond: number;
  /** `fullRuns`: all the training done, winner included, in full trainings. `seconds`: wall-clock time of the search, earlier parts of a resumed one included. */
  readonly cost: { readonly fullRuns: number; readonly seconds: number };
  readonly trials: readonly TrialSummary[];
  readonly out: string;
}

export function trialEvent(trial: Trial): TrialEvent {
  const { number, state, attempt, candidate, result, error } = trial;
  const summary = { number, state, attempt, ...candidate, validation: result?.validation ?? null, cost: workOf(trial) };
  return { event: "trial", ...summary, ...(error && { error }) };
}

export function trialSummary(trial: Trial): TrialSummary {
  const { number, candidate, state, result } = trial;
  return {
    number,
    elr: candidate.elr,
    fraction: candidate.fraction,
    state,
    validationLoss: result?.validation.loss ?? null,
    validationAccuracy: result?.validation.accuracy ?? null,
    cost: workOf(trial),
  };
}

/** All the work that a trial took so far, in full trainings. */
export const workOf = ({ cost, wasted }: Trial): number => cost + wasted;
