import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/index.js";
import { type Architecture, convnet, efficientnetB0, mlp, mobilenetV2, resnet20 } from "../models/index.js";
import {
  analyseScaleInvariance,
  defaultEffectiveLearningRateFor,
  defaultEffectiveLearningRates,
  directionLength,
  layerLearningRate,
  norms,
  requireEffectiveLearningRate,
} from "./index.js";
import { type FloatTensor, randomTensor, relativeDifference, run, scaled, tensor } from "./testing/run.js";

/** W - rate u for base rule `angular`. */
async function angularStep(u: FloatTensor, rate: number, granularity: "tensor" | "channel" = "tensor") {
  const b = new GraphBuilder();
  const channel = granularity === "channel";
  const norm = b.constant(tensor(channel ? [2, 1] : [], channel ? [3, 5] : [4]));
  const direction = b.input("u", "float32", u.shape);
  const layerRate = layerLearningRate(b, "angular", b.scalar(rate), norm);
  b.output("step", b.times(direction, b.over(layerRate, directionLength(b, direction, granularity, 0))));
  return (await run(b, { u })).step!;
}

describe("base rule angular", () => {
  const u = randomTensor([2, 3], 1);

  it("makes a step of length ELR n, whatever the update's size", async () => {
    for (const size of [1e-15, 1e-3, 1, 1e15]) {
      const step = await angularStep(scaled(u, size), 0.01);
      expect(norms(tensor(u.shape, step))[0]).toBeCloseTo(0.01 * 4, 7);
      expect(relativeDifference(step, await angularStep(u, 0.01))).toBeLessThan(1e-6);
    }
  });

  it("does so for each channel with its own norm", async () => {
    const step = norms(tensor(u.shape, await angularStep(u, 0.01, "channel")), 0);
    expect(relativeDifference(step, [0.03, 0.05])).toBeLessThan(1e-6);
  });

  it("stands still where the update is zero, and never oversteps where it is next to zero", async () => {
    expect((await angularStep(scaled(u, 0), 0.01)).every((element) => element === 0)).toBe(true);
    // 1e-5: the square root of a subnormal has few digits.
    for (const size of [1e-18, 1e-20, 1e-30, 1e-38])
      expect(norms(tensor(u.shape, await angularStep(scaled(u, size), 0.01)))[0]).toBeLessThanOrEqual(
        0.04 * (1 + 1e-5),
      );
  });

  it("lets a NaN through, so that it is noticed", async () => {
    const step = await angularStep(tensor([2, 3], [1, Number.NaN, 0, 0, 0, 0]), 0.01);
    expect(step.every(Number.isNaN)).toBe(true);
  });
});

it("base rule sgd multiplies ELR by the squared norm", async () => {
  const b = new GraphBuilder();
  b.output("rate", layerLearningRate(b, "sgd", b.input("elr", "float32", []), b.constant(tensor([2, 1], [3, 5]))));
  expect([...(await run(b, { elr: tensor([], [0.5]) })).rate!]).toEqual([4.5, 12.5]);
});

describe("the default effective learning rate", () => {
  const log2Default = (network: Architecture, shape: readonly number[]): number => {
    const head = { scale: 8, norm: "tensor", features: "raw" } as const;
    const { graph } = network.build({ shape, classes: 10, seed: 0, head });
    return Math.log2(defaultEffectiveLearningRateFor(analyseScaleInvariance(graph)));
  };

  it("is 2^-8.5 for the networks that the search's figures are of, and smaller ones", () => {
    for (const width of [1, 8, 16]) expect(log2Default(convnet({ width }), [1, 14, 14])).toBe(-8.5);
    expect(log2Default(convnet(), [3, 32, 32])).toBe(-8.5);
    expect(log2Default(mlp(), [64])).toBe(-8.5);
  });

  it("falls as the number of scale-invariant parameters grows: within an octave of the best measured", () => {
    const measured: readonly (readonly [Architecture, readonly number[], number])[] = [
      [convnet({ width: 32 }), [1, 14, 14], -11.3],
      [convnet({ width: 64 }), [1, 14, 14], -12.8],
      [resnet20(), [1, 14, 14], -11],
      [mobilenetV2({ width: 0.35 }), [1, 28, 28], -11.5],
      [efficientnetB0(), [1, 28, 28], -14.4],
    ];
    for (const [network, shape, best] of measured) {
      const log2Elr = log2Default(network, shape);
      expect(Math.abs(log2Elr - best), `${network.name} ${JSON.stringify(network.settings)}: ${log2Elr}`).toBeLessThan(
        1,
      );
    }
    expect(
      log2Default(convnet({ width: 128 }), [1, 14, 14]) - log2Default(convnet({ width: 64 }), [1, 14, 14]),
    ).toBeCloseTo(-2, 1);
  });

  it("counts scale-invariant parameters alone, and only where the figures apply: norm by tensor, base rule sgd", () => {
    const proofs = [
      { shape: [1000, 1000], scaleInvariant: true },
      { shape: [10_000, 1000], scaleInvariant: false },
    ];
    expect(defaultEffectiveLearningRateFor(proofs)).toBeCloseTo(2 ** -8.5 * 0.075, 12);
    expect(defaultEffectiveLearningRateFor(proofs.slice(1))).toBe(2 ** -8.5);
    expect(defaultEffectiveLearningRateFor([])).toBe(2 ** -8.5);
    expect(defaultEffectiveLearningRateFor(proofs, "angular")).toBe(2 ** -6);
    expect(defaultEffectiveLearningRateFor(proofs, "sgd", "channel")).toBe(2 ** -8.5);
  });
});

it("an effective learning rate is positive and finite", () => {
  for (const rate of Object.values(defaultEffectiveLearningRates))
    expect(() => requireEffectiveLearningRate(rate)).not.toThrow();
  for (const rate of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => requireEffectiveLearningRate(rate)).toThrow(expect.objectContaining({ code: "ISO_ELR_INVALID" }));
});
