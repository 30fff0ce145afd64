import { type Interval, wilsonInterval } from "./accuracy.js";
import { type Calibration, ReliabilityCounts } from "./calibration.js";
import {
  type AveragedMetrics,
  type ClassMetrics,
  type Confusion,
  classMetrics,
  confusionFromCounts,
  macroAverage,
  weightedAverage,
} from "./confusion.js";
import { type Mistake, MistakeRanking } from "./mistakes.js";
import { argmax, checkScores, logSumExp, rankOfLabel, requireExamples } from "./scores.js";

/** Everything we say about a model's predictions on labelled examples. Plain data: it goes into JSON and reports as it is. */
export interface Evaluation {
  readonly examples: number;
  readonly classes: number;
  readonly correct: number;
  readonly accuracy: number;
  /** Wilson's 95% interval of the accuracy. */
  readonly accuracyInterval: Interval;
  /** Label among the five highest scores; null with five classes or fewer, where it says nothing. */
  readonly top5Accuracy: number | null;
  /** Mean cross-entropy, nats; null where a logit was not finite. */
  readonly loss: number | null;
  /** Brier score over all classes, 0 to 2. */
  readonly brier: number;
  readonly calibration: Calibration;
  /** [classes] */
  readonly perClass: readonly ClassMetrics[];
  readonly macro: AveragedMetrics;
  readonly weighted: AveragedMetrics;
  readonly confusion: Confusion;
  /** The most confident mistakes, most confident first. */
  readonly mistakes: readonly Mistake[];
  /** Examples with a logit that is not finite; their probabilities are taken as uniform. */
  readonly notFinite: number;
}

export interface EvaluationOptions {
  /** Most confident mistakes to keep; default 24. */
  readonly mistakes?: number;
}

/**
 * Evaluates predictions at once. labels: [examples]; logits: [examples, classes]; the logarithm of probabilities serves as well, as softmax
 * gives them back.
 *
 * @throws IsonormError ISO_ARGUMENT where lengths or labels do not fit, ISO_DATA_EMPTY without examples
 * @example evaluatePredictions(Int32Array.of(0, 1), Float32Array.of(2, -1, 0.5, 0.1), 2).accuracy // 0.5
 */
export function evaluatePredictions(
  labels: Int32Array,
  logits: Float32Array,
  classes: number,
  options: EvaluationOptions = {},
): Evaluation {
  const evaluator = new Evaluator(classes, options);
  evaluator.add(labels, logits);
  return evaluator.finish();
}

/** Evaluates batch after batch; memory does not grow with the examples. */
export class Evaluator {
  readonly #classes: number;
  readonly #counts = new Map<number, number>();
  readonly #reliability = new ReliabilityCounts();
  readonly #mistakes: MistakeRanking;
  #examples = 0;
  #correct = 0;
  #top5 = 0;
  #loss = 0;
  #brier = 0;
  #notFinite = 0;

  constructor(classes: number, options: EvaluationOptions = {}) {
    this.#classes = classes;
    this.#mistakes = new MistakeRanking(options.mistakes ?? 24);
  }

  /** labels: [batch]; logits: [batch, classes]. */
  add(labels: Int32Array, logits: Float32Array): void {
    const classes = this.#classes;
    const batch = checkScores(labels, logits, classes);
    for (let i = 0; i < batch; i++) {
      const offset = i * classes;
      const truth = labels[i]!;
      const predicted = argmax(logits, offset, classes);
      const correct = predicted === truth;
      const normaliser = logSumExp(logits, offset, classes);
      const finite = Number.isFinite(normaliser);
      const probability = (k: number) => (finite ? Math.exp(logits[offset + k]! - normaliser) : 1 / classes);

      if (correct) this.#correct++;
      if (rankOfLabel(logits, offset, classes, truth) < 5) this.#top5++;
      if (!finite) this.#notFinite++;
      this.#loss += normaliser - logits[offset + truth]!;
      for (let k = 0; k < classes; k++) this.#brier += (probability(k) - (k === truth ? 1 : 0)) ** 2;

      const confidence = probability(predicted);
      this.#reliability.add(confidence, correct);
      this.#mistakes.add({ example: this.#examples + i, truth, predicted, confidence });
      const cell = truth * classes + predicted;
      this.#counts.set(cell, (this.#counts.get(cell) ?? 0) + 1);
    }
    this.#examples += batch;
  }

  /**
   * The evaluation of all examples so far.
   *
   * @throws IsonormError ISO_DATA_EMPTY where none was added
   */
  finish(): Evaluation {
    const examples = this.#examples;
    const classes = this.#classes;
    requireExamples(examples);
    const confusion = confusionFromCounts(this.#counts, classes);
    const perClass = classMetrics(confusion);
    const loss = this.#loss / examples;
    return {
      examples,
      classes,
      correct: this.#correct,
      accuracy: this.#correct / examples,
      accuracyInterval: wilsonInterval(this.#correct, examples),
      top5Accuracy: classes > 5 ? this.#top5 / examples : null,
      loss: Number.isFinite(loss) ? loss : null,
      brier: this.#brier / examples,
      calibration: this.#reliability.calibration(),
      perClass,
      macro: macroAverage(perClass),
      weighted: weightedAverage(perClass),
      confusion,
      mistakes: this.#mistakes.mistakes(),
      notFinite: this.#notFinite,
    };
  }
}
