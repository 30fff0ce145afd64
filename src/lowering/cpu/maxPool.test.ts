import { expect, it } from "vitest";
import { ints, type Tensor } from "../../onnx/types.js";
import { runAbstract } from "../testing/runAbstract.js";

const window = { kernel_shape: ints([2]), strides: ints([1]), pads: ints([0, 0]), dilations: ints([1]) };
const row = (...data: number[]): Tensor => ({
  dtype: "float32",
  shape: [1, 1, data.length],
  data: Float32Array.from(data),
});

it("overlapping windows add up where they have the same maximum", async () => {
  const [dx] = await runAbstract("MaxPoolGrad", [row(1, 5, 2, 0), row(5, 5, 2), row(10, 100, 1000)], window);
  expect([...dx!]).toEqual([0, 110, 1000, 0]);
});

it("of equal maxima the first takes all", async () => {
  const [dx] = await runAbstract("MaxPoolGrad", [row(3, 3, 3), row(3, 3), row(10, 100)], window);
  expect([...dx!]).toEqual([10, 100, 0]);
});

it("a window without a number is no reason to stop: its first element takes all", async () => {
  for (const none of [Number.NaN, Number.NEGATIVE_INFINITY]) {
    const [dx] = await runAbstract("MaxPoolGrad", [row(none, none, none), row(none, none), row(10, 100)], window);
    expect([...dx!]).toEqual([10, 100, 0]);
  }
});
