import { argmax, checkScores, rankOfLabel } from "./scores.js";

/** Bounds of a confidence interval. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * Share of examples whose highest score is their label's. labels: [examples]; scores: [examples, classes], logits or probabilities.
 *
 * @example accuracy(Int32Array.of(0, 1), Float32Array.of(0.9, 0.1, 0.6, 0.4), 2) // 0.5
 */
export function accuracy(labels: Int32Array, scores: Float32Array, classes: number): number {
  const examples = checkScores(labels, scores, classes);
  let correct = 0;
  for (let i = 0; i < examples; i++) if (argmax(scores, i * classes, classes) === labels[i]) correct++;
  return correct / examples;
}

/** Share of examples whose label is among the k highest scores; equal scores rank by class index. 1 where k >= classes. */
export function topKAccuracy(labels: Int32Array, scores: Float32Array, classes: number, k: number): number {
  const examples = checkScores(labels, scores, classes);
  let hits = 0;
  for (let i = 0; i < examples; i++) if (rankOfLabel(scores, i * classes, classes, labels[i]!) < k) hits++;
  return hits / examples;
}

/** The standard normal's 97.5% quantile: two-sided 95%. */
const z95 = 1.959963984540054;

/**
 * Wilson's score interval for a proportion (E. B. Wilson 1927, JASA 22): unlike p +- z sqrt(p(1-p)/n) it stays within 0 ... 1 and keeps
 * its coverage near 0 and 1, where accuracies live.
 *
 *     (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
 *
 * @param successes - of `trials` independent ones
 * @param z - quantile of the standard normal; default two-sided 95%
 * @example wilsonInterval(98, 100) // { low: 0.930, high: 0.994 }
 */
export function wilsonInterval(successes: number, trials: number, z: number = z95): Interval {
  if (trials === 0) return { low: 0, high: 1 };
  const p = successes / trials;
  const z2n = (z * z) / trials;
  const centre = p + z2n / 2;
  const half = z * Math.sqrt((p * (1 - p)) / trials + z2n / (4 * trials));
  // At p = 0 and 1 the bound is exactly p; rounding would leave it a few ulp off.
  return {
    low: successes === 0 ? 0 : Math.max(0, (centre - half) / (1 + z2n)),
    high: successes === trials ? 1 : Math.min(1, (centre + half) / (1 + z2n)),
  };
}
