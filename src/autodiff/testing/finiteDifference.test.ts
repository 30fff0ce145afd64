import { describe, expect, it } from "vitest";
import { registerInference } from "../../graph/index.js";
import { registerGradient } from "../registry.js";
import { checkGradient, distinctTensor, randomTensor } from "./finiteDifference.js";

// Operators without a rule of ours stand in for rules with a mistake.
for (const op of ["ExpandDims", "Trilu"])
  registerInference(`com.microsoft:${op}`, ({ inputs: [x] }) => [
    { dtype: x!.dtype, shape: op === "ExpandDims" ? [1, ...x!.shape] : x!.shape },
  ]);
registerGradient("com.microsoft:ExpandDims", ({ b, inputs: [x], dy: [dy] }) => [
  b.reshape(b.times(dy!, b.scalar(1.001)), x!.shape),
]);
registerGradient("com.microsoft:Trilu", () => []);
registerGradient("Bernoulli", ({ dy: [dy] }) => [dy && { ...dy, shape: [1] }]);

const x = randomTensor([3, 5], { seed: 1 });
const unary = (op: string, domain = "") =>
  checkGradient({ inputs: [x], build: (b, [v]) => b.op(op, [v], {}, { domain }) });

describe("checkGradient", () => {
  it("takes differences in float64 where it can", async () => {
    expect(await unary("Exp")).toBe("float64");
  });

  it("finds a gradient that is off by a thousandth, and names operator and coordinate", async () => {
    const expanded = checkGradient({
      inputs: [x],
      build: (b, [v]) => {
        const axis = b.constant({ dtype: "int32", shape: [], data: Int32Array.of(0) });
        return b.op("ExpandDims", [v, axis], {}, { domain: "com.microsoft" });
      },
    });
    await expect(expanded).rejects.toThrow(
      /^ExpandDims: dL\/d\(input 0\)\[\d+\] is -?[\d.]+ by its rule and -?[\d.]+ by central differences \(float64/,
    );
  });

  it("finds a gradient that is missing", async () => {
    await expect(unary("Trilu", "com.microsoft")).rejects.toThrow(/^Trilu: .* is 0 by its rule/);
  });

  it("finds a gradient of the wrong shape", async () => {
    await expect(unary("Bernoulli")).rejects.toThrow(
      /gradient rule of Bernoulli .* gives float32 \[1\] for input 0, which is float32 \[3,5\]/,
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
