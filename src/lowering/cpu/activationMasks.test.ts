import { expect, it } from "vitest";
import { runAbstract } from "../testing/runAbstract.js";

it("ReluGrad passes dy where y is positive, however small, and nothing elsewhere", async () => {
  const y = Float32Array.of(2, 0, 1e-30, 0, 1e30);
  const dy = Float32Array.of(-3, 5, 7, -0.5, 11);
  const [dx] = await runAbstract("ReluGrad", [
    { dtype: "float32", shape: [5], data: dy },
    { dtype: "float32", shape: [5], data: y },
  ]);
  expect([...dx!].map((value) => value + 0)).toEqual([-3, 0, 7, 0, 11]);
});

it("ClipGrad passes dy where Clip left x as it was, its bounds included, and nothing elsewhere", async () => {
  const x = Float32Array.of(-1e-9, 0, 3, 6, 6.0000005, -2, 1e30);
  const y = Float32Array.of(0, 0, 3, 6, 6, 0, 6);
  const dy = Float32Array.of(1, 2, -3, 4, 5, 6, 7);
  const [dx] = await runAbstract(
    "ClipGrad",
    [dy, x, y].map((data) => ({ dtype: "float32", shape: [7], data })),
  );
  expect([...dx!].map((value) => value + 0)).toEqual([0, 2, -3, 4, 0, 0, 0]);
});
