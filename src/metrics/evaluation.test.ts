import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IsonormError } from "../errors.js";
import {
  accuracy,
  argmax,
  calibration,
  classMetrics,
  confusionMatrix,
  crossEntropyFromLogits,
  crossEntropyFromProbabilities,
  Evaluator,
  evaluatePredictions,
  logSumExp,
  mostConfidentMistakes,
  softmax,
  topKAccuracy,
  wilsonInterval,
} from "./index.js";

/** Labels and logits of 1 to 40 examples in 2 to 8 classes. */
const predictions = fc.integer({ min: 2, max: 8 }).chain((classes) =>
  fc
    .array(
      fc.tuple(
        fc.integer({ min: 0, max: classes - 1 }),
        fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: classes, maxLength: classes }),
      ),
      { minLength: 1, maxLength: 40 },
    )
    .map((rows) => ({
      classes,
      labels: Int32Array.from(rows, ([label]) => label),
      logits: Float32Array.from(rows.flatMap(([, logits]) => logits)),
    })),
);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof IsonormError) return error.code;
    throw error;
  }
  return "no error";
}

describe("evaluation", () => {
  it("adds up: counts agree with each other whatever the predictions", () => {
    fc.assert(
      fc.property(predictions, ({ classes, labels, logits }) => {
        const evaluation = evaluatePredictions(labels, logits, classes);
        const cells = evaluation.confusion.cells;
        expect(cells.reduce((sum, [, , n]) => sum + n, 0)).toBe(labels.length);
        expect(cells.reduce((sum, [t, p, n]) => sum + (t === p ? n : 0), 0)).toBe(evaluation.correct);
        expect(evaluation.perClass.reduce((sum, { support }) => sum + support, 0)).toBe(labels.length);
        expect(evaluation.calibration.bins.reduce((sum, { examples }) => sum + examples, 0)).toBe(labels.length);
        // Weighted recall is accuracy by definition: sum_k n_k / n * hits_k / n_k.
        expect(evaluation.weighted.recall).toBeCloseTo(evaluation.accuracy, 12);
        expect(evaluation.accuracyInterval.low).toBeLessThanOrEqual(evaluation.accuracy);
        expect(evaluation.accuracyInterval.high).toBeGreaterThanOrEqual(evaluation.accuracy);
        expect(evaluation.calibration.ece).toBeGreaterThanOrEqual(0);
        expect(evaluation.calibration.ece).toBeLessThanOrEqual(1);
        expect(evaluation.mistakes.length).toBe(Math.min(24, labels.length - evaluation.correct));
        expect(JSON.parse(JSON.stringify(evaluation))).toEqual(evaluation);
      }),
    );
  });

  it("does not depend on how the examples are cut into batches", () => {
    fc.assert(
      fc.property(predictions, fc.integer({ min: 1, max: 40 }), ({ classes, labels, logits }, batch) => {
        const evaluator = new Evaluator(classes);
        for (let from = 0; from < labels.length; from += batch) {
          evaluator.add(labels.slice(from, from + batch), logits.slice(from * classes, (from + batch) * classes));
        }
        expect(evaluator.finish()).toEqual(evaluatePredictions(labels, logits, classes));
      }),
    );
  });

  it("agrees with the single metrics", () => {
    fc.assert(
      fc.property(predictions, ({ classes, labels, logits }) => {
        const evaluation = evaluatePredictions(labels, logits, classes);
        expect(evaluation.accuracy).toBe(accuracy(labels, logits, classes));
        expect(evaluation.loss).toBeCloseTo(crossEntropyFromLogits(labels, logits, classes), 10);
        expect(evaluation.confusion).toEqual(confusionMatrix(labels, logits, classes));
      }),
    );
  });

  it("adding a constant to a row of logits changes no probability", () => {
    const logits = Float32Array.of(1, 2, 3, 101, 102, 103, -999, -998, -997);
    const probabilities = softmax(logits, 3);
    expect(probabilities.slice(3, 6)).toEqual(probabilities.slice(0, 3));
    expect(probabilities.slice(6, 9)).toEqual(probabilities.slice(0, 3));
  });

  it("logits of +-1e4 give a finite loss of 2e4 and not infinity", () => {
    const logits = Float32Array.of(1e4, -1e4);
    expect(crossEntropyFromLogits(Int32Array.of(1), logits, 2)).toBe(2e4);
    expect(crossEntropyFromLogits(Int32Array.of(0), logits, 2)).toBe(0);
    expect(evaluatePredictions(Int32Array.of(1), logits, 2).loss).toBe(2e4);
    // As a probability it is 0 and costs log 2^149.
    expect(crossEntropyFromProbabilities(Int32Array.of(1), softmax(logits, 2), 2)).toBeCloseTo(149 * Math.LN2, 10);
  });

  it("a uniform prediction costs log of the number of classes", () => {
    expect(crossEntropyFromLogits(Int32Array.of(3), new Float32Array(10), 10)).toBeCloseTo(Math.log(10), 12);
    expect(evaluatePredictions(Int32Array.of(3), new Float32Array(10), 10).brier).toBeCloseTo(0.9 ** 2 + 9 * 0.01, 12);
  });

  it("logits that are not finite are counted, cost no figure but the loss, and do not throw", () => {
    const logits = Float32Array.of(Number.NaN, Number.NaN, 3, 1, 0, Number.POSITIVE_INFINITY);
    const evaluation = evaluatePredictions(Int32Array.of(1, 0, 1), logits, 2);
    expect(evaluation.notFinite).toBe(2);
    expect(evaluation.loss).toBeNull();
    expect(evaluation.correct).toBe(2);
    // Uniform rows cost 1/4 + 1/4 each; the finite one 2 (1 - p)^2 with p = 1 / (1 + e^-2).
    expect(evaluation.brier).toBeCloseTo((0.5 + 0.5 + 2 * (1 - 1 / (1 + Math.exp(-2))) ** 2) / 3, 12);
    expect(evaluation.mistakes).toEqual([{ example: 0, truth: 1, predicted: 0, confidence: 0.5 }]);
  });

  it("equal logits: the first class wins and top-k stays consistent with it", () => {
    const logits = Float32Array.of(1, 1, 1);
    expect(argmax(logits, 0, 3)).toBe(0);
    expect(topKAccuracy(Int32Array.of(1), logits, 3, 1)).toBe(0);
    expect(topKAccuracy(Int32Array.of(1), logits, 3, 2)).toBe(1);
    expect(topKAccuracy(Int32Array.of(2), logits, 3, 7)).toBe(1);
    expect(topKAccuracy(Int32Array.of(2), Float32Array.of(0, 0, Number.NaN), 3, 2)).toBe(0);
  });

  it("logSumExp says when a row is not finite", () => {
    expect(logSumExp([1, Number.NaN], 0, 2)).toBeNaN();
    expect(logSumExp([1, Number.POSITIVE_INFINITY], 0, 2)).toBe(Number.POSITIVE_INFINITY);
    expect(logSumExp([Number.NEGATIVE_INFINITY, 5], 0, 2)).toBe(5);
  });

  it("a class that is never true and never predicted has 0 everywhere", () => {
    const perClass = classMetrics({ classes: 2, cells: [[0, 0, 5]] });
    expect(perClass[0]).toEqual({ precision: 1, recall: 1, f1: 1, support: 5, predicted: 5 });
    expect(perClass[1]).toEqual({ precision: 0, recall: 0, f1: 0, support: 0, predicted: 0 });
  });

  it("keeps the most confident mistakes in order, the earlier of equals first", () => {
    const labels = Int32Array.of(1, 1, 0, 1, 1);
    const probabilities = Float32Array.of(0.75, 0.25, 1, 0, 1, 0, 0.75, 0.25, 0.25, 0.75);
    const mistakes = mostConfidentMistakes(labels, probabilities, 2, 2);
    expect(mistakes.map(({ example }) => example)).toEqual([1, 0]);
    expect(mistakes[1]).toEqual({ example: 0, truth: 1, predicted: 0, confidence: 0.75 });
    expect(mostConfidentMistakes(labels, probabilities, 2, 0)).toEqual([]);
  });

  it("memory of the confusion matrix follows the examples: 10,000 classes are no matrix of 10^8", () => {
    const classes = 10_000;
    const logits = new Float32Array(2 * classes);
    logits[7] = 1;
    logits[classes + 9_999] = 1;
    const { cells } = confusionMatrix(Int32Array.of(7, 0), logits, classes);
    expect(cells).toEqual([
      [0, 9_999, 1],
      [7, 7, 1],
    ]);
  });
});

describe("calibration", () => {
  it("is 0 where a share p of the predictions of confidence p is right", () => {
    const examples = 100;
    const probabilities = Float32Array.from({ length: 2 * examples }, (_, i) => (i % 2 === 0 ? 0.75 : 0.25));
    const labels = Int32Array.from({ length: examples }, (_, i) => (i < 75 ? 0 : 1));
    expect(calibration(labels, probabilities, 2).ece).toBe(0);
    // All right at confidence 3/4: a gap of 1/4.
    expect(calibration(new Int32Array(examples), probabilities, 2).ece).toBe(0.25);
  });

  it("a confidence on an edge belongs to the bin below", () => {
    const { bins } = calibration(Int32Array.of(0, 0), Float32Array.of(0.5, 0.5, 1, 0), 2, 4);
    expect(bins.map(({ examples }) => examples)).toEqual([0, 1, 0, 1]);
    expect(bins[1]).toEqual({ lower: 0.25, upper: 0.5, examples: 1, accuracy: 1, confidence: 0.5 });
    expect(bins[0]).toEqual({ lower: 0, upper: 0.25, examples: 0, accuracy: 0, confidence: 0 });
  });
});

describe("Wilson interval", () => {
  it("solves |p - P| = z sqrt(P (1 - P) / n) at both ends", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0.001, max: 0.999, noNaN: true }), (n, share) => {
        const k = Math.max(1, Math.min(n - 1, Math.round(n * share)));
        if (n < 2) return;
        const z = 1.96;
        for (const bound of Object.values(wilsonInterval(k, n, z))) {
          const gap = Math.abs(k / n - bound);
          expect(gap / (z * Math.sqrt((bound * (1 - bound)) / n))).toBeCloseTo(1, 9);
        }
      }),
    );
  });
});

describe("refusals", () => {
  it("name what does not fit", () => {
    expect(codeOf(() => accuracy(Int32Array.of(0), new Float32Array(3), 2))).toBe("ISO_ARGUMENT");
    expect(codeOf(() => accuracy(Int32Array.of(2), new Float32Array(2), 2))).toBe("ISO_ARGUMENT");
    expect(codeOf(() => accuracy(Int32Array.of(-1), new Float32Array(2), 2))).toBe("ISO_ARGUMENT");
    expect(codeOf(() => accuracy(Int32Array.of(0), new Float32Array(0), 0))).toBe("ISO_ARGUMENT");
    expect(codeOf(() => accuracy(new Int32Array(0), new Float32Array(0), 2))).toBe("ISO_DATA_EMPTY");
    expect(codeOf(() => new Evaluator(2).finish())).toBe("ISO_DATA_EMPTY");
    expect(() => accuracy(Int32Array.of(5), new Float32Array(2), 2)).toThrow("Label 5 of example 0");
  });
});
