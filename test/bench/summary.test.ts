import { describe, expect, it } from "vitest";
import type { Step } from "../../bench/search/replay.js";
import { costs, costToReach, quantile, regretAt, regretQuantile, shareInterval } from "../../bench/search/summary.js";

const bracketed: Step[] = [
  [0.125, null],
  [0.25, null],
  [1.25, 3],
  [2.25, 1],
];
const steady: Step[] = [
  [1, 5],
  [2, 2],
  [3, 2],
  [4, 0.5],
];

describe("the summary of replays", () => {
  it("has no regret before the first full training, and keeps the last one after the end", () => {
    expect(regretAt(bracketed, 0.1)).toBe(Number.POSITIVE_INFINITY);
    expect(regretAt(bracketed, 1)).toBe(Number.POSITIVE_INFINITY);
    expect(regretAt(bracketed, 1.25)).toBe(3);
    expect(regretAt(bracketed, 2)).toBe(3);
    expect(regretAt(bracketed, 40)).toBe(1);
  });

  it("takes quantiles that a share of the values does not exceed", () => {
    const values = Array.from({ length: 10 }, (_, i) => 10 - i);
    expect(quantile(values, 0.5)).toBe(5);
    expect(quantile(values, 0.9)).toBe(9);
    expect(quantile([3], 0.9)).toBe(3);
    expect(regretQuantile({ runs: [bracketed, steady] }, 2, 0.5)).toBe(2);
    expect(regretQuantile({ runs: [bracketed, steady] }, 2, 0.9)).toBe(3);
    expect(costs({ runs: [bracketed, steady] })).toEqual([2.25, 4]);
  });

  it("finds the cost from which on a share of the runs is good enough", () => {
    const both = { runs: [bracketed, steady] };
    expect(costToReach({ runs: [steady] }, 2, 0.5)).toBe(2);
    expect(costToReach(both, 1, 0.5)).toBe(2.25);
    expect(costToReach(both, 1, 0.9)).toBe(4);
    expect(costToReach(both, 0.1, 0.5)).toBeUndefined();
    // What is lost again was not reached for good.
    const relapse: Step[] = [
      [1, 0.5],
      [2, 5],
      [3, 0.5],
    ];
    expect(costToReach({ runs: [relapse] }, 1, 0.5)).toBe(3);
  });

  it("has Wilson's interval", () => {
    // Brown, Cai, DasGupta, Statistical Science 16 (2001), formula 4; figures by hand for 90 of 100
    const [low, high] = shareInterval(90, 100);
    expect(low).toBeCloseTo(0.8256, 3);
    expect(high).toBeCloseTo(0.9448, 3);
  });
});
