import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  accuracy,
  brierScore,
  calibration,
  classMetrics,
  confusionMatrix,
  crossEntropyFromLogits,
  crossEntropyFromProbabilities,
  denseConfusion,
  evaluatePredictions,
  macroAverage,
  softmax,
  topKAccuracy,
  weightedAverage,
  wilsonInterval,
} from "./index.js";

interface Case {
  name: string;
  classes: number;
  labels: number[];
  logits: number[];
  accuracy: number;
  top2: number;
  top5: number | null;
  crossEntropy: number;
  logLoss: number;
  confusion: number[][];
  precision: number[];
  recall: number[];
  f1: number[];
  support: number[];
  macro: [number, number, number];
  weighted: [number, number, number];
  ece: number;
  brier: number;
  binaryBrier: number | null;
}

const { cases } = JSON.parse(
  readFileSync(new URL("../../test/fixtures/metrics/metrics.json", import.meta.url), "utf8"),
) as { cases: Case[] };

describe.each(cases)("against scikit-learn: $name", (expected) => {
  const labels = Int32Array.from(expected.labels);
  const logits = Float32Array.from(expected.logits);
  const { classes } = expected;
  const probabilities = softmax(logits, classes);
  // Counts and their ratios differ by the order of float64 additions alone.
  const exact = 12;
  // Probabilities pass through float32 (2^-24 relative); sums over them keep 6 digits.
  const rounded = 6;

  it("accuracy and top-k", () => {
    expect(accuracy(labels, logits, classes)).toBeCloseTo(expected.accuracy, exact);
    expect(topKAccuracy(labels, logits, classes, 2)).toBeCloseTo(expected.top2, exact);
    if (expected.top5 !== null) expect(topKAccuracy(labels, logits, classes, 5)).toBeCloseTo(expected.top5, exact);
  });

  it("confusion matrix, precision, recall, F1, support and their averages", () => {
    const confusion = confusionMatrix(labels, logits, classes);
    expect(denseConfusion(confusion)).toEqual(expected.confusion);
    const perClass = classMetrics(confusion);
    for (let k = 0; k < classes; k++) {
      expect(perClass[k]!.precision).toBeCloseTo(expected.precision[k]!, exact);
      expect(perClass[k]!.recall).toBeCloseTo(expected.recall[k]!, exact);
      expect(perClass[k]!.f1).toBeCloseTo(expected.f1[k]!, exact);
      expect(perClass[k]!.support).toBe(expected.support[k]);
    }
    for (const [mine, theirs] of [
      [macroAverage(perClass), expected.macro],
      [weightedAverage(perClass), expected.weighted],
    ] as const) {
      expect(mine.precision).toBeCloseTo(theirs[0], exact);
      expect(mine.recall).toBeCloseTo(theirs[1], exact);
      expect(mine.f1).toBeCloseTo(theirs[2], exact);
    }
  });

  it("cross-entropy, calibration error and Brier score", () => {
    // Logits stand in float32, the reference took their float64 neighbours: 2^-24 relative to logits of up to 30.
    expect(crossEntropyFromLogits(labels, logits, classes)).toBeCloseTo(expected.crossEntropy, 5);
    expect(crossEntropyFromProbabilities(labels, probabilities, classes)).toBeCloseTo(expected.logLoss, 5);
    expect(calibration(labels, probabilities, classes).ece).toBeCloseTo(expected.ece, rounded);
    expect(brierScore(labels, probabilities, classes)).toBeCloseTo(expected.brier, rounded);
    if (expected.binaryBrier !== null) {
      expect(brierScore(labels, probabilities, classes)).toBeCloseTo(2 * expected.binaryBrier, rounded);
    }
  });

  it("the evaluation holds the same figures", () => {
    const evaluation = evaluatePredictions(labels, logits, classes);
    expect(evaluation.accuracy).toBeCloseTo(expected.accuracy, exact);
    expect(evaluation.loss).toBeCloseTo(expected.crossEntropy, 5);
    expect(evaluation.calibration.ece).toBeCloseTo(expected.ece, rounded);
    expect(evaluation.brier).toBeCloseTo(expected.brier, rounded);
    expect(evaluation.macro.f1).toBeCloseTo(expected.macro[2], exact);
    expect(evaluation.weighted.f1).toBeCloseTo(expected.weighted[2], exact);
    expect(denseConfusion(evaluation.confusion)).toEqual(expected.confusion);
    if (expected.top5 === null) expect(evaluation.top5Accuracy).toBeNull();
    else expect(evaluation.top5Accuracy).toBeCloseTo(expected.top5, exact);
  });
});

describe("Wilson interval", () => {
  // scipy.stats.binomtest(k, n).proportion_ci(method="wilson"), scipy 1.10.
  it.each([
    [98, 100, 0.9299882092714561, 0.9944980324498377],
    [0, 10, 0, 0.27753279986288926],
    [10, 10, 0.7224672001371109, 1],
    [354, 360, 0.964120841223222, 0.9923397037843743],
    [1, 3, 0.06149194472039626, 0.7923403991979523],
  ])("of %i of %i is scipy's", (successes, trials, low, high) => {
    expect(wilsonInterval(successes, trials).low).toBeCloseTo(low, 12);
    expect(wilsonInterval(successes, trials).high).toBeCloseTo(high, 12);
  });

  it("of no trials is everything", () => {
    expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
  });
});
