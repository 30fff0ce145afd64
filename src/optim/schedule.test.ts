import { describe, expect, it } from "vitest";
import { constant, cosine, linear, schedules, warmUp } from "./index.js";

describe.each(Object.entries(schedules))("%s", (_, schedule) => {
  it("starts at 1 and never rises or goes below 0", () => {
    const values = Array.from({ length: 51 }, (_, step) => schedule(step, 50));
    expect(values[0]).toBe(1);
    for (let step = 1; step < values.length; step++) {
      expect(values[step]).toBeLessThanOrEqual(values[step - 1]!);
      expect(values[step]).toBeGreaterThanOrEqual(0);
    }
  });

  it("is the same curve however long the training", () => {
    expect(schedule(3, 12)).toBeCloseTo(schedule(300, 1200), 12);
  });

  it("gives the only step of a training the full rate", () => {
    expect(schedule(0, 1)).toBe(1);
  });
});

it("cosine and linear still move in the last step and would end at 0", () => {
  expect(cosine(99, 100)).toBeGreaterThan(0);
  expect(linear(99, 100)).toBeCloseTo(0.01, 12);
  expect(cosine(100, 100)).toBe(0);
  expect(linear(100, 100)).toBe(0);
  expect(constant(99, 100)).toBe(1);
  expect(cosine(25, 100)).toBeCloseTo(0.5 + Math.SQRT1_2 / 2, 12);
});

describe("warm-up", () => {
  it("rises in equal steps to where the schedule after it starts, which is compressed into the rest", () => {
    const schedule = warmUp(0.04, cosine);
    const values = [0, 1, 2, 3, 4].map((step) => schedule(step, 100));
    for (const [step, value] of [0.2, 0.4, 0.6, 0.8, 1].entries()) expect(values[step]).toBeCloseTo(value, 12);
    expect(schedule(52, 100)).toBeCloseTo(cosine(48, 96), 12);
    expect(schedule(100, 100)).toBe(0);
  });

  it("of share 0 is none", () => {
    expect(warmUp(0, linear)(30, 100)).toBe(linear(30, 100));
  });

  it("takes a share of at least 0 and below 1", () => {
    for (const share of [-0.1, 1, Number.NaN])
      expect(() => warmUp(share, cosine)).toThrow(expect.objectContaining({ code: "ISO_ARGUMENT" }));
  });
});
