import { z } from "zod";
import { IsonormError } from "../errors.js";
import type { Tensor } from "../onnx/types.js";
import { decodeSafetensors, encodeSafetensors } from "../safetensors/index.js";

/** A number that may be infinite or NaN, as a diverging run's are. */
const measured = z.custom<number>((value) => typeof value === "number");

/** What one epoch of training measured; one line of metrics.jsonl. */
export const epochRecord = z.object({
  /** Passes over the training split so far; whole but for a last, partial one. */
  epoch: z.number(),
  step: z.int(),
  /** Effective learning rate of the epoch's last step, schedule included. */
  elr: z.number(),
  trainLoss: measured,
  trainAccuracy: measured,
  validationLoss: measured,
  validationAccuracy: measured,
  validationMacroF1: measured,
  examplesPerSecond: z.number(),
  /** Training and validation of this epoch. */
  seconds: z.number(),
  /** Steps whose update was skipped because something was not finite. */
  skipped: z.int(),
});

export type EpochRecord = z.output<typeof epochRecord>;

const progress = z.object({
  format: z.literal(1),
  /** Digest of everything that must be equal for the run to go on exactly: settings, data, model. */
  digest: z.string(),
  /** Steps done. */
  step: z.int().nonnegative(),
  /** Sums over the epoch under way. */
  epoch: z.object({ loss: measured, correct: z.number(), examples: z.int(), skipped: z.int(), seconds: z.number() }),
  /** Skipped steps in a row, up to now. */
  skippedInARow: z.int(),
  history: z.array(epochRecord),
  best: z.object({ epoch: z.number(), validationLoss: measured, validationAccuracy: measured }).nullable(),
});

/** Where a training stands, apart from its tensors. Data order and augmentation are functions of (seed, step): they need no state. */
export type Progress = z.output<typeof progress>;

export interface Checkpoint {
  readonly progress: Progress;
  /** Present state by name. */
  readonly state: ReadonlyMap<string, Tensor>;
  /** What the best epoch's evaluation used: weights and statistics by name; empty before the first validation or with keep "last". */
  readonly best: ReadonlyMap<string, Tensor>;
}

const bestPrefix = "best:";

/** A checkpoint as one safetensors file. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const tensors = new Map(checkpoint.state);
  for (const [name, tensor] of checkpoint.best) tensors.set(bestPrefix + name, tensor);
  return encodeSafetensors(tensors, { isonorm: JSON.stringify(checkpoint.progress, numberReplacer) });
}

/** Throws ISO_CHECKPOINT_MALFORMED where the bytes are no checkpoint of isonorm. */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const { tensors, metadata } = decodeSafetensors(bytes);
  let parsed: ReturnType<typeof progress.safeParse> | undefined;
  try {
    parsed = progress.safeParse(JSON.parse(metadata.isonorm ?? "null", numberReviver));
  } catch {
    parsed = undefined;
  }
  if (!parsed?.success)
    throw new IsonormError(
      "ISO_CHECKPOINT_MALFORMED",
      "the file is no checkpoint of isonorm, or was written by another version",
      "Resume from the checkpoint.safetensors of a run folder",
    );
  const state = new Map<string, Tensor>();
  const best = new Map<string, Tensor>();
  for (const [name, tensor] of tensors)
    if (name.startsWith(bestPrefix)) best.set(name.slice(bestPrefix.length), tensor);
    else state.set(name, tensor);
  return { progress: parsed.data, state, best };
}

// JSON has no words for what is not finite, but a diverging epoch's loss is just that.
const notFinite: Readonly<Record<string, number>> = {
  "#NaN": Number.NaN,
  "#Infinity": Infinity,
  "#-Infinity": -Infinity,
};
const numberReplacer = (_: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isFinite(value) ? `#${value}` : value;
const numberReviver = (_: string, value: unknown): unknown =>
  typeof value === "string" && Object.hasOwn(notFinite, value) ? notFinite[value] : value;
