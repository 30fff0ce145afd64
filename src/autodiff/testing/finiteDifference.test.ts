import { describe, expect, it } from "vitest";
import { int } from "../../onnx/types.js";
import { registerGradient } from "../registry.js";
import { checkGradient, distinctTensor, randomTensor } from "./finiteDifference.js";

// Operators without a rule of ours stand in for rules with a mistake.
registerGradient("Mod", ({ b, dy: [dy] }) => [b.times(dy!, b.scalar(1.001))]);
registerGradient("Tan", ({ dy: [dy] }) => [dy && { ...dy, shape: [1] }]);
registerGradient("Sinh", () => []);

const x = randomTensor([3, 5], { seed: 1 });
const unary = (op: string) => checkGradient({ inputs: [x], build: (b, [v]) => b.op(op, [v]) });

describe("checkGradient", () => {
  it("takes differences in float64 where it can", async () => {
    expect(await unary("Exp")).toBe("float64");
  });

  it("finds a gradient that is off by a thousandth, and names operator and coordinate", async () => {
    const remainder = checkGradient({
      inputs: [x],
      build: (b, [v]) => b.op("Mod", [v, b.scalar(10)], { fmod: int(1) }),
    });
    await expect(remainder).rejects.toThrow(
      /^Mod: dL\/d\(input 0\)\[\d+\] is -?[\d.]+ by its rule and -?[\d.]+ by central differences \(float64/,
    );
  });

  it("finds a gradient that is missing", async () => {
    await expect(unary("Sinh")).rejects.toThrow(/^Sinh: .* is 0 by its rule/);
  });

  it("finds a gradient of the wrong shape", async () => {
    await expect(unary("Tan")).rejects.toThrow(
      /gradient rule of Tan .* gives float32 \[1\] for input 0, which is float32 \[3,5\]/,
    );
  });
});

describe("test tensors", () => {
  it("are the same for the same seed and keep away from the points asked for", () => {
    const options = { seed: 7, low: -2, high: 2, awayFrom: [0, 1], gap: 0.25 };
    const { data } = randomTensor([200], options);
    expect(randomTensor([200], options).data).toEqual(data);
    for (const value of data) expect(Math.min(Math.abs(value), Math.abs(value - 1))).toBeGreaterThanOrEqual(0.25);
  });

  it("have no ties where elements must be distinct", () => {
    const sorted = distinctTensor([4, 10], { gap: 0.1 }).data.toSorted();
    for (let i = 1; i < sorted.length; i++) expect(sorted[i]! - sorted[i - 1]!).toBeGreaterThan(0.09);
  });
});
