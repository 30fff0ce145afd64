import { expect, it } from "vitest";
import { GraphBuilder } from "../../graph/index.js";
import { type Attributes, int, ints, string } from "../../onnx/types.js";
import { differentiate } from "../differentiate.js";
import { describeGradients } from "../testing/describeGradients.js";
import { distinctTensor, evaluate, type GradientCheck, inputName, randomTensor } from "../testing/finiteDifference.js";

const windows: Readonly<Record<string, readonly [shape: readonly number[], attributes: Attributes]>> = {
  "2x2, stride 2": [[2, 3, 6, 4], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }],
  "2x2, stride 2, rest unread": [[2, 2, 7, 5], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }],
  "3x2, overlapping": [[2, 2, 6, 5], { kernel_shape: ints([3, 2]) }],
  "3x3, stride 2, padded": [
    [2, 2, 7, 8],
    { kernel_shape: ints([3, 3]), strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) },
  ],
  "asymmetric pads": [[2, 2, 6, 6], { kernel_shape: ints([3, 3]), strides: ints([2, 1]), pads: ints([0, 2, 1, 0]) }],
  ceil_mode: [[2, 2, 6, 7], { kernel_shape: ints([3, 2]), strides: ints([2, 2]), ceil_mode: int(1) }],
  "ceil_mode, padded": [
    [2, 2, 6, 7],
    { kernel_shape: ints([3, 3]), strides: ints([2, 2]), pads: ints([1, 1, 1, 1]), ceil_mode: int(1) },
  ],
  "dilation 2": [[2, 2, 8, 7], { kernel_shape: ints([3, 2]), dilations: ints([2, 2]), pads: ints([1, 0, 1, 1]) }],
  SAME_UPPER: [[2, 2, 5, 6], { kernel_shape: ints([2, 3]), strides: ints([2, 2]), auto_pad: string("SAME_UPPER") }],
  SAME_LOWER: [[2, 2, 5, 6], { kernel_shape: ints([2, 3]), strides: ints([2, 2]), auto_pad: string("SAME_LOWER") }],
  "1-D": [[2, 3, 9], { kernel_shape: ints([3]), strides: ints([2]), pads: ints([1, 0]) }],
  "3-D": [[1, 2, 4, 5, 4], { kernel_shape: ints([2, 2, 3]), strides: ints([2, 1, 2]) }],
};

const check = (op: string, x: ReturnType<typeof randomTensor>, attributes: Attributes): GradientCheck => ({
  inputs: [x],
  build: (b, inputs) => b.op(op, inputs, attributes),
});

// The maxima are at least 0.1 apart, so that the differencing step of 1/32 changes none; MaxPool is then linear.
describeGradients(
  "MaxPool",
  Object.fromEntries(
    Object.entries(windows).map(([name, [shape, attributes]]) => [
      `MaxPool, ${name}`,
      check("MaxPool", distinctTensor(shape), attributes),
    ]),
  ),
);

describeGradients(
  "AveragePool",
  Object.fromEntries(
    Object.entries(windows).flatMap(([name, [shape, attributes]]) =>
      [0, 1].map((included) => [
        `AveragePool, ${name}${included ? ", padding counted" : ""}`,
        check("AveragePool", randomTensor(shape), { ...attributes, count_include_pad: int(included) }),
      ]),
    ),
  ),
  "float32",
);

describeGradients(
  "global pooling",
  Object.fromEntries(
    [
      [2, 3, 4, 5],
      [2, 3, 4],
      [1, 2, 3, 2, 3],
    ].flatMap((shape) => [
      [`GlobalAveragePool, ${shape.length - 2} axes`, check("GlobalAveragePool", randomTensor(shape), {})],
      [`GlobalMaxPool, ${shape.length - 2} axes`, check("GlobalMaxPool", distinctTensor(shape), {})],
    ]),
  ),
  "float32",
);

it("the first of equal maxima gets the gradient, as in PyTorch", async () => {
  const b = new GraphBuilder();
  const x = b.input(inputName(0), "float32", [1, 1, 2, 4]);
  const y = b.op("MaxPool", [x], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });
  const [dx] = differentiate(b, b.sum(y), [x]);
  b.output("dx", dx!);
  const data = Float32Array.of(0, 0, 1, 3, 0, 0, 3, 3);
  const results = await evaluate(b.finish("ties"), [{ dtype: "float32", shape: [1, 1, 2, 4], data }], b.opsets);
  expect([...results.get("dx")!.data]).toEqual([1, 0, 0, 1, 0, 0, 0, 0]);
});

// x stays away from 0, where |x| and with it the norm of order 1 have no derivative, and which the norms of small windows bend around.
const lp = (op: string, p: number, shape: readonly number[], attributes: Attributes = {}): GradientCheck => ({
  ...check(op, randomTensor(shape, { seed: 3, awayFrom: [0] }), { p: int(p), ...attributes }),
  step: 1 / 128,
});

describeGradients(
  "LpPool",
  {
    ...Object.fromEntries(
      Object.entries(windows).map(([name, [shape, attributes]]) => [
        `LpPool, ${name}`,
        lp("LpPool", 2, shape, attributes),
      ]),
    ),
    "LpPool of order 1": lp("LpPool", 1, [2, 2, 6, 5], { kernel_shape: ints([3, 2]) }),
    "LpPool of order 3": lp("LpPool", 3, [2, 2, 6, 5], { kernel_shape: ints([3, 2]) }),
    GlobalLpPool: lp("GlobalLpPool", 2, [2, 3, 4, 3]),
    "GlobalLpPool of order 1": lp("GlobalLpPool", 1, [2, 3, 5]),
    "GlobalLpPool of order 3": lp("GlobalLpPool", 3, [2, 3, 4, 3]),
  },
  "float32",
);

it("LpPool has gradient 0 where a window holds zeros alone", async () => {
  const b = new GraphBuilder();
  const x = b.input(inputName(0), "float32", [1, 1, 4]);
  const y = b.op("LpPool", [x], { kernel_shape: ints([2]), strides: ints([2]) });
  b.output("dx", differentiate(b, b.sum(y), [x])[0]!);
  const input = { dtype: "float32", shape: [1, 1, 4], data: Float32Array.of(0, 0, 3, -4) } as const;
  const { data } = (await evaluate(b.finish("zeros"), [input], b.opsets)).get("dx")!;
  expect(Array.from(data, Number)).toEqual([0, 0, Math.fround(0.6), Math.fround(-0.8)]);
});
