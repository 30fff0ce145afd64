import { argmax, checkScores } from "./scores.js";

/** One bin of a reliability diagram: the examples whose confidence lies in (lower, upper]. */
export interface ReliabilityBin {
  readonly lower: number;
  readonly upper: number;
  readonly examples: number;
  /** Share of them predicted right; 0 in an empty bin. */
  readonly accuracy: number;
  /** Their mean confidence; 0 in an empty bin. */
  readonly confidence: number;
}

export interface Calibration {
  /** Expected calibration error. */
  readonly ece: number;
  readonly bins: readonly ReliabilityBin[];
}

/** Bins in Guo et al. 2017. */
export const reliabilityBins = 15;

/**
 * Reliability diagram and expected calibration error of the predicted class's probability, the confidence (Guo, Pleiss, Sun and Weinberger,
 * On Calibration of Modern Neural Networks, ICML 2017, equation 3), over M equal-width bins B_m = ((m-1)/M, m/M]:
 *
 *     ECE = sum_m |B_m| / n * |accuracy(B_m) - confidence(B_m)|
 *
 * labels: [examples]; probabilities: [examples, classes].
 */
export function calibration(
  labels: Int32Array,
  probabilities: Float32Array,
  classes: number,
  bins: number = reliabilityBins,
): Calibration {
  const examples = checkScores(labels, probabilities, classes);
  const counted = new ReliabilityCounts(bins);
  for (let i = 0; i < examples; i++) {
    const predicted = argmax(probabilities, i * classes, classes);
    counted.add(probabilities[i * classes + predicted]!, predicted === labels[i]);
  }
  return counted.calibration();
}

/** The sums behind a reliability diagram, filled one example at a time. */
export class ReliabilityCounts {
  readonly #examples: Float64Array;
  readonly #correct: Float64Array;
  readonly #confidence: Float64Array;

  constructor(bins: number = reliabilityBins) {
    this.#examples = new Float64Array(bins);
    this.#correct = new Float64Array(bins);
    this.#confidence = new Float64Array(bins);
  }

  add(confidence: number, correct: boolean): void {
    const bins = this.#examples.length;
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1));
    this.#examples[bin]! += 1;
    this.#correct[bin]! += correct ? 1 : 0;
    this.#confidence[bin]! += confidence;
  }

  calibration(): Calibration {
    const count = this.#examples.length;
    let total = 0;
    let gaps = 0;
    const bins = Array.from(this.#examples, (examples, m): ReliabilityBin => {
      total += examples;
      gaps += Math.abs(this.#correct[m]! - this.#confidence[m]!);
      return {
        lower: m / count,
        upper: (m + 1) / count,
        examples,
        accuracy: examples === 0 ? 0 : this.#correct[m]! / examples,
        confidence: examples === 0 ? 0 : this.#confidence[m]! / examples,
      };
    });
    return { ece: total === 0 ? 0 : gaps / total, bins };
  }
}

/**
 * Brier score over all classes (G. W. Brier 1950, equation 2): mean_i sum_k (p_ik - [k = label_i])^2, from 0 to 2. For two classes it
 * is twice the one-class form that scikit-learn's `brier_score_loss` gives.
 */
export function brierScore(labels: Int32Array, probabilities: Float32Array, classes: number): number {
  const examples = checkScores(labels, probabilities, classes);
  let sum = 0;
  for (let i = 0; i < examples; i++) {
    for (let k = 0; k < classes; k++) sum += (probabilities[i * classes + k]! - (k === labels[i] ? 1 : 0)) ** 2;
  }
  return sum / examples;
}
