import { argmax, checkScores } from "./scores.js";

/** An example whose predicted class is not its label. */
export interface Mistake {
  /** Index into the evaluated examples. */
  readonly example: number;
  readonly truth: number;
  readonly predicted: number;
  /** The predicted class's probability. */
  readonly confidence: number;
}

/** The most confident mistakes, most confident first, at most `count`; of equals the earlier example first. */
export function mostConfidentMistakes(
  labels: Int32Array,
  probabilities: Float32Array,
  classes: number,
  count: number,
): Mistake[] {
  const examples = checkScores(labels, probabilities, classes);
  const ranking = new MistakeRanking(count);
  for (let example = 0; example < examples; example++) {
    const predicted = argmax(probabilities, example * classes, classes);
    const truth = labels[example]!;
    ranking.add({ example, truth, predicted, confidence: probabilities[example * classes + predicted]! });
  }
  return ranking.mistakes();
}

/** Keeps the `count` most confident mistakes of those added in the order of their examples; memory does not grow with the examples. */
export class MistakeRanking {
  readonly #kept: Mistake[] = [];

  constructor(readonly count: number) {}

  /** A right prediction is passed over. */
  add(prediction: Mistake): void {
    if (prediction.truth === prediction.predicted) return;
    const last = this.#kept[this.count - 1];
    if (last !== undefined && prediction.confidence <= last.confidence) return;
    let at = this.#kept.length;
    while (at > 0 && this.#kept[at - 1]!.confidence < prediction.confidence) at--;
    this.#kept.splice(at, 0, prediction);
    this.#kept.length = Math.min(this.#kept.length, this.count);
  }

  mistakes(): Mistake[] {
    return [...this.#kept];
  }
}
