import { type Attributes, int, ints, string } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

function check(
  op: string,
  x: readonly number[],
  w: readonly number[],
  maps: number,
  attributes: Attributes,
): GradientCheck {
  return {
    inputs: [randomTensor(x, { seed: 1 }), randomTensor(w, { seed: 2 }), randomTensor([maps], { seed: 3 })],
    build: (b, inputs) => b.op(op, inputs, attributes),
  };
}

const conv = (x: readonly number[], w: readonly number[], attributes: Attributes = {}) =>
  check("Conv", x, w, w[0]!, attributes);

// What the abstract operators compute is tested in lowering/; here the attributes that the rule resolves.
describeGradients(
  "Conv",
  {
    "Conv, attributes by default": conv([2, 3, 5, 6], [4, 3, 3, 2]),
    "Conv, pads, strides, dilations": conv([2, 2, 8, 7], [3, 2, 3, 2], {
      pads: ints([1, 0, 2, 1]),
      strides: ints([2, 1]),
      dilations: ints([1, 2]),
    }),
    "Conv, SAME_UPPER, stride 2": conv([2, 2, 7, 6], [3, 2, 3, 3], {
      auto_pad: string("SAME_UPPER"),
      strides: ints([2, 2]),
    }),
    "Conv, SAME_LOWER, even kernel": conv([2, 2, 5, 6], [3, 2, 2, 4], { auto_pad: string("SAME_LOWER") }),
    "Conv, VALID": conv([2, 2, 5, 6], [3, 2, 3, 3], { auto_pad: string("VALID"), strides: ints([2, 3]) }),
    "Conv, two groups": conv([2, 4, 5, 5], [6, 2, 3, 3], { group: int(2), pads: ints([1, 1, 1, 1]) }),
    "Conv, depthwise, stride 2": conv([2, 3, 6, 7], [3, 1, 3, 3], {
      group: int(3),
      pads: ints([1, 1, 1, 1]),
      strides: ints([2, 2]),
    }),
    "Conv, 1x1, stride 2": conv([2, 3, 5, 6], [4, 3, 1, 1], { strides: ints([2, 2]) }),
    "Conv, 1-D": conv([2, 3, 9], [4, 3, 3], { pads: ints([1, 1]), strides: ints([2]) }),
    "Conv, 3-D": conv([2, 2, 4, 3, 4], [3, 2, 2, 3, 2], { pads: ints([0, 1, 0, 1, 1, 0]) }),
  },
  "float32",
);

const transpose = (x: readonly number[], w: readonly number[], attributes: Attributes = {}, group = 1) =>
  check("ConvTranspose", x, w, w[1]! * group, { group: int(group), ...attributes });

describeGradients(
  "ConvTranspose",
  {
    "ConvTranspose, attributes by default": transpose([2, 3, 4, 5], [3, 2, 3, 2]),
    "ConvTranspose, stride 2, pads, output_padding": transpose([2, 3, 4, 3], [3, 2, 3, 3], {
      strides: ints([2, 2]),
      pads: ints([1, 0, 1, 1]),
      output_padding: ints([1, 0]),
    }),
    "ConvTranspose, dilation 2": transpose([2, 2, 4, 4], [2, 2, 2, 3], {
      dilations: ints([2, 2]),
      pads: ints([1, 0, 0, 1]),
    }),
    "ConvTranspose, two groups, stride 3": transpose([2, 4, 3, 3], [4, 2, 2, 4], { strides: ints([3, 2]) }, 2),
    "ConvTranspose, depthwise": transpose([2, 3, 4, 4], [3, 1, 3, 3], { strides: ints([2, 2]) }, 3),
    "ConvTranspose, output_shape": transpose([2, 2, 4, 4], [2, 3, 3, 3], {
      strides: ints([2, 2]),
      output_shape: ints([8, 7]),
    }),
    "ConvTranspose, SAME_UPPER": transpose([2, 2, 4, 3], [2, 3, 3, 3], {
      strides: ints([2, 2]),
      auto_pad: string("SAME_UPPER"),
    }),
    "ConvTranspose, 1-D": transpose([2, 3, 5], [3, 2, 4], { strides: ints([2]), pads: ints([1, 2]) }),
    "ConvTranspose, 3-D": transpose([1, 2, 3, 2, 3], [2, 2, 2, 2, 2], { strides: ints([2, 1, 2]) }),
  },
  "float32",
);
