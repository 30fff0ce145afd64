import { ints } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

const fold = (
  shape: readonly number[],
  image: readonly number[],
  block: readonly number[],
  attributes: Record<string, readonly number[]> = {},
): GradientCheck => ({
  inputs: [randomTensor(shape, { seed: shape[2]! })],
  build: (b, [x]) =>
    b.op(
      "Col2Im",
      [x, b.int64(image), b.int64(block)],
      Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, ints(value)])),
    ),
});

describeGradients(
  "Col2Im",
  {
    "of blocks side by side": fold([2, 8, 6], [4, 6], [2, 2], { strides: [2, 2] }),
    "of blocks that overlap": fold([1, 18, 6], [4, 5], [3, 3]),
    "with padding, steps and dilation": fold([2, 12, 9], [5, 6], [2, 3], {
      strides: [2, 2],
      dilations: [2, 1],
      pads: [1, 0, 1, 2],
    }),
  },
  "float32",
);
