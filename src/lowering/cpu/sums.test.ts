import { describe, expect, it } from "vitest";
import { int } from "../../onnx/types.js";
import { irregular, runAbstract } from "../testing/runAbstract.js";

function sumOfSquares(data: Float32Array): number {
  return data.reduce((sum, value) => sum + value * value, 0);
}

describe("SumOfSquares", () => {
  it.each([[[]], [[1]], [[7]], [[3, 5]], [[4, 3, 3, 3]], [[4097]], [[2, 4099]], [[64, 300]]])(
    "of shape [%s]",
    async (shape: number[]) => {
      const x = irregular(shape);
      const [actual] = await runAbstract("SumOfSquares", [x]);
      expect(Math.abs(actual![0]! / sumOfSquares(x.data) - 1)).toBeLessThan(1e-6);
    },
  );

  // 10^7 cut into whole rows, and a prime, which has to be filled up; magnitudes from 1e-6 to 1e2.
  it.each([10_000_000, 9_999_991])("is good to 1e-6 for %i elements of mixed magnitude", async (count) => {
    const x = irregular([count]);
    for (let index = 0; index < count; index++) x.data[index]! *= 10 ** ((index % 9) - 6);
    const [actual] = await runAbstract("SumOfSquares", [x]);
    expect(Math.abs(actual![0]! / sumOfSquares(x.data) - 1)).toBeLessThan(1e-6);
  });

  // One float32 sum of equal terms stops growing at 2^24 of them and drifts long before.
  it("is good to 1e-6 for 10^7 equal elements", async () => {
    const x = { dtype: "float32", shape: [10_000_000], data: new Float32Array(10_000_000).fill(0.1) } as const;
    const [actual] = await runAbstract("SumOfSquares", [x]);
    expect(Math.abs(actual![0]! / sumOfSquares(x.data) - 1)).toBeLessThan(1e-6);
  });
});

describe("SumOfSquaresPerChannel", () => {
  it.each([
    [[5, 3, 3, 3], 0],
    [[5, 7], 1],
    [[5, 7], -1],
    [[4, 6, 3], 1],
    [[3, 5000], 0],
    [[4099, 3], 1],
  ] as const)("of shape [%s] along axis %i", async (shape, axis) => {
    const x = irregular(shape);
    const front = axis < 0 ? axis + shape.length : axis;
    const inner = shape.slice(front + 1).reduce((product, size) => product * size, 1);
    const expected = new Array<number>(shape[front]!).fill(0);
    x.data.forEach((value, index) => {
      expected[Math.floor(index / inner) % shape[front]!]! += value * value;
    });
    const [actual] = await runAbstract("SumOfSquaresPerChannel", [x], { axis: int(axis) });
    expect(actual!.length).toBe(shape[front]);
    for (const [channel, sum] of expected.entries()) expect(Math.abs(actual![channel]! / sum - 1)).toBeLessThan(1e-6);
  });
});

describe("ChannelSum", () => {
  it.each([[[4, 3]], [[2, 3, 5]], [[3, 2, 4, 5]], [[2, 2, 3, 2, 3]]])("of shape [%s]", async (shape: number[]) => {
    const x = irregular(shape);
    const inner = shape.slice(2).reduce((product, size) => product * size, 1);
    const expected = new Array<number>(shape[1]!).fill(0);
    x.data.forEach((value, index) => {
      expected[Math.floor(index / inner) % shape[1]!]! += value;
    });
    const [actual] = await runAbstract("ChannelSum", [x]);
    // terms below 1, at most 72 of them
    for (const [channel, sum] of expected.entries()) expect(Math.abs(actual![channel]! - sum)).toBeLessThan(1e-5);
  });
});
