import { describe, expect, it } from "vitest";
import { makeDataset } from "./arrays.js";
import { Random } from "./random.js";
import { inputStatistics } from "./statistics.js";

describe("inputStatistics", () => {
  it("gives the mean and deviation of each channel in units of the full range", () => {
    const dataset = makeDataset({
      records: Uint8Array.from([0, 255, 51, 255, 255, 51]),
      labels: [0, 1],
      classes: ["a", "b"],
      input: { kind: "image", height: 1, width: 1, channels: 3 },
    });
    const statistics = inputStatistics(dataset);
    if (statistics.kind !== "image") throw new Error("an image was asked for");
    const { mean, std } = statistics;
    // Exact but for the final division by 255.
    [0.5, 1, 0.2].forEach((expected, channel) => {
      expect(mean[channel]).toBeCloseTo(expected, 12);
    });
    [0.5, 1, 1].forEach((expected, channel) => {
      expect(std[channel]).toBeCloseTo(expected, 12);
    });
  });

  it("leaves missing cells out of a column's mean and deviation", () => {
    const dataset = makeDataset({
      records: Float32Array.from([1, 5, Number.NaN, 3, 5, Number.NaN, Number.NaN, 5, Number.NaN]),
      labels: [0, 1, 1],
      classes: ["a", "b"],
      input: { kind: "table", numeric: ["some", "constant", "none"], categorical: [] },
    });
    expect(inputStatistics(dataset)).toEqual({
      kind: "table",
      numeric: [
        { mean: 2, std: 1, range: 2, missing: true },
        { mean: 5, std: 1, range: 0, missing: false },
        { mean: 0, std: 1, range: 0, missing: true },
      ],
    });
  });

  it("keeps its digits for a column far from zero, over more than one chunk", () => {
    const size = 600_000;
    const random = new Random(0, "statistics");
    const records = Float32Array.from({ length: size }, () => 1e6 + random.int(8));
    const dataset = makeDataset({
      records,
      labels: new Int32Array(size),
      classes: ["a", "b"],
      input: { kind: "table", numeric: ["x"], categorical: [] },
    });
    const offsets = records.map((value) => value - 1e6);
    const mean = offsets.reduce((sum, value) => sum + value, 0) / size;
    const variance = offsets.reduce((sum, value) => sum + (value - mean) ** 2, 0) / size;
    const statistics = inputStatistics(dataset);
    if (statistics.kind !== "table") throw new Error("a table was asked for");
    // Naive sums of squares near 1e12 would lose all but four digits of the variance; Welford's recurrence keeps about ten.
    expect(statistics.numeric[0]!.mean - 1e6).toBeCloseTo(mean, 6);
    expect(statistics.numeric[0]!.std).toBeCloseTo(Math.sqrt(variance), 6);
  });
});
