import { IsonormError } from "../errors.js";

/**
 * Refuses labels and scores that do not fit together, so that every metric below may index without looking.
 * labels: [examples], each in 0 ... classes - 1; scores: [examples, classes], logits or probabilities, row-major.
 * Returns the number of examples.
 *
 * @throws IsonormError ISO_ARGUMENT where the lengths or a label do not fit, ISO_DATA_EMPTY where there are no examples
 */
export function checkScores(labels: Int32Array, scores: Float32Array, classes: number): number {
  if (!Number.isInteger(classes) || classes < 1) {
    throw new IsonormError("ISO_ARGUMENT", `The number of classes is ${classes}`, "Give an integer of at least 1");
  }
  requireExamples(labels.length);
  if (scores.length !== labels.length * classes) {
    throw new IsonormError(
      "ISO_ARGUMENT",
      `${labels.length} labels with ${classes} classes need ${labels.length * classes} scores, and there are ${scores.length}`,
      "Give one score an example and class, row after row",
    );
  }
  for (let example = 0; example < labels.length; example++) {
    const label = labels[example]!;
    if (label < 0 || label >= classes) {
      throw new IsonormError(
        "ISO_ARGUMENT",
        `Label ${label} of example ${example} is no class of 0 ... ${classes - 1}`,
        "Give class indices as labels",
      );
    }
  }
  return labels.length;
}

/** @throws IsonormError ISO_DATA_EMPTY where there are none: a mean over nothing has no value. */
export function requireExamples(examples: number): void {
  if (examples > 0) return;
  throw new IsonormError("ISO_DATA_EMPTY", "There are no examples to evaluate", "Give at least one labelled example");
}

/** The class with the highest score in the row that starts at `offset`; the first of equals, NaN never wins, 0 if all are NaN. */
export function argmax(scores: ArrayLike<number>, offset: number, classes: number): number {
  let best = 0;
  let highest = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < classes; k++) {
    const score = scores[offset + k]!;
    if (score > highest) {
      highest = score;
      best = k;
    }
  }
  return best;
}

/**
 * How many classes stand before `label` in the row that starts at `offset`: 0 for the predicted class. Equal scores rank by class index, so
 * that rank 0 is exactly `argmax`.
 */
export function rankOfLabel(scores: ArrayLike<number>, offset: number, classes: number, label: number): number {
  const own = scores[offset + label]!;
  if (Number.isNaN(own)) return classes - 1;
  let rank = 0;
  for (let k = 0; k < classes; k++) {
    const score = scores[offset + k]!;
    if (score > own || (score === own && k < label)) rank++;
  }
  return rank;
}

/**
 * log sum_k exp(logit_k) of the row that starts at `offset`, with the maximum taken out first: exp never overflows, and the largest
 * term is exactly 1. Not finite where a logit is NaN or +Infinity, or all are -Infinity.
 */
export function logSumExp(logits: ArrayLike<number>, offset: number, classes: number): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < classes; k++) {
    const logit = logits[offset + k]!;
    if (Number.isNaN(logit)) return Number.NaN;
    if (logit > highest) highest = logit;
  }
  if (!Number.isFinite(highest)) return highest;
  let sum = 0;
  for (let k = 0; k < classes; k++) sum += Math.exp(logits[offset + k]! - highest);
  return highest + Math.log(sum);
}

/** Probabilities of logits: exp(logit - logSumExp), row by row. logits: [examples, classes]; returns the same shape. */
export function softmax(logits: Float32Array, classes: number): Float32Array {
  const probabilities = new Float32Array(logits.length);
  for (let offset = 0; offset < logits.length; offset += classes) {
    const normaliser = logSumExp(logits, offset, classes);
    for (let k = 0; k < classes; k++) probabilities[offset + k] = Math.exp(logits[offset + k]! - normaliser);
  }
  return probabilities;
}
