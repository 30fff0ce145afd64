import { describe, expect, it } from "vitest";
import { chooseTrial } from "./choose.js";
import { complete, ended } from "./testing/simulate.js";

/** Trials [accuracy, loss] of one rung. */
const trials = (...metrics: (readonly [number, number])[]) =>
  metrics.map(([accuracy, loss], number) =>
    ended(number, { elr: 1, fraction: 1, replicate: 0 }, complete({ accuracy, loss, macroF1: 1 - accuracy }, 1)),
  );

describe("the choice of the winner", () => {
  it("takes the more accurate one where the difference exceeds its standard error", () => {
    // e = 0.1 and 0.12 on 1,000 examples: standard error sqrt(0.11 / 1000) = 0.0105 < 0.02
    expect(chooseTrial(trials([0.88, 0.3], [0.9, 0.4]), "accuracy", 1000)?.number).toBe(1);
  });

  it("takes the lower loss where accuracies are tied within the noise", () => {
    // on 100 examples the standard error is 0.033 > 0.02
    expect(chooseTrial(trials([0.88, 0.3], [0.9, 0.4]), "accuracy", 100)?.number).toBe(0);
  });

  it("by loss takes the lowest, whatever the accuracy", () => {
    expect(chooseTrial(trials([0.99, 0.31], [0.5, 0.3]), "loss", 1000)?.number).toBe(1);
  });

  it("by macro-F1 looks at that alone", () => {
    expect(chooseTrial(trials([0.9, 0.3], [0.2, 0.4]), "macroF1", 1000)?.number).toBe(1);
  });

  it("takes the first of equals", () => {
    expect(chooseTrial(trials([0.9, 0.3], [0.9, 0.3]), "accuracy", 1000)?.number).toBe(0);
  });

  it("never takes a short training when there is a long one, nor one that did not end well", () => {
    const short = ended(5, { elr: 1, fraction: 1 / 8, replicate: 0 }, complete({ accuracy: 1, loss: 0.01 }, 1 / 8));
    const diverged = ended(6, { elr: 1, fraction: 1, replicate: 0 }, { state: "diverged", cost: 1 });
    expect(chooseTrial([short, diverged, ...trials([0.9, 0.3])], "accuracy", 1000)?.number).toBe(0);
    expect(chooseTrial([diverged], "accuracy", 1000)).toBeUndefined();
  });
});
