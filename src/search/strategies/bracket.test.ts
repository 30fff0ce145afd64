import { describe, expect, it } from "vitest";
import { Random } from "../../data/core.js";
import { type BaseValues, defaultSpace, type Space } from "../space.js";
import {
  complete,
  type LandscapeShape,
  landscape,
  mean,
  quantile,
  type Simulated,
  simulate,
} from "../testing/simulate.js";
import { openStrategy, requireChosen } from "./index.js";

const base: BaseValues = { scale: 8, momentum: 0.9, batchSize: 64, labelSmoothing: 0, lr: 0.05 };
const problem = {
  space: defaultSpace(base),
  seed: 0,
  epochs: 10,
  steps: 4000,
  validationExamples: 2000,
  choose: "loss" as const,
};
const strategy = openStrategy("bracket", problem);
const log2 = ({ candidate }: { candidate: { elr: number } }): number => Math.log2(candidate.elr);
const isFull = ({ candidate }: { candidate: { fraction: number } }): boolean => candidate.fraction === 1;

/** Regret of the chosen ELR in units of the noise between seeds, and cost, over many seeds. */
function replay(
  shape: LandscapeShape | ((random: Random) => LandscapeShape),
  runs: number,
  changes: Partial<typeof problem> = {},
  budget = 3,
) {
  const search = openStrategy("bracket", { ...problem, ...changes }, { budget });
  const searches = Array.from({ length: runs }, (_, seed) => {
    const drawn = typeof shape === "function" ? shape(new Random(seed, "shape")) : shape;
    const { height, optimum, train } = landscape(drawn);
    const { chosen, cost, trials } = simulate(search, train, seed);
    return {
      regret: height(log2(chosen!) - optimum) / (drawn.noise ?? 0.02),
      cost,
      full: trials.filter(isFull).length,
    };
  });
  return {
    within: mean(searches.map(({ regret }) => Number(regret <= 1))),
    regret: mean(searches.map(({ regret }) => regret)),
    tail: quantile(
      searches.map(({ regret }) => regret),
      0.95,
    ),
    cost: mean(searches.map(({ cost }) => cost)),
    dearest: Math.max(...searches.map(({ cost }) => cost)),
    full: mean(searches.map(({ full }) => full)),
  };
}

describe("bracket over simulated response curves", () => {
  // Bars are a little above what these seeds give, so that a worse decision shows. Regret is in units of the noise between seeds.
  const cases: [
    string,
    LandscapeShape | ((random: Random) => LandscapeShape),
    Partial<typeof problem>,
    { within: number; regret: number; cost: number },
  ][] = [
    ["a symmetric curve around the default", {}, {}, { within: 0.8, regret: 0.42, cost: 2.65 }],
    ["an optimum between the points", { low: -7.2 }, {}, { within: 0.8, regret: 0.45, cost: 2.75 }],
    ["an optimum that drifts up with the length", { drift: 1.5 }, {}, { within: 0.85, regret: 0.35, cost: 2.65 }],
    [
      "an optimum that drifts down, against what is expected",
      { drift: -0.7 },
      {},
      { within: 0.75, regret: 0.8, cost: 2.65 },
    ],
    ["a curve that is steep above", { below: 0.02, above: 0.3 }, {}, { within: 0.88, regret: 0.78, cost: 2.65 }],
    [
      "a curve that is steep below, and drifts",
      { below: 0.15, above: 0.015, drift: 1 },
      {},
      { within: 0.9, regret: 0.7, cost: 2.65 },
    ],
    [
      "much noise: few validation examples",
      { noise: 0.15 },
      { validationExamples: 80 },
      { within: 0.97, regret: 0.2, cost: 1.75 },
    ],
    ["a flat curve", { below: 0.002, above: 0.002 }, {}, { within: 1, regret: 0.15, cost: 2.65 }],
    [
      "divergence an octave and a half above the optimum",
      { low: -9, diverges: 1.5 },
      {},
      { within: 0.95, regret: 0.62, cost: 2.5 },
    ],
    ["an optimum far below", { low: -13.5 }, {}, { within: 0.9, regret: 0.4, cost: 2.95 }],
    ["an optimum far above", { low: -3 }, {}, { within: 0.78, regret: 0.7, cost: 2.95 }],
  ];

  it.each(cases)("%s", (_, shape, changes, bars) => {
    const seen = replay(shape, 60, changes);
    expect(seen.within).toBeGreaterThanOrEqual(bars.within);
    expect(seen.regret).toBeLessThanOrEqual(bars.regret);
    expect(seen.cost).toBeLessThanOrEqual(bars.cost);
    expect(seen.dearest).toBeLessThanOrEqual(3);
  });

  const anything = (random: Random): LandscapeShape => ({
    low: -8.5 + 1.5 * random.normal(),
    drift: 0.5 + random.normal(),
    below: 0.04 * Math.exp(0.7 * random.normal()),
    above: 0.04 * Math.exp(0.7 * random.normal()),
  });

  it("curves of all kinds: within one seed's noise in four of five cases at 2.65 full trainings, and never above three", () => {
    const seen = replay(anything, 200);
    expect(seen.within).toBeGreaterThan(0.8);
    expect(seen.regret).toBeLessThan(0.55);
    expect(seen.tail).toBeLessThan(2.2);
    expect(seen.cost).toBeLessThan(2.75);
    expect(seen.dearest).toBeLessThanOrEqual(3);
  });

  it("one more full training is made where it pays, and brings the tail down", () => {
    const [three, four] = [replay(anything, 60), replay(anything, 60, {}, 4)];
    expect(four.full).toBeGreaterThan(three.full + 0.1);
    expect(four.full).toBeLessThan(3);
    expect(four.regret).toBeLessThan(three.regret);
    expect(four.dearest).toBeLessThanOrEqual(4);
  });
});

describe("bracket's rounds", () => {
  it("begin with five ELRs an octave apart around the default, an eighth of the epochs each", () => {
    const { trials } = simulate(strategy, landscape({ noise: 0 }).train);
    expect(trials.slice(0, 5).map(log2)).toEqual([-10.5, -9.5, -8.5, -7.5, -6.5]);
    expect(trials.slice(0, 5).map(({ candidate }) => candidate.fraction)).toEqual(new Array(5).fill(1 / 8));
  });

  it("train two in full astride the peak where the curve stands out from the noise, and one where it does not", () => {
    const steep = simulate(strategy, landscape({ noise: 0.005 }).train)
      .trials.filter(isFull)
      .map(log2);
    expect(steep).toHaveLength(2);
    expect(steep[1]! - steep[0]!).toBeGreaterThanOrEqual(1);
    const noisy = openStrategy("bracket", { ...problem, validationExamples: 80 });
    expect(simulate(noisy, landscape({ below: 0.01, above: 0.01 }).train).trials.filter(isFull)).toHaveLength(1);
  });

  it("extend the low rung past a diverged one only downwards", () => {
    const { trials } = simulate(strategy, landscape({ low: -13, diverges: 3 }).train);
    const places = trials.map(log2);
    expect(Math.min(...places)).toBeLessThan(-11);
    expect(Math.max(...places)).toBe(-6.5);
    for (const trial of trials.filter(isFull)) expect(log2(trial)).toBeLessThanOrEqual(-10.5);
  });

  it("charge a diverged training what it took, which leaves budget for others", () => {
    const { cost, trials } = simulate(strategy, landscape({ low: -11.5, diverges: 2 }).train);
    const charged = trials.reduce(
      (sum, trial) => sum + (trial.state === "diverged" ? trial.candidate.fraction / 4 : trial.candidate.fraction),
      0,
    );
    expect(cost).toBeCloseTo(charged, 12);
  });

  it("raise the fraction where an eighth would be too few steps, charged as such", () => {
    const short = openStrategy("bracket", { ...problem, steps: 200 });
    const { trials, cost } = simulate(short, landscape({}).train);
    expect(trials.filter((trial) => !isFull(trial)).every(({ candidate }) => candidate.fraction === 1 / 4)).toBe(true);
    expect(cost).toBeLessThanOrEqual(3);
  });

  it("train in full at once where full trainings are too short to be compressed", () => {
    const { trials, outcome } = simulate(openStrategy("bracket", { ...problem, steps: 60 }), landscape({}).train);
    expect(trials.map(({ candidate }) => candidate.fraction)).toEqual([1, 1, 1]);
    expect(outcome.end).toBe("chosen");
    expect(outcome.rungs).toHaveLength(1);
  });

  it("refuse a budget that is too small for a low rung and says what is enough", () => {
    const error = expect.objectContaining({ code: "ISO_BUDGET_TOO_SMALL", message: expect.stringContaining("1.38") });
    expect(() => openStrategy("bracket", problem, { budget: 1.3 })).toThrow(error);
    const least = simulate(openStrategy("bracket", problem, { budget: 1.375 }), landscape({}).train);
    expect(least.cost).toBe(1.375);
    expect(least.outcome.end).toBe("chosen");
  });

  it("tell what they learned: the optimum at both lengths, with curves to draw", () => {
    const { outcome } = simulate(strategy, landscape({ drift: 1.5, noise: 0.005 }).train);
    const [low, full] = outcome.rungs;
    expect([low!.epochs, full!.epochs]).toEqual([1.25, 10]);
    expect(Math.abs(low!.fit.optimum.mean + 8.5)).toBeLessThan(0.4);
    expect(full!.fit.optimum.mean).toBeGreaterThan(low!.fit.optimum.mean + 0.7);
    expect(low!.trials).toEqual([0, 1, 2, 3, 4]);
    expect(full!.fit.curve.length).toBeGreaterThan(10);
    expect(JSON.parse(JSON.stringify(outcome))).toEqual(outcome);
  });
});

describe("bracket when trainings go wrong", () => {
  it("ends as all-diverged when every one diverges, having tried ever lower, without a full training", () => {
    const { outcome, trials } = simulate(strategy, ({ fraction }) => ({ state: "diverged", cost: fraction / 10 }));
    expect(outcome).toMatchObject({ chosen: undefined, end: "all-diverged" });
    expect(() => requireChosen(outcome, trials)).toThrow(expect.objectContaining({ code: "ISO_SEARCH_ALL_DIVERGED" }));
    expect(Math.min(...trials.map(log2))).toBe(-15.5);
    expect(trials.some(isFull)).toBe(false);
  });

  it("goes lower when full trainings diverge where short ones did not", () => {
    const { train } = landscape({ noise: 0.005 });
    const brittle: Simulated = (candidate, seed) =>
      candidate.fraction === 1 && Math.log2(candidate.elr) > -9.6
        ? { state: "diverged", cost: 0.3 }
        : train(candidate, seed);
    const { outcome, chosen } = simulate(strategy, brittle);
    expect(outcome.end).toBe("chosen");
    expect(log2(chosen!)).toBeLessThanOrEqual(-9.6);
  });

  it("does without the trials that failed", () => {
    const { train } = landscape({ noise: 0.005 });
    const error = { code: "ISO_INTERNAL", message: "broken" };
    const flaky: Simulated = (candidate, seed) =>
      seed === 1 || seed === 6 ? { state: "failed", cost: 0, error } : train(candidate, seed);
    const { outcome, chosen } = simulate(strategy, flaky);
    expect(outcome.end).toBe("chosen");
    expect(Math.abs(log2(chosen!) + 8.5)).toBeLessThan(1.6);
  });

  it("stops after the first round when all of it failed", () => {
    const { outcome, trials } = simulate(strategy, () => ({
      state: "failed",
      cost: 0,
      error: { code: "ISO_INTERNAL", message: "broken" },
    }));
    expect(outcome.end).toBe("all-failed");
    expect(() => requireChosen(outcome, trials)).toThrow(/ISO_INTERNAL: broken/);
    expect(trials).toHaveLength(5);
  });

  it("stops when the low rung works and every full training fails", () => {
    const { train } = landscape({});
    const { outcome, trials } = simulate(strategy, (candidate, seed) =>
      candidate.fraction === 1
        ? { state: "failed", cost: 0, error: { code: "ISO_INTERNAL", message: "broken" } }
        : train(candidate, seed),
    );
    expect(outcome.end).toBe("all-failed");
    expect(trials.filter(isFull).length).toBeLessThanOrEqual(3);
  });
});

describe("bracket over other parameters", () => {
  /** A landscape on which the ELR moves with the scale, and the loss has its own optimum in scale and momentum. */
  const wide =
    (best: { scale: number; momentum: number }, noise: number): Simulated =>
    (candidate, seed) => {
      const { elr, scale = base.scale, momentum = base.momentum, fraction } = candidate;
      const equivalent =
        Math.log2(elr) + Math.log2(scale / base.scale) - Math.log2((1 - momentum) / (1 - base.momentum));
      const y =
        Math.log(0.4) +
        0.04 * (equivalent + 8.5) ** 2 +
        0.1 * Math.log2(scale / best.scale) ** 2 +
        0.1 * Math.log2((1 - momentum) / (1 - best.momentum)) ** 2;
      return complete({ loss: Math.exp(y + noise * new Random(seed, "noise").normal()) }, fraction);
    };
  const space: Space = defaultSpace(base, ["scale", "momentum"]);
  const search = openStrategy("bracket", { ...problem, space });

  it("takes the value that is clearly better, at the ELR that belongs to it", () => {
    const { chosen, outcome, cost, trials } = simulate(search, wide({ scale: 16, momentum: 0.9 }, 0.005));
    expect(chosen!.candidate.scale).toBe(16);
    expect(chosen!.candidate.momentum).toBeUndefined();
    const full = trials.filter(isFull).map((trial) => log2(trial) + 1);
    expect(mean(full)).toBeGreaterThan(-9.5);
    expect(mean(full)).toBeLessThan(-7.5);
    expect(outcome.others.filter(({ taken }) => taken)).toHaveLength(1);
    expect(outcome.rungs[1]!.shift).toBe(-1);
    expect(cost).toBeLessThanOrEqual(3);
  });

  it("keeps the base values where nothing is better", () => {
    const { chosen } = simulate(search, wide({ scale: 8, momentum: 0.9 }, 0.005));
    expect(chosen!.candidate.scale).toBeUndefined();
    expect(chosen!.candidate.momentum).toBeUndefined();
  });

  it("needs the budget for them", () => {
    expect(() =>
      openStrategy(
        "bracket",
        { ...problem, space: defaultSpace(base, ["scale", "momentum", "batchSize", "labelSmoothing", "lr"]) },
        { budget: 2 },
      ),
    ).toThrow(expect.objectContaining({ code: "ISO_BUDGET_TOO_SMALL" }));
  });
});
