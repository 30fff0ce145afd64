import type { FittedPoint } from "./charts/responseCurve.js";
import type { DataSummary, EpochRecord, Setting, TrainingReport } from "./trainingReport.js";

/** Everything a search's report shows. Plain data but for the winner's pictures. */
export interface SearchReport {
  readonly title: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly status: "done" | "interrupted" | "failed";
  readonly data: DataSummary;
  readonly model: { readonly name: string; readonly parameters: number };
  /** The study's settings. */
  readonly settings: Readonly<Record<string, Setting>>;
  /** Training lengths, shortest first; the last is the full one. */
  readonly rungs: readonly Rung[];
  readonly trials: readonly ReportedTrial[];
  /** The curve fitted to one rung's validation losses; null where nothing was fitted. */
  readonly fit: { readonly rung: string; readonly points: readonly FittedPoint[] } | null;
  /** The effective learning rate found; null where no trial came to an end. */
  readonly chosen: number | null;
  readonly cost: {
    /** All training done, the winner's included, in full trainings. */
    readonly fullRuns: number;
    /** The same, by rung name. */
    readonly byRung: Readonly<Record<string, number>>;
    readonly seconds: number;
  };
  /** The chosen training; null where there is none. */
  readonly winner: TrainingReport | null;
  readonly versions: Readonly<Record<string, string>>;
  /** One sentence each. */
  readonly warnings: readonly string[];
}

export interface Rung {
  readonly name: string;
  readonly epochs: number;
  /** The best ELR at this length by a fit: its median with the 10% and 90% quantiles; null or absent where nothing was fitted. */
  readonly optimum?: { readonly elr: number; readonly low: number; readonly high: number } | null;
}

/** A point of a trial's learning curve. */
export type TrialEpoch = Pick<
  EpochRecord,
  "epoch" | "trainLoss" | "trainAccuracy" | "validationLoss" | "validationAccuracy"
>;

export type TrialState = "waiting" | "running" | "complete" | "pruned" | "diverged" | "failed" | "lost";

export interface ReportedTrial {
  readonly id: number | string;
  /** Name of its rung. */
  readonly rung: string;
  readonly elr: number;
  readonly scale: number;
  /** What else was searched: momentum, batch size, ... */
  readonly settings?: Readonly<Record<string, Setting>>;
  readonly state: TrialState;
  readonly validationLoss: number | null;
  readonly validationAccuracy: number | null;
  readonly epochs: readonly TrialEpoch[];
  /** In full trainings. */
  readonly cost: number;
  readonly seconds: number;
  readonly error?: string;
}
