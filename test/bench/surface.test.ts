import { describe, expect, it } from "vitest";
import { gaussianProcess } from "../../bench/search/gaussianProcess.js";
import {
  drawTraining,
  expectedLoss,
  interpolate,
  makeSurface,
  type Row,
  regretOf,
} from "../../bench/search/surface.js";
import { Random } from "../../src/data/core.js";

/** ln loss 0.05 (x + 8)^2 over -13 ... -3, diverging from `diverges` on for the seeds that it names, with deviations of the seeds that sum to 0. */
function elrRows({ noise = 0.1, diverges = (_x: number, _seed: number): boolean => false } = {}): Row[] {
  return Array.from({ length: 11 }, (_, i) => i - 13).flatMap((log2Rate) =>
    [0, 1, 2].map((seed): Row => {
      const finite = !diverges(log2Rate, seed);
      const loss = finite ? Math.exp(0.05 * (log2Rate + 8) ** 2 + noise * (seed - 1)) : null;
      const accuracy = finite ? 0.9 - 0.01 * (seed - 1) : null;
      return { kind: "elr", log2Rate, weightDecay: 0, epochs: 4, seed, loss, accuracy };
    }),
  );
}

describe("a surface over the ELR", () => {
  const surface = makeSurface(elrRows(), "elr", 4);

  it("has the curve's optimum and loss", () => {
    // the means are exact; the Gaussian process may smooth by a fraction of their standard error, 0.1 / sqrt(3)
    expect(surface.best.at[0]).toBeCloseTo(-8, 0);
    expect(surface.best.loss).toBeCloseTo(1, 1);
    for (const x of [-12.3, -10, -6.5, -3])
      expect(Math.abs(Math.log(expectedLoss(surface, [x])) - 0.05 * (x + 8) ** 2)).toBeLessThan(0.05);
  });

  it("states regret against the best of the dense grid", () => {
    expect(regretOf(surface, surface.best.at)).toBeCloseTo(0, 12);
    expect(regretOf(surface, [-11])).toBeCloseTo(expectedLoss(surface, [-11]) - surface.best.loss, 12);
    for (const x of surface.axes[0]!) expect(regretOf(surface, [x])).toBeGreaterThan(-1e-12);
  });

  it("knows the noise: the unbiased standard deviation between seeds, times the loss", () => {
    // deviations -0.1, 0, 0.1: variance 0.02 / 2
    expect(surface.best.noise).toBeCloseTo(0.1 * surface.best.loss, 10);
  });

  it("draws trainings with that noise around the mean, loss and accuracy of one seed together", () => {
    const losses = Array.from({ length: 4000 }, (_, trial) => drawTraining(surface, [-9], new Random(trial))!);
    const y = losses.map(({ loss }) => Math.log(loss / expectedLoss(surface, [-9])));
    const mean = y.reduce((a, b) => a + b) / y.length;
    // standard errors: 0.1 / sqrt(4000) = 0.0016 of the mean, half of that of the deviation; four of them
    expect(Math.abs(mean)).toBeLessThan(0.0064);
    expect(Math.sqrt(y.reduce((sum, v) => sum + v * v, 0) / y.length)).toBeCloseTo(0.1, 2);
    for (const [i, { accuracy }] of losses.entries())
      expect(Math.sign(Math.round(1000 * (accuracy - 0.9)))).toBe(-Math.sign(Math.round(1000 * y[i]!)) + 0);
  });

  it("draws the same training for the same seed, others for others", () => {
    const draw = (seed: number) => drawTraining(surface, [-7.3], new Random(seed, "trial"))!.loss;
    expect(draw(5)).toBe(draw(5));
    expect(new Set([0, 1, 2, 3, 4, 5].map(draw)).size).toBeGreaterThan(1);
  });

  it("refuses places outside the table", () => {
    expect(() => expectedLoss(surface, [-13.1])).toThrow(RangeError);
    expect(() => drawTraining(surface, [-2.9], new Random(0))).toThrow(RangeError);
  });

  it("drawn from what the table leaves possible, has about the curve, and differs from draw to draw by the means' standard error", () => {
    const places = [-12.5, -8, -4].map((x) => [x]);
    const draws = Array.from({ length: 60 }, (_, seed) => makeSurface(elrRows(), "elr", 4, new Random(seed)));
    for (const place of places) {
      const y = draws.map((one) => Math.log(expectedLoss(one, place)));
      const mean = y.reduce((a, b) => a + b) / y.length;
      const deviation = Math.sqrt(y.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (y.length - 1));
      // one mean has the standard error 0.1 / sqrt(3) = 0.058; its neighbours narrow it, to a half or so
      expect(deviation).toBeGreaterThan(0.015);
      expect(deviation).toBeLessThan(0.058);
      expect(Math.abs(mean - Math.log(expectedLoss(surface, place)))).toBeLessThan((4 * deviation) / Math.sqrt(60));
    }
  });
});

describe("divergence", () => {
  const surface = makeSurface(elrRows({ diverges: (x, seed) => x >= -4 || (x === -5 && seed === 0) }), "elr", 4);

  it("is drawn with the share of seeds that diverged, linear in between", () => {
    const share = (x: number) =>
      Array.from({ length: 3000 }, (_, i) => drawTraining(surface, [x], new Random(i))).filter((one) => !one).length /
      3000;
    expect(share(-6)).toBe(0);
    expect(share(-4)).toBe(1);
    // three standard errors of sqrt(p (1 - p) / 3000) are 0.027
    expect(Math.abs(share(-5) - 1 / 3)).toBeLessThan(0.03);
    expect(Math.abs(share(-4.5) - 2 / 3)).toBeLessThan(0.03);
  });

  it("is censored: what diverged neither moves the mean nor can be best", () => {
    expect(expectedLoss(surface, [-8])).toBeCloseTo(expectedLoss(makeSurface(elrRows(), "elr", 4), [-8]), 2);
    const falling = elrRows({ diverges: (x) => x > -9 }).map((row) => ({
      ...row,
      loss: row.loss && Math.exp(-0.1 * row.log2Rate),
    }));
    expect(makeSurface(falling, "elr", 4).best.at[0]).toBe(-9);
  });
});

describe("a surface over learning rate and weight decay", () => {
  const decays = [1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2];
  const truth = (x: number, d: number): number =>
    0.02 * (x + 3) ** 2 + 0.03 * (d + 10) ** 2 + 0.02 * (x + 3) * (d + 10);
  const rows = Array.from({ length: 9 }, (_, i) => i - 7).flatMap((log2Rate) =>
    decays.flatMap((weightDecay) =>
      [0, 1, 2].map((seed): Row => {
        const loss = Math.exp(truth(log2Rate, Math.log2(weightDecay)) + 0.02 * (seed - 1));
        return { kind: "plain", log2Rate, weightDecay, epochs: 4, seed, loss, accuracy: 0.8 };
      }),
    ),
  );

  it("goes by both axes' logarithms", () => {
    const surface = makeSurface(rows, "plain", 4);
    expect(surface.points).toBe(54);
    expect(surface.trainings).toBe(162);
    // Between table points 3.3 octaves of decay apart, the Gaussian process is off by a hundredth or two.
    for (const [x, d] of [
      [-3, -10],
      [-6.4, -12],
      [0.3, -7],
      [-1, -15.5],
    ] as const)
      expect(Math.abs(Math.log(expectedLoss(surface, [x, d])) - truth(x, d))).toBeLessThan(0.04);
  });

  it("refuses a table with holes, and one without repeated trainings", () => {
    const holed = rows.filter((row) => row.log2Rate !== 0 || row.weightDecay !== 1e-3);
    expect(() => makeSurface(holed, "plain", 4)).toThrow("53 of the 54");
    expect(() =>
      makeSurface(
        rows.filter(({ seed }) => seed === 0),
        "plain",
        4,
      ),
    ).toThrow(RangeError);
    expect(() => makeSurface(rows, "plain", 5)).toThrow(RangeError);
  });
});

describe("linear interpolation on a grid", () => {
  it("is exact for a product of linear functions, on uneven grids", () => {
    const axes = [
      [0, 1, 4],
      [-2, 3],
    ];
    const f = (x: number, y: number): number => (2 * x - 1) * (y + 5);
    const values = axes[0]!.flatMap((x) => axes[1]!.map((y) => f(x, y)));
    for (const [x, y] of [
      [0, -2],
      [4, 3],
      [2.2, 0.1],
      [0.7, 2.9],
    ] as const)
      expect(interpolate(axes, values, [x, y])).toBeCloseTo(f(x, y), 12);
  });
});

describe("a Gaussian process", () => {
  const at = Array.from({ length: 11 }, (_, i) => [i]);

  it("goes through samples without noise", () => {
    const y = at.map(([x]) => Math.sin(x! / 2));
    const curve = gaussianProcess({ at, y, variance: y.map(() => 0) });
    for (const [i, place] of at.entries()) expect(curve.mean(place)).toBeCloseTo(y[i]!, 5);
    expect(curve.mean([4.5])).toBeCloseTo(Math.sin(2.25), 2);
  });

  it("takes noise out: the curve is nearer to the truth than the samples are", () => {
    const random = new Random(1, "noise");
    let [curveError, sampleError] = [0, 0];
    for (let repeat = 0; repeat < 20; repeat++) {
      const truth = at.map(([x]) => 0.05 * (x! - 5) ** 2);
      const y = truth.map((value) => value + 0.2 * random.normal());
      const curve = gaussianProcess({ at, y, variance: y.map(() => 0.04) });
      for (const [i, place] of at.entries()) {
        curveError += (curve.mean(place) - truth[i]!) ** 2;
        sampleError += (y[i]! - truth[i]!) ** 2;
      }
    }
    expect(curveError).toBeLessThan(0.6 * sampleError);
  });

  it("is sure at samples without noise, and elsewhere as unsure as it is wrong", () => {
    let [squares, expected] = [0, 0];
    for (let repeat = 0; repeat < 40; repeat++) {
      const random = new Random(repeat, "curve");
      const [a, b, c] = [random.normal(), random.normal(), random.normal()];
      const f = (x: number): number => a * Math.sin(x / 2) + b * Math.cos(x / 3) + c * Math.sin(x / 1.5);
      const y = at.map(([x]) => f(x!) + 0.1 * random.normal());
      const curve = gaussianProcess({ at, y, variance: y.map(() => 0.01) });
      for (const x of [0.5, 3.5, 5, 8.5]) {
        squares += (curve.mean([x]) - f(x)) ** 2;
        expected += curve.covariance([[x]])[0]![0]!;
      }
      const exact = gaussianProcess({ at, y, variance: y.map(() => 0) });
      expect(exact.covariance([[3]])[0]![0]).toBeLessThan(1e-6);
    }
    // 160 errors, of which neighbours go together: the ratio of sums is known to about a fifth
    expect(squares / expected).toBeGreaterThan(0.6);
    expect(squares / expected).toBeLessThan(1.6);
  });

  it("in pure noise is close to the mean everywhere", () => {
    const y = [1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 0];
    const curve = gaussianProcess({ at, y, variance: y.map(() => 1) });
    for (const [x] of at) expect(Math.abs(curve.mean([x!]))).toBeLessThan(0.35);
  });
});
