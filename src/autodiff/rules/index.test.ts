import { expect, it } from "vitest";
import { hasInference } from "../../graph/index.js";
import { differentiableOperators } from "../index.js";

/** Operators that models for classification are made of. */
const expected = [
  ["Conv", "ConvTranspose", "MatMul", "Gemm", "Add", "Sub", "Mul", "Div", "Neg", "Pow", "Sqrt", "Exp", "Log", "Relu"],
  ["LeakyRelu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Erf", "Gelu", "Softmax", "LogSoftmax"],
  [
    "BatchNormalization",
    "LayerNormalization",
    "GlobalAveragePool",
    "AveragePool",
    "MaxPool",
    "ReduceMean",
    "ReduceSum",
  ],
  ["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Split", "Slice", "Pad", "Gather", "Expand"],
  ["Where", "Dropout", "Identity"],
].flat();

it("every operator that classifiers are made of has a gradient rule", () => {
  const rules = new Set(differentiableOperators());
  expect(expected.filter((operator) => !rules.has(operator))).toEqual([]);
});

it("every operator with a gradient rule has a shape rule, without which it could not be built", () => {
  const withoutShape = differentiableOperators().filter((key) => {
    const [domain, op] = key.includes(":") ? key.split(":") : ["", key];
    return !hasInference(op!, domain!);
  });
  expect(withoutShape).toEqual([]);
});
