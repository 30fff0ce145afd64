import { describe, expect, it } from "vitest";
import { sobol, sobolDimensions } from "./sobol.js";

describe("Sobol's sequence", () => {
  it("agrees with scipy.stats.qmc.Sobol(7, scramble=False)", () => {
    const points = sobol(16, 7);
    const expected: Record<number, number[]> = {
      0: [0, 0, 0, 0, 0, 0, 0],
      1: [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
      2: [0.75, 0.25, 0.25, 0.25, 0.75, 0.75, 0.25],
      3: [0.25, 0.75, 0.75, 0.75, 0.25, 0.25, 0.75],
      5: [0.875, 0.875, 0.125, 0.375, 0.875, 0.625, 0.875],
      9: [0.6875, 0.8125, 0.4375, 0.9375, 0.0625, 0.8125, 0.9375],
      15: [0.0625, 0.9375, 0.5625, 0.3125, 0.6875, 0.1875, 0.8125],
    };
    for (const [index, point] of Object.entries(expected)) expect(points[Number(index)]).toEqual(point);
  });

  it.each([undefined, 0, 1, 12345])(
    "has one point in each of 64 cells of every two dimensions' 8 x 8 grid, or of each dimension's 64 (seed %s)",
    (seed) => {
      const points = sobol(64, sobolDimensions, seed);
      for (let d = 0; d < sobolDimensions; d++)
        expect(new Set(points.map((point) => Math.floor(point[d]! * 64))).size).toBe(64);
      const cells = new Set(points.map(([x, y]) => Math.floor(x! * 8) * 8 + Math.floor(y! * 8)));
      expect(cells.size).toBe(64);
    },
  );

  it("scrambled has every point uniform over the seeds", () => {
    const first = Array.from({ length: 2000 }, (_, seed) => sobol(1, 2, seed)[0]!);
    for (const d of [0, 1]) {
      const mean = first.reduce((sum, point) => sum + point[d]!, 0) / first.length;
      // standard error of the mean of 2,000 uniform numbers: 0.0065
      expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
    }
    const correlation = first.reduce((sum, [x, y]) => sum + (x! - 0.5) * (y! - 0.5) * 12, 0) / first.length;
    expect(Math.abs(correlation)).toBeLessThan(0.07);
  });

  it("is longer, not different, with more points", () => {
    expect(sobol(40, 3, 5).slice(0, 10)).toEqual(sobol(10, 3, 5));
  });

  it("refuses more dimensions than its table has", () => {
    expect(() => sobol(1, sobolDimensions + 1)).toThrow(RangeError);
  });
});
