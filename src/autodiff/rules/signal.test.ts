import { describe, expect, it } from "vitest";
import type { GraphBuilder } from "../../graph/index.js";
import { int } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { checkGradient, type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

const scalar = (b: GraphBuilder, number: number) =>
  b.constant({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(number)) }, "scalar");

const dft = (
  shape: readonly number[],
  axis: number,
  attributes: Record<string, number> = {},
  length?: number,
): GradientCheck => ({
  inputs: [randomTensor(shape, { seed: shape.length + axis })],
  build: (b, [x]) =>
    b.op(
      "DFT",
      [x, length === undefined ? undefined : scalar(b, length), scalar(b, axis)],
      Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, int(value)])),
    ),
});

describeGradients("DFT", {
  "of real numbers": dft([2, 8, 1], 1),
  "of real numbers, the frequencies that they need": dft([2, 7, 1], 1, { onesided: 1 }),
  "of complex numbers, along the first axis": dft([6, 3, 2], 0),
  "inverse, of complex numbers": dft([2, 5, 2], 1, { inverse: 1 }),
  "filled up with zeros": dft([2, 5, 1], 1, {}, 8),
  "cut off": dft([2, 9, 2], 1, {}, 6),
  "operator set 17": {
    inputs: [randomTensor([2, 3, 4, 1], { seed: 3 })],
    opset: 17,
    build: (b, [x]) => b.op("DFT", [x], { axis: int(2) }),
  },
});

const window = randomTensor([4], { seed: 7, low: 0.5, high: 1 });

describeGradients("STFT", {
  "of overlapping frames, its window too": {
    inputs: [randomTensor([2, 11, 1], { seed: 5 }), window],
    build: (b, [signal, weights]) => b.op("STFT", [signal, scalar(b, 3), weights, scalar(b, 4)]),
  },
  "of complex numbers, all frequencies, no window": {
    inputs: [randomTensor([1, 10, 2], { seed: 6 })],
    build: (b, [signal]) => b.op("STFT", [signal, scalar(b, 2), undefined, scalar(b, 4)], { onesided: int(0) }),
  },
  "operator set 17": {
    inputs: [randomTensor([1, 9, 1], { seed: 8 }), window],
    opset: 17,
    build: (b, [signal, weights]) => b.op("STFT", [signal, scalar(b, 2), weights]),
  },
});

const det = (...shape: number[]): GradientCheck => ({
  inputs: [randomTensor(shape, { seed: shape.at(-1)! })],
  build: (b, [a]) => b.op("Det", [a]),
});

describeGradients(
  "Det",
  {
    "of one number": det(2, 1, 1),
    "2x2, no batch": det(2, 2),
    "3x3": det(2, 3, 3),
    "5x5 in a batch of two axes": det(2, 1, 5, 5),
    "6x6": det(6, 6),
    "a singular matrix": {
      inputs: [{ dtype: "float32", shape: [3, 3], data: Float32Array.of(1, 2, 3, 2, 4, 6, 0, 1, 5) }],
      build: (b, [a]) => b.op("Det", [a]),
    },
  },
  "float32",
);

describe("Det", () => {
  it("is refused by name where matrices are large", async () => {
    await expect(checkGradient(det(8, 8))).rejects.toThrow(/no gradient for Det \(node Det\): its matrices are 8x8/);
  });
});
