import { int } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

const x = randomTensor([2, 3, 4], { seed: 1, low: -2, high: 2 });
const cases = (op: string, axis: number | undefined, opset: number): [string, GradientCheck] => [
  `${op}, axis ${axis ?? "by default"}, opset ${opset}`,
  { inputs: [x], opset, build: (b, [v]) => b.op(op, [v], axis === undefined ? {} : { axis: int(axis) }) },
];

// Up to opset 12 the tensor is flattened to a matrix at the axis: for axis 1, 12 elements sum to one, not 3.
describeGradients(
  "softmax",
  Object.fromEntries(
    ["Softmax", "LogSoftmax"].flatMap((op) =>
      [21, 12].flatMap((opset) => [undefined, 0, 1, 2, -2].map((axis) => cases(op, axis, opset))),
    ),
  ),
);
