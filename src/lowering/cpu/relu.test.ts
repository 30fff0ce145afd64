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
