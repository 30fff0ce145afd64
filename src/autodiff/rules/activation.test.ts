import { describe, expect, it } from "vitest";
import { GraphBuilder, type Value } from "../../graph/index.js";
import { type Attributes, float, string } from "../../onnx/types.js";
import { differentiate } from "../differentiate.js";
import { describeGradients } from "../testing/describeGradients.js";
import { evaluate, type GradientCheck, inputName, randomTensor } from "../testing/finiteDifference.js";

const range = { low: -4, high: 4 };
const smooth = randomTensor([4, 5], { seed: 1, ...range });
const awayFrom = (...points: number[]) => randomTensor([4, 5], { seed: 2, ...range, awayFrom: points });
const awayFromZero = awayFrom(0);

const activation = (op: string, attributes: Attributes = {}, input = smooth, domain = ""): GradientCheck => ({
  inputs: [input],
  build: (b, [x]) => b.op(op, [x], attributes, { domain }),
});
const withBias = (op: string): GradientCheck => ({
  inputs: [smooth, randomTensor([5], { seed: 6 })],
  build: (b, inputs) => b.op(op, inputs, {}, { domain: "com.microsoft" }),
});
const scalar = (value: number) => ({ dtype: "float32", shape: [], data: Float32Array.of(value) }) as const;

describeGradients("activations", {
  Relu: activation("Relu", {}, awayFromZero),
  Sigmoid: activation("Sigmoid"),
  Tanh: activation("Tanh"),
  Swish: { ...activation("Swish"), opset: 24 },
  "Swish, alpha 1.5": { ...activation("Swish", { alpha: float(1.5) }), opset: 24 },
  "com.microsoft:FastGelu": activation("FastGelu", {}, smooth, "com.microsoft"),
  "Gelu by tanh": activation("Gelu", { approximate: string("tanh") }),
  "com.microsoft:FastGelu with a bias": withBias("FastGelu"),
  // ONNX Runtime rounds its float64 results to float32; a longer step stays above that.
  Shrink: { ...activation("Shrink", {}, awayFrom(-0.5, 0.5)), step: 1 / 32 },
  "Shrink, lambd 1.5, bias 1.5": {
    ...activation("Shrink", { lambd: float(1.5), bias: float(1.5) }, awayFrom(-1.5, 1.5)),
    step: 1 / 32,
  },
  "Clip to [-1, 2]": {
    inputs: [awayFrom(-1, 2)],
    build: (b, [x]) => b.op("Clip", [x, b.scalar(-1, "float32"), b.scalar(2, "float32")]),
  },
  "Clip without a lower bound": {
    inputs: [awayFrom(2)],
    build: (b, [x]) => b.op("Clip", [x, undefined, b.scalar(2)]),
  },
  "Clip with bounds that are trained": {
    inputs: [awayFrom(-1.25, 1.5), scalar(-1.25), scalar(1.5)],
    build: (b, inputs) => b.op("Clip", inputs),
  },
});

describeGradients(
  "activations that ONNX Runtime has for float32 alone",
  {
    LeakyRelu: activation("LeakyRelu", {}, awayFromZero),
    "LeakyRelu, alpha 0.3": activation("LeakyRelu", { alpha: float(0.3) }, awayFromZero),
    ThresholdedRelu: activation("ThresholdedRelu", {}, awayFrom(1)),
    "ThresholdedRelu, alpha -0.5": activation("ThresholdedRelu", { alpha: float(-0.5) }, awayFrom(-0.5)),
    Elu: activation("Elu", {}, awayFromZero),
    "Elu, alpha 0.7": activation("Elu", { alpha: float(0.7) }, awayFromZero),
    Selu: activation("Selu", {}, awayFromZero),
    "Selu, alpha 1.2, gamma 0.8": activation("Selu", { alpha: float(1.2), gamma: float(0.8) }, awayFromZero),
    Celu: activation("Celu", {}, awayFromZero),
    "Celu, alpha 2": activation("Celu", { alpha: float(2) }, awayFromZero),
    "PRelu, a slope for each column": {
      inputs: [awayFromZero, randomTensor([5], { seed: 3 })],
      build: (b, inputs) => b.op("PRelu", inputs),
    },
    "PRelu, a slope for each channel": {
      inputs: [randomTensor([2, 3, 2, 2], { seed: 4, awayFrom: [0] }), randomTensor([3, 1, 1], { seed: 5 })],
      build: (b, inputs) => b.op("PRelu", inputs),
    },
    HardSigmoid: activation("HardSigmoid", {}, awayFrom(-2.5, 2.5)),
    "HardSigmoid, alpha 1/6": activation("HardSigmoid", { alpha: float(1 / 6) }, awayFrom(-3, 3)),
    HardSwish: activation("HardSwish", {}, awayFrom(-3, 3)),
    Erf: activation("Erf"),
    Gelu: activation("Gelu"),
    Softplus: activation("Softplus"),
    Softsign: activation("Softsign", {}, awayFromZero),
    Mish: activation("Mish"),
    "com.microsoft:Gelu": activation("Gelu", {}, smooth, "com.microsoft"),
    "com.microsoft:QuickGelu": activation("QuickGelu", {}, smooth, "com.microsoft"),
    "com.microsoft:BiasGelu": withBias("BiasGelu"),
  },
  "float32",
);

describeGradients(
  "Clip before opset 11, with bounds as attributes",
  {
    "Clip to [-1, 2]": {
      ...activation("Clip", { min: float(-1), max: float(2) }, awayFrom(-1, 2)),
      opset: 10,
    },
  },
  "float32",
);

describe("where the derivative does not exist, PyTorch's choice holds:", () => {
  const slopes = async (points: readonly number[], build: (b: GraphBuilder, x: Value) => Value) => {
    const b = new GraphBuilder();
    const x = b.input(inputName(0), "float32", [points.length]);
    b.output("dx", differentiate(b, b.sum(build(b, x)), [x])[0]!);
    const inputs = [{ dtype: "float32", shape: x.shape, data: Float32Array.from(points) }] as const;
    return Array.from((await evaluate(b.finish("kinks"), inputs, b.opsets)).get("dx")!.data, Number);
  };
  // Written by hand from the definitions in PyTorch's ATen: threshold_backward, leaky_relu_backward, clamp_backward, and so on.
  it.each([
    ["Relu at 0", [0, -0], (b: GraphBuilder, x: Value) => b.relu(x), [0, 0]],
    ["LeakyRelu at 0", [0], (b: GraphBuilder, x: Value) => b.op("LeakyRelu", [x], { alpha: float(0.25) }), [0.25]],
    ["Abs at 0", [0], (b: GraphBuilder, x: Value) => b.op("Abs", [x]), [0]],
    [
      "Clip at its bounds",
      [-1, 6],
      (b: GraphBuilder, x: Value) => b.op("Clip", [x, b.scalar(-1), b.scalar(6)]),
      [1, 1],
    ],
    [
      "HardSigmoid at its bounds",
      [-2, 2],
      (b: GraphBuilder, x: Value) => b.op("HardSigmoid", [x], { alpha: float(0.25) }),
      [0, 0],
    ],
    ["HardSwish at 3", [-3, 3], (b: GraphBuilder, x: Value) => b.op("HardSwish", [x]), [0, 1]],
    ["Max of ties", [2, -1], (b: GraphBuilder, x: Value) => b.op("Max", [x, b.scalar(2)]), [0.5, 0]],
    ["x^p at 0", [0], (b: GraphBuilder, x: Value) => b.op("Pow", [x, b.scalar(2)]), [0]],
    ["ReduceMax of ties", [3, 3, 1], (b: GraphBuilder, x: Value) => b.reduce("ReduceMax", x), [0.5, 0.5, 0]],
    ["ReduceL2 at 0", [0, 0], (b: GraphBuilder, x: Value) => b.reduce("ReduceL2", x), [0, 0]],
  ])("%s", async (_, points, build, expected) => {
    expect((await slopes(points, build)).map((slope) => slope + 0)).toEqual(expected);
  });
});
