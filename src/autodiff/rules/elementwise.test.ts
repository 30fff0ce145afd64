import { int, onnxDataType } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { distinctTensor, type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

const shape = [3, 4] as const;
const x = randomTensor(shape, { seed: 1 });
const positive = randomTensor(shape, { seed: 2, low: 0.5, high: 2 });
const awayFromZero = randomTensor(shape, { seed: 3, awayFrom: [0], gap: 0.3 });

const unary = (op: string, input = x): GradientCheck => ({ inputs: [input], build: (b, [v]) => b.op(op, [v]) });

/** Every way two operands broadcast: same shape, in front, from 1, both ways, scalars. */
const pairs: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [3, 4],
    [3, 4],
  ],
  [[3, 4], [4]],
  [[4], [2, 3, 4]],
  [
    [2, 3, 4],
    [3, 1],
  ],
  [
    [3, 1],
    [1, 4],
  ],
  [
    [2, 1, 4],
    [1, 3, 1],
  ],
  [[3, 4], []],
  [[], [2, 2]],
];

const binary = (op: string, low: number, high: number) =>
  Object.fromEntries(
    pairs.map(([left, right]): [string, GradientCheck] => [
      `${op} of [${left}] and [${right}]`,
      {
        inputs: [randomTensor(left, { seed: 4, low, high }), randomTensor(right, { seed: 5, low, high })],
        build: (b, inputs) => b.op(op, inputs),
      },
    ]),
  );

describeGradients("arithmetic with broadcasting", {
  ...binary("Add", -1, 1),
  ...binary("Sub", -1, 1),
  ...binary("Mul", -1, 1),
  ...binary("Div", 0.5, 2),
  ...binary("Pow", 0.5, 2),
  "a value times itself": { inputs: [x], build: (b, [v]) => b.times(v!, v!) },
  "Div by a negative": { inputs: [x, awayFromZero], build: (b, [v, w]) => b.over(v!, w!) },
});

const power = (exponent: number, input = positive): GradientCheck => ({
  inputs: [input],
  build: (b, [v]) => b.op("Pow", [v, b.scalar(exponent)]),
});

describeGradients("Pow with a constant exponent", {
  "x^0": power(0),
  "x^1": power(1, x),
  "x^2 of both signs": power(2, x),
  "x^3 of both signs": power(3, x),
  "x^4 of both signs": power(4, x),
  "x^0.5": power(0.5),
  "x^-1 of both signs": power(-1, awayFromZero),
  "x^-1.5": power(-1.5),
  "x^p with an exponent for each column": {
    inputs: [positive],
    build: (b, [v]) =>
      b.op("Pow", [v, b.constant({ dtype: "float32", shape: [4], data: Float32Array.of(0, 1, 2, -0.5) })]),
  },
  "x^p with integer exponents": {
    inputs: [awayFromZero],
    build: (b, [v]) =>
      b.op("Pow", [v, b.constant({ dtype: "int64", shape: [4], data: BigInt64Array.of(0n, 1n, 2n, 3n) })]),
  },
  "c^x for a constant base": { inputs: [x], build: (b, [v]) => b.op("Pow", [b.scalar(1.7), v]) },
});

describeGradients("functions of one element", {
  Neg: unary("Neg"),
  Sqrt: unary("Sqrt", positive),
  Reciprocal: unary("Reciprocal", awayFromZero),
  Exp: unary("Exp"),
  Log: unary("Log", positive),
  Abs: unary("Abs", awayFromZero),
  Identity: unary("Identity"),
  "Cast to float64 and back": {
    inputs: [x],
    build: (b, [v]) => {
      const doubled = b.square(b.op("Cast", [v], { to: int(onnxDataType.float64) }));
      return b.op("Cast", [doubled], { to: int(onnxDataType.float32) });
    },
  },
  CastLike: {
    inputs: [x],
    build: (b, [v]) => b.op("CastLike", [b.square(b.op("CastLike", [v, b.scalar(1, "float64")])), b.scalar(1)]),
  },
  Floor: unary("Floor", randomTensor(shape, { seed: 12, awayFrom: [-1, 0, 1] })),
  Sign: unary("Sign", awayFromZero),
});

const distinct = distinctTensor([24], { seed: 6 });
const part = (start: number, shape: readonly number[]) =>
  ({ dtype: "float32", shape, data: distinct.data.slice(start, start + shape.reduce((a, b) => a * b, 1)) }) as const;

describeGradients("functions of several operands", {
  "Sum of three shapes": {
    inputs: [x, randomTensor([4], { seed: 7 }), randomTensor([3, 1], { seed: 8 })],
    build: (b, inputs) => b.op("Sum", inputs),
  },
  "Max of three shapes": {
    inputs: [part(0, [3, 4]), part(12, [4]), part(16, [3, 1])],
    build: (b, inputs) => b.op("Max", inputs),
  },
  "Min of three shapes": {
    inputs: [part(0, [3, 4]), part(12, [4]), part(16, [3, 1])],
    build: (b, inputs) => b.op("Min", inputs),
  },
  "Mod, truncated": {
    inputs: [
      randomTensor([3, 4], { seed: 13, low: -7, high: 7 }),
      randomTensor([4], { seed: 14, low: 1.1, high: 2.9 }),
    ],
    build: (b, inputs) => b.op("Mod", inputs, { fmod: int(1) }),
  },
  "Max of one operand": { inputs: [x], build: (b, inputs) => b.op("Max", inputs) },
  "Where with a condition that broadcasts": {
    inputs: [randomTensor([3, 4], { seed: 9 }), randomTensor([4], { seed: 10 })],
    build: (b, [v, w]) => {
      const condition = b.constant({ dtype: "bool", shape: [2, 3, 1], data: Uint8Array.of(1, 0, 1, 0, 0, 1) });
      return b.where(condition, v!, w!);
    },
  },
  "Where between a value and a scalar": {
    inputs: [awayFromZero, randomTensor([], { seed: 11 })],
    build: (b, [v, w]) => b.where(b.op("Greater", [v, b.scalar(0)]), v!, w!),
  },
});

describeGradients(
  "functions of several operands that ONNX Runtime has for float32 alone",
  {
    "Mean of three shapes": {
      inputs: [x, randomTensor([4], { seed: 7 }), randomTensor([3, 1], { seed: 8 })],
      build: (b, inputs) => b.op("Mean", inputs),
    },
  },
  "float32",
);
