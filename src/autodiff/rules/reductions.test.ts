import type { GraphBuilder, Value } from "../../graph/index.js";
import { type Attributes, int } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { distinctTensor, type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

const shape = [2, 3, 4];
const signed = randomTensor(shape, { seed: 1, awayFrom: [0] });
const positive = randomTensor(shape, { seed: 2, low: 0.5, high: 2 });
const distinct = distinctTensor(shape, { seed: 3 });

const operators = {
  ReduceSum: signed,
  ReduceMean: signed,
  ReduceMax: distinct,
  ReduceMin: distinct,
  ReduceL1: signed,
  ReduceL2: signed,
  ReduceSumSquare: signed,
  ReduceLogSum: positive,
  ReduceLogSumExp: signed,
  ReduceProd: signed,
} as const;

const axesCases = [undefined, [1], [0, 2], [-1], [0, 1, 2]];

const cases = Object.entries(operators).flatMap(([op, input]) =>
  [21, 11].flatMap((opset) =>
    axesCases.map((axes, index): [string, GradientCheck] => {
      const keep = index % 2 === 0;
      return [
        `${op} over ${axes ? `[${axes}]` : "all axes"}, ${keep ? "kept" : "dropped"}, opset ${opset}`,
        { inputs: [input], opset, build: (b, [x]) => b.reduce(op as "ReduceSum", x!, axes, keep) },
      ];
    }),
  ),
);

// ReduceSum takes axes as an input since opset 13, the other reductions since 18.
describeGradients("reductions", Object.fromEntries(cases));

const zeros = (...positions: number[]) => {
  const data = signed.data.slice();
  for (const position of positions) data[position] = 0;
  return { ...signed, data };
};

describeGradients("reductions, special cases", {
  "ReduceSum without axes and noop_with_empty_axes": {
    inputs: [signed],
    build: (b, [x]) => b.op("ReduceSum", [x, b.int64([])], { noop_with_empty_axes: int(1) }),
  },
  "ReduceSum without axes": { inputs: [signed], build: (b, [x]) => b.op("ReduceSum", [x, b.int64([])]) },
  "ReduceProd with one zero in a row and two in another": {
    inputs: [zeros(1, 4, 6)],
    build: (b, [x]) => b.reduce("ReduceProd", x!, [2]),
  },
  "CumSum along axis 1": { inputs: [signed], build: (b, [x]) => b.op("CumSum", [x, axisScalar(b, 1)]) },
  "CumSum, exclusive": {
    inputs: [signed],
    build: (b, [x]) => b.op("CumSum", [x, axisScalar(b, -1)], { exclusive: int(1) }),
  },
  "CumSum, reverse": {
    inputs: [signed],
    build: (b, [x]) => b.op("CumSum", [x, axisScalar(b, 0)], { reverse: int(1) }),
  },
  "CumSum, exclusive and reverse": {
    inputs: [signed],
    build: (b, [x]) => b.op("CumSum", [x, axisScalar(b, 2)], { exclusive: int(1), reverse: int(1) }),
  },
  ...Object.fromEntries(
    [{}, { exclusive: int(1) }, { reverse: int(1) }, { exclusive: int(1), reverse: int(1) }].map((attributes) => [
      `CumProd, ${Object.keys(attributes).join(" and ") || "plain"}, with one zero, two and none`,
      {
        inputs: [zeros(1, 4, 6)],
        opset: 26,
        build: (b: GraphBuilder, [x]: readonly Value[]) =>
          b.op("CumProd", [x, axisScalar(b, 2)], attributes as Attributes),
      },
    ]),
  ),
  "LpNormalization by default": { inputs: [signed], build: (b, [x]) => b.op("LpNormalization", [x]) },
  "LpNormalization, p 2, axis 1": {
    inputs: [signed],
    build: (b, [x]) => b.op("LpNormalization", [x], { axis: int(1) }),
  },
  "LpNormalization, p 1, axis 0": {
    inputs: [signed],
    build: (b, [x]) => b.op("LpNormalization", [x], { axis: int(0), p: int(1) }),
  },
});

function axisScalar(b: Parameters<GradientCheck["build"]>[0], axis: number) {
  return b.constant({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(axis)) });
}
