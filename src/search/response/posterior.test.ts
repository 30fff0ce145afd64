import { describe, expect, it } from "vitest";
import { Random } from "../../data/core.js";
import { rise } from "./curve.js";
import { describeFit, describeOptimum, probabilityAbove } from "./fit.js";
import { normalCdf } from "./normal.js";
import { lengthen, nodeParameters, type Observation, observe, priorBelief } from "./posterior.js";
import { prior, seedNoise } from "./prior.js";

const range = [-15.5, -1.5] as const;
const before = priorBelief(-8.5, range);
const at = (xs: readonly number[], y: (x: number) => number, noise = 0.02): Observation[] =>
  xs.map((x) => ({ x, y: y(x), noise }));
const five = [-10.5, -9.5, -8.5, -7.5, -6.5];

describe("the normal distribution function", () => {
  it("agrees with tables to its stated relative error", () => {
    // scipy.stats.norm.cdf
    const table = [
      [0, 0.5],
      [1, 0.8413447460685429],
      [-1, 0.15865525393145707],
      [-3, 0.0013498980316300933],
      [-6, 9.865876450376946e-10],
    ] as const;
    for (const [z, p] of table) expect(Math.abs(normalCdf(z) / p - 1)).toBeLessThan(1.3e-7);
  });
});

describe("the posterior of the response curve", () => {
  it("weighs each possible curve by the likelihood with the level integrated out", () => {
    const observations = at([-9.5, -8, -6], (x) => 0.03 * (x + 8) ** 2 - 1);
    const posterior = observe(before, observations);
    // integral over m of prod N(y_i; m + g_i, v_i), by the trapezoidal rule, far beyond the likelihood's width
    const likelihood = (node: number): number => {
      const { optimum, below, above, noise } = nodeParameters(before, node);
      let sum = 0;
      const step = 2e-4;
      for (let m = -3; m < 1; m += step) {
        let product = 1;
        for (const o of observations as Extract<Observation, { y: number }>[]) {
          const g = (o.x < optimum ? below : above) * rise(o.x - optimum);
          const variance = (noise * o.noise) ** 2 + (prior.shapeError * g) ** 2;
          product *= Math.exp(-((o.y - m - g) ** 2) / (2 * variance)) / Math.sqrt(2 * Math.PI * variance);
        }
        sum += product * step;
      }
      return sum;
    };
    const byWeight = [...posterior.weights.keys()].sort((a, b) => posterior.weights[b]! - posterior.weights[a]!);
    const [one, ...others] = [0, 50, 500, 1500].map((rank) => byWeight[rank]!);
    const ratio = (node: number): number => posterior.weights[node]! / before.weights[node]! / likelihood(node);
    // the rule's error is far below 1e-6 for a smooth bell that spans many steps
    for (const other of others) expect(ratio(other) / ratio(one!)).toBeCloseTo(1, 6);
  });

  it("finds the optimum of a clean curve between the points", () => {
    const { mean, deviation } = describeOptimum(
      observe(
        before,
        at(five, (x) => 0.1 * rise(x + 8.2), 0.003),
      ),
    );
    expect(Math.abs(mean + 8.2)).toBeLessThan(0.2);
    expect(deviation).toBeLessThan(0.3);
  });

  it("stays wide where nothing stands out from the noise", () => {
    const random = new Random(3, "flat");
    const { deviation } = describeOptimum(
      observe(
        before,
        at(five, () => 0.1 * random.normal(), 0.1),
      ),
    );
    expect(deviation).toBeGreaterThan(1.5);
  });

  it("takes a divergence as too high, and nothing else from it", () => {
    const diverged = observe(before, [{ x: -8.5, diverged: true }]);
    expect(probabilityAbove(diverged, -8.5)).toBeLessThan(0.05);
    expect(probabilityAbove(before, -8.5)).toBeGreaterThan(0.4);
    expect(describeFit(diverged, Float64Array.of(-9)).curve).toEqual([]);
    // Far below, one place is as likely against another as before.
    const ratio = (belief: typeof before): number => probabilityAbove(belief, -12) / probabilityAbove(belief, -13);
    const below = (belief: typeof before): number =>
      (1 - probabilityAbove(belief, -13)) / (1 - probabilityAbove(belief, -12));
    expect(below(diverged)).toBeCloseTo(below(before), 3);
    expect(ratio(diverged)).toBeLessThan(ratio(before));
  });

  it("is calibrated: for curves drawn from the prior the 80% interval holds the optimum in about 80% of cases", () => {
    const random = new Random(1, "calibration");
    const normal = (spread: number): number => spread * random.normal();
    let covered = 0;
    const cases = 200;
    for (let i = 0; i < cases; i++) {
      const optimum = -8.5 + normal(prior.optimumSpread);
      const below = prior.rise * Math.exp(normal(prior.riseSpread));
      const above = prior.rise * Math.exp(normal(prior.riseSpread));
      const noise = 0.03 * Math.exp(normal(prior.noiseSpread));
      const y = (x: number): number => {
        const g = (x < optimum ? below : above) * rise(x - optimum);
        return g * (1 + normal(prior.shapeError)) + normal(noise);
      };
      const { quantiles } = describeOptimum(observe(before, at(five, y, 0.03)));
      // half a grid step to either side belongs to the quantile's cell
      if (optimum >= quantiles[0] - 0.125 && optimum <= quantiles[2] + 0.125) covered++;
    }
    // 200 cases: standard error 0.028; three of them to either side, and the cells' width on top above
    expect(covered / cases).toBeGreaterThan(0.72);
    expect(covered / cases).toBeLessThan(0.92);
  });

  it("gives a curve through the points, with a band that is narrowest among them", () => {
    const truth = (x: number): number => 0.05 * rise(x + 8.5) - 1;
    const places = Float64Array.of(-12, -10.5, -8.5, -6.5, -5);
    const { curve } = describeFit(observe(before, at(five, truth, 0.01)), places);
    for (const { log2Elr, loss, lower, upper } of curve.slice(1, 4)) {
      expect(Math.abs(Math.log(loss) - truth(log2Elr))).toBeLessThan(0.02);
      expect(lower).toBeLessThan(loss);
      expect(loss).toBeLessThan(upper);
    }
    const width = curve.map(({ lower, upper }) => Math.log(upper / lower));
    expect(width[0]).toBeGreaterThan(width[2]!);
    expect(width[4]).toBeGreaterThan(width[2]!);
  });
});

describe("a longer rung", () => {
  const short = observe(
    before,
    at(five, (x) => 0.1 * rise(x + 8.5), 0.005),
  );

  it("of the same length changes nothing", () => {
    expect(lengthen(short, 2, 2).weights).toEqual(short.weights);
  });

  it("adds the variance of a random walk to the optimum's, and no mean within the first passes", () => {
    const [one, eight] = [describeOptimum(short), describeOptimum(lengthen(short, 0.5, 4))];
    expect(eight.mean).toBeCloseTo(one.mean, 2);
    // Sheppard's correction: the kernel is integrated over cells of a quarter of an octave, which adds their variance 0.25^2 / 12
    expect(eight.deviation ** 2 - one.deviation ** 2).toBeCloseTo(3 * prior.drift ** 2 + 0.25 ** 2 / 12, 2);
  });

  it("moves it up where the data are repeated", () => {
    // 5 to 40 passes: three doublings, all beyond four passes
    expect(describeOptimum(lengthen(short, 5, 40)).mean - describeOptimum(short).mean).toBeCloseTo(
      3 * prior.driftMean,
      2,
    );
    const [one, eight] = [describeOptimum(short), describeOptimum(lengthen(short, 5, 40))];
    expect(eight.deviation ** 2 - one.deviation ** 2).toBeCloseTo(3 * prior.driftMemorising ** 2 + 0.25 ** 2 / 12, 1);
    // 1 to 8: one of them
    expect(describeOptimum(lengthen(short, 1, 8)).mean - describeOptimum(short).mean).toBeCloseTo(prior.driftMean, 2);
  });
});

describe("the noise between seeds", () => {
  it("is what was measured, within a factor of two", () => {
    const measured = [
      [0.09, 287, 0.15],
      [0.065, 287, 0.13],
      [0.55, 2000, 0.04],
      [0.39, 2000, 0.028],
      [0.3, 2000, 0.025],
    ] as const;
    for (const [loss, examples, deviation] of measured) {
      expect(seedNoise(loss, examples) / deviation).toBeGreaterThan(0.5);
      expect(seedNoise(loss, examples) / deviation).toBeLessThan(2);
    }
  });
});
