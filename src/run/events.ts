import type { ErrorCode } from "../errors.js";
import type { EpochRecord } from "../train/index.js";
import type { ImportReport } from "./network.js";

export interface Score {
  readonly accuracy: number;
  /** Mean cross-entropy, nats; null where it was not finite. */
  readonly loss: number | null;
}

/** What a training tells while it runs; `--json` prints all but `step` and `preparing`, one a line. */
export type TrainingEvent =
  | { readonly event: "preparing"; readonly what: string; readonly done: number; readonly total: number }
  | {
      readonly event: "start";
      readonly model: string;
      readonly parameters: number;
      readonly classes: readonly string[];
      readonly examples: { readonly train: number; readonly validation: number; readonly test: number };
      readonly elr: number;
      readonly lr: number;
      readonly scale: number;
      readonly epochs: number;
      readonly batchSize: number;
      readonly steps: number;
      /** Steps that a resumed run need not take again. */
      readonly stepsDone: number;
      readonly seed: number;
      readonly device: string;
      readonly threads: number;
      readonly out: string;
    }
  /** What became of a model from a file; `features`: how many an example has, where those of the frozen part are kept. */
  | ({ readonly event: "import"; readonly features: number | null } & ImportReport)
  | { readonly event: "warning"; readonly message: string }
  | {
      readonly event: "step";
      readonly step: number;
      readonly totalSteps: number;
      readonly loss: number;
      readonly examplesPerSecond: number;
    }
  | ({ readonly event: "epoch" } & EpochRecord)
  | DoneEvent
  | { readonly event: "interrupted"; readonly step: number; readonly totalSteps: number; readonly out: string }
  | {
      readonly event: "error";
      readonly code: ErrorCode;
      readonly message: string;
      readonly exitStatus: number;
      readonly stack?: string | undefined;
    };

export interface DoneEvent {
  readonly event: "done";
  readonly status: "done" | "stopped early";
  readonly validation: Score & { readonly macroF1: number };
  /** Null where the data has no test split. */
  readonly test: (Score & { readonly macroF1: number }) | null;
  readonly elr: number;
  readonly scale: number;
  /** Training throughput, validation excluded. */
  readonly examplesPerSecond: number;
  /** Wall-clock time of all epochs, earlier parts of a resumed run included. */
  readonly seconds: number;
  readonly peakMemoryBytes: number;
  readonly bestEpoch: number;
  readonly out: string;
}
