import { argmax, checkScores } from "./scores.js";

/**
 * Who was taken for whom. Only cells that are not 0 are kept, by truth and then prediction, so memory grows with the examples and not with
 * classes^2. Plain data.
 */
export interface Confusion {
  readonly classes: number;
  /** [truth, predicted, examples] each. */
  readonly cells: readonly (readonly [truth: number, predicted: number, examples: number])[];
}

/** The confusion matrix of the highest scores. labels: [examples]; scores: [examples, classes]. */
export function confusionMatrix(labels: Int32Array, scores: Float32Array, classes: number): Confusion {
  const examples = checkScores(labels, scores, classes);
  const counts = new Map<number, number>();
  for (let i = 0; i < examples; i++) {
    const cell = labels[i]! * classes + argmax(scores, i * classes, classes);
    counts.set(cell, (counts.get(cell) ?? 0) + 1);
  }
  return confusionFromCounts(counts, classes);
}

/** @param counts - by truth * classes + predicted */
export function confusionFromCounts(counts: ReadonlyMap<number, number>, classes: number): Confusion {
  const cells = [...counts]
    .sort(([a], [b]) => a - b)
    .map(([cell, examples]): [number, number, number] => [Math.floor(cell / classes), cell % classes, examples]);
  return { classes, cells };
}

/** Rows of truths, columns of predictions: [classes][classes]. For few classes: it holds classes^2 numbers. */
export function denseConfusion(confusion: Confusion): number[][] {
  const rows = Array.from({ length: confusion.classes }, () => new Array<number>(confusion.classes).fill(0));
  for (const [truth, predicted, examples] of confusion.cells) rows[truth]![predicted] = examples;
  return rows;
}

/** One class's figures; 0/0 is taken as 0, as scikit-learn does by default. */
export interface ClassMetrics {
  /** Right among those predicted as this class; 0 where none was. */
  readonly precision: number;
  /** Right among those of this class; 0 where there are none. */
  readonly recall: number;
  /** Harmonic mean of the two, 2 TP / (2 TP + FP + FN); 0 where there is none of this class, in truth or prediction. */
  readonly f1: number;
  /** Examples of this class. */
  readonly support: number;
  /** Examples predicted as this class. */
  readonly predicted: number;
}

export interface AveragedMetrics {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** Precision, recall and F1 of every class, [classes]. */
export function classMetrics(confusion: Confusion): ClassMetrics[] {
  const correct = new Float64Array(confusion.classes);
  const support = new Float64Array(confusion.classes);
  const predicted = new Float64Array(confusion.classes);
  for (const [truth, prediction, examples] of confusion.cells) {
    support[truth]! += examples;
    predicted[prediction]! += examples;
    if (truth === prediction) correct[truth]! += examples;
  }
  return Array.from(correct, (hits, k) => ({
    precision: ratio(hits, predicted[k]!),
    recall: ratio(hits, support[k]!),
    f1: ratio(2 * hits, support[k]! + predicted[k]!),
    support: support[k]!,
    predicted: predicted[k]!,
  }));
}

/**
 * The plain mean over the classes that occur in truth or prediction: every class counts the same. A class that occurs in neither says nothing
 * about the model and is left out, as in scikit-learn.
 */
export function macroAverage(perClass: readonly ClassMetrics[]): AveragedMetrics {
  return average(perClass, (metrics) => (metrics.support + metrics.predicted > 0 ? 1 : 0));
}

/** The mean over the classes weighted by their support: every example counts the same. */
export function weightedAverage(perClass: readonly ClassMetrics[]): AveragedMetrics {
  return average(perClass, (metrics) => metrics.support);
}

function average(perClass: readonly ClassMetrics[], weightOf: (metrics: ClassMetrics) => number): AveragedMetrics {
  const sum = { precision: 0, recall: 0, f1: 0 };
  let total = 0;
  for (const metrics of perClass) {
    const weight = weightOf(metrics);
    total += weight;
    sum.precision += weight * metrics.precision;
    sum.recall += weight * metrics.recall;
    sum.f1 += weight * metrics.f1;
  }
  return { precision: ratio(sum.precision, total), recall: ratio(sum.recall, total), f1: ratio(sum.f1, total) };
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
