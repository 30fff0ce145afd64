import { type Attributes, int, ints } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

/** Shifts whose sums with whole pixels stay away from pixels' middles, where the slope of interpolation changes. */
const shifts = (shape: readonly number[]) => {
  const raw = randomTensor(shape, { seed: 4, low: -2, high: 2 });
  return { ...raw, data: raw.data.map((value) => Math.floor(value) + 0.15 + 0.7 * (value - Math.floor(value))) };
};

const deformed = (
  kernel: readonly number[],
  output: readonly number[],
  attributes: Attributes,
  masked = true,
): GradientCheck => {
  const group = attributes.group?.kind === "int" ? attributes.group.value : 1;
  const groups = attributes.offset_group?.kind === "int" ? attributes.offset_group.value : 1;
  const taps = groups * kernel[0]! * kernel[1]!;
  return {
    inputs: [
      randomTensor([2, 4, 5, 6], { seed: 1 }),
      randomTensor([6, 4 / group, ...kernel], { seed: 2 }),
      shifts([2, 2 * taps, ...output]),
      randomTensor([6], { seed: 5 }),
      ...(masked ? [randomTensor([2, taps, ...output], { seed: 6, low: 0.2 })] : []),
    ],
    opset: 22,
    build: (b, inputs) => b.op("DeformConv", inputs, attributes),
  };
};

describeGradients(
  "DeformConv",
  {
    plain: deformed([3, 3], [3, 4], {}),
    "without a mask, by steps of two, padded": deformed(
      [3, 3],
      [3, 3],
      { strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) },
      false,
    ),
    "dilated, more padding above than below": deformed([2, 3], [4, 2], {
      dilations: ints([2, 2]),
      pads: ints([1, 0, 0, 0]),
    }),
    "in two groups, with two groups of shifts": deformed([2, 2], [4, 5], { group: int(2), offset_group: int(2) }),
  },
  "float64",
);
