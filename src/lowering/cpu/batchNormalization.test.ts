import { describe, expect, it } from "vitest";
import { float } from "../../onnx/types.js";
import { irregular, largestError, runAbstract } from "../testing/runAbstract.js";

const epsilon = 1e-5;
const attributes = { epsilon: float(epsilon) };

/** The definition, in float64, for x [N, C, ...]. */
function reference(x: Float32Array, shape: readonly number[], scale: Float32Array, bias: Float32Array) {
  const [images, channels] = shape as [number, number];
  const positions = shape.slice(2).reduce((product, size) => product * size, 1);
  const count = images * positions;
  const channelOf = (index: number) => Math.floor(index / positions) % channels;
  const mean = new Float64Array(channels);
  const variance = new Float64Array(channels);
  x.forEach((value, index) => {
    mean[channelOf(index)]! += value / count;
  });
  x.forEach((value, index) => {
    variance[channelOf(index)]! += (value - mean[channelOf(index)]!) ** 2 / count;
  });
  const y = Float64Array.from(x, (value, index) => {
    const channel = channelOf(index);
    return (scale[channel]! * (value - mean[channel]!)) / Math.sqrt(variance[channel]! + epsilon) + bias[channel]!;
  });
  return { mean, variance, y };
}

describe("BatchNormTraining is its definition", () => {
  it.each([[[6, 5]], [[1, 3, 4]], [[4, 3, 7]], [[3, 5, 4, 3]], [[2, 3, 2, 3, 4]]])(
    "for x of shape [%s]",
    async (shape: number[]) => {
      const [x, scale, bias] = [irregular(shape, 1), irregular([shape[1]!], 2), irregular([shape[1]!], 3)];
      const [y, mean, variance] = await runAbstract("BatchNormTraining", [x, scale, bias], attributes);
      const expected = reference(x.data, shape, scale.data, bias.data);
      // float32 rounding of sums of at most 24 terms
      expect(largestError(mean!, expected.mean)).toBeLessThan(1e-6);
      expect(largestError(variance!, expected.variance)).toBeLessThan(1e-6);
      expect(largestError(y!, expected.y)).toBeLessThan(2e-6);
    },
  );
});

/** Sums of twelve uniform numbers, so nearly normal, with that mean and deviation. */
function nearlyNormal(shape: readonly number[], mean: number, deviation: number) {
  const count = shape.reduce((product, size) => product * size, 1);
  const uniform = irregular([12 * count], 5).data;
  const data = Float32Array.from({ length: count }, (_, index) => {
    let sum = 0;
    for (let term = 0; term < 12; term++) sum += uniform[12 * index + term]!;
    return mean + (deviation * sum) / 2;
  });
  return { dtype: "float32", shape, data } as const;
}

describe("a mean far from 0 does not spoil the variance", () => {
  // Rounding of x itself to float32 is in both figures; what is bounded is the recipe's own error.
  it.each([
    ["images", [32, 2, 16, 16], 1, 2e-6],
    ["images", [32, 2, 16, 16], 10, 2e-5],
    ["images", [32, 2, 16, 16], 100, 1e-3],
    ["rows", [512, 4], 1, 2e-6],
    ["rows", [512, 4], 100, 2e-6],
    ["rows", [512, 4], 1000, 2e-6],
  ] as const)("%s [%s] with mean %d and deviation 1", async (_, shape, mean, tolerance) => {
    const x = nearlyNormal(shape, mean, 1);
    const [scale, bias] = [irregular([shape[1]], 2), irregular([shape[1]], 3)];
    const [, , variance] = await runAbstract("BatchNormTraining", [x, scale, bias], attributes);
    const expected = reference(x.data, shape, scale.data, bias.data);
    expect(largestError(variance!, expected.variance)).toBeLessThan(tolerance);
  });

  it("a constant channel has a variance near 0, never below, and finite outputs", async () => {
    const shape = [8, 2, 4, 4];
    const x = { dtype: "float32", shape, data: new Float32Array(256).fill(123.456) } as const;
    const [scale, bias] = [irregular([2], 2), irregular([2], 3)];
    const [y, , variance] = await runAbstract("BatchNormTraining", [x, scale, bias], attributes);
    expect(Math.min(...variance!)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...variance!)).toBeLessThan(1e-2);
    expect(y!.every(Number.isFinite)).toBe(true);
  });
});
