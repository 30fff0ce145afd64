import type { Evaluation } from "../metrics/index.js";

/** Everything a training's report shows. Plain data but for the mistakes' pixels. */
export interface TrainingReport {
  readonly title: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly status: TrainingStatus;
  readonly data: DataSummary;
  readonly model: { readonly name: string; readonly parameters: number };
  readonly settings: Readonly<Record<string, Setting>>;
  /** Of isonorm, Node.js, ONNX Runtime, ...: name to version. */
  readonly versions: Readonly<Record<string, string>>;
  /** Effective learning rate at schedule multiplier 1. */
  readonly elr: number;
  /** Scale constant S of the scale-invariant linear layer. */
  readonly scale: number;
  /** In order; the last may be a part of an epoch. */
  readonly epochs: readonly EpochRecord[];
  /** The epoch whose weights were kept; null where none was. */
  readonly bestEpoch: number | null;
  /** Of the weights that were kept. */
  readonly evaluations: { readonly validation: Evaluation; readonly test?: Evaluation };
  /** The most confident mistakes, most confident first: of the test split where there is one, else of the validation split. */
  readonly mistakes: readonly ReportedMistake[];
  readonly weights: readonly ReportedWeight[];
  readonly cost: {
    readonly seconds: number;
    readonly examplesPerSecond: number;
    readonly peakMemoryBytes: number;
  };
  /** One sentence each. */
  readonly warnings: readonly string[];
}

export type TrainingStatus = "done" | "diverged" | "interrupted" | "stopped early";

export type Setting = string | number | boolean | null;

export interface DataSummary {
  readonly path: string;
  /** SHA-256, hex. */
  readonly hash: string;
  /** Names in label order. */
  readonly classes: readonly string[];
  /** Examples of each split. */
  readonly counts: { readonly train: number; readonly validation: number; readonly test?: number };
}

/** One epoch; figures that were not finite or not taken are null (NaN is read as null). */
export interface EpochRecord {
  /** From 1; fractional where an epoch was cut off. */
  readonly epoch: number;
  /** Effective learning rate at the epoch's end, the schedule included. */
  readonly elr: number;
  /** Mean over the epoch's batches, nats. */
  readonly trainLoss: number | null;
  readonly trainAccuracy: number | null;
  readonly validationLoss: number | null;
  readonly validationAccuracy: number | null;
  readonly examplesPerSecond: number;
  readonly seconds: number;
}

export interface ReportedMistake {
  /** Path or row. */
  readonly source: string;
  /** Class index. */
  readonly truth: number;
  /** Class index. */
  readonly predicted: number;
  readonly confidence: number;
  readonly image?: ReportedImage;
  /** A table's row: column to value. */
  readonly row?: Readonly<Record<string, string | number | null>>;
}

export interface ReportedImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** [height, width, channels] */
  readonly pixels: Uint8Array;
}

export interface ReportedWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly scaleInvariant: boolean;
  /** What proves it, or what stands in the way. */
  readonly reason: string;
  /** Frobenius norm at the start. */
  readonly normBefore: number;
  /** Frobenius norm of the weight that was kept. */
  readonly normAfter: number;
}
