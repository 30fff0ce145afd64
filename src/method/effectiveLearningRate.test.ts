import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/index.js";
import {
  angularLearningRate,
  defaultEffectiveLearningRates,
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
  b.output("step", b.times(direction, angularLearningRate(b, b.scalar(rate), norm, direction, granularity, 0)));
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
  b.output("rate", layerLearningRate(b, b.input("elr", "float32", []), b.constant(tensor([2, 1], [3, 5]))));
  expect([...(await run(b, { elr: tensor([], [0.5]) })).rate!]).toEqual([4.5, 12.5]);
});

it("an effective learning rate is positive and finite", () => {
  for (const rate of Object.values(defaultEffectiveLearningRates))
    expect(() => requireEffectiveLearningRate(rate)).not.toThrow();
  for (const rate of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => requireEffectiveLearningRate(rate)).toThrow(expect.objectContaining({ code: "ISO_ELR_INVALID" }));
});
