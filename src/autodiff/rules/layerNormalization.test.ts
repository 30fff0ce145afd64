import { type Attributes, float, int, ints, onnxDataType } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

function check(
  op: string,
  x: readonly number[],
  parameters: readonly (readonly number[])[],
  attributes: Attributes,
  opset = 21,
): GradientCheck {
  return {
    opset,
    inputs: [
      randomTensor(x, { seed: 1, low: -2, high: 3 }),
      ...parameters.map((shape, index) => randomTensor(shape, { seed: 2 + index, low: 0.5, high: 1.5 })),
    ],
    build: (b, inputs) => b.op(op, inputs, { epsilon: float(1e-3), ...attributes }),
  };
}

/** The type GroupNormalization computes its statistics in; float32 by default, whose rounding central differences would magnify. */
const inDouble = { stash_type: int(onnxDataType.float64) };

describeGradients("normalisation over an example's axes", {
  LayerNormalization: check("LayerNormalization", [4, 6], [[6], [6]], {}),
  "LayerNormalization without bias": check("LayerNormalization", [2, 3, 5], [[5]], {}),
  "LayerNormalization over two axes": check(
    "LayerNormalization",
    [2, 3, 5],
    [
      [3, 5],
      [3, 5],
    ],
    { axis: int(1) },
  ),
  "LayerNormalization over the whole tensor": check(
    "LayerNormalization",
    [3, 4],
    [
      [3, 4],
      [3, 4],
    ],
    { axis: int(-2) },
  ),
  "LayerNormalization, opset 17": check("LayerNormalization", [4, 6], [[6], [6]], {}, 17),
  RMSNormalization: check("RMSNormalization", [2, 3, 5], [[5]], {}, 23),
  SimplifiedLayerNormalization: check("SimplifiedLayerNormalization", [2, 3, 5], [[5]], { axis: int(-1) }),
  GroupNormalization: check("GroupNormalization", [2, 6, 3, 2], [[6], [6]], { num_groups: int(3), ...inDouble }),
  "GroupNormalization, one group": check("GroupNormalization", [2, 4, 5], [[4], [4]], {
    num_groups: int(1),
    ...inDouble,
  }),
});

describeGradients(
  "normalisation over positions",
  {
    InstanceNormalization: check("InstanceNormalization", [2, 3, 4, 3], [[3], [3]], {}),
    "InstanceNormalization, 1-D": check("InstanceNormalization", [2, 3, 6], [[3], [3]], {}),
  },
  "float32",
);

const acrossChannels = (attributes: Attributes): GradientCheck => ({
  inputs: [randomTensor([2, 5, 3, 2], { seed: 6, low: -2, high: 2 })],
  build: (b, inputs) => b.op("LRN", inputs, { alpha: float(0.9), ...attributes }),
});

describeGradients(
  "normalisation without parameters",
  {
    MeanVarianceNormalization: {
      inputs: [randomTensor([2, 3, 4, 3], { seed: 7 })],
      build: (b, inputs) => b.op("MeanVarianceNormalization", inputs),
    },
    "MeanVarianceNormalization over named axes": {
      inputs: [randomTensor([2, 3, 6], { seed: 8 })],
      build: (b, inputs) => b.op("MeanVarianceNormalization", inputs, { axes: ints([1, -1]) }),
    },
    "LRN of three channels": acrossChannels({ size: int(3) }),
    "LRN of one channel": acrossChannels({ size: int(1) }),
    "LRN of more channels than there are, beta 1.5, bias 2": acrossChannels({
      size: int(11),
      beta: float(1.5),
      bias: float(2),
    }),
  },
  "float32",
);

/** The sum of all outputs, the first squared. */
const ofStatistics = (op: string, outputs: number): GradientCheck => ({
  ...check(op, [4, 6], op === "LayerNormalization" ? [[6], [6]] : [[6]], {}),
  step: 1 / 128,
  build: (b, values) => {
    const [y, ...statistics] = b.add(op, values, { epsilon: float(1e-3), axis: int(-1) }, { outputs });
    return statistics.map((value) => b.sum(value)).reduce((sum, term) => b.plus(sum, term), b.sum(b.square(y!)));
  },
});

describeGradients(
  "the statistics of a normalisation",
  {
    "LayerNormalization's mean": {
      ...check("LayerNormalization", [4, 3], [[3]], {}),
      build: (b, values) => b.square(b.add("LayerNormalization", values, {}, { outputs: 2 })[1]!),
    },
    "LayerNormalization's mean and deviation": ofStatistics("LayerNormalization", 3),
    "SimplifiedLayerNormalization's deviation": ofStatistics("SimplifiedLayerNormalization", 2),
  },
  "float32",
);
