import { float, int } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

type Shape = readonly number[];

const product = (left: Shape, right: Shape, opset = 21): [string, GradientCheck] => [
  `[${left}] by [${right}], opset ${opset}`,
  {
    inputs: [randomTensor(left, { seed: 1 }), randomTensor(right, { seed: 2 })],
    opset,
    build: (b, [a, c]) => b.matMul(a!, c!),
  },
];

describeGradients(
  "MatMul",
  Object.fromEntries([
    product([3, 4], [4, 5]),
    product([1, 4], [4, 1]),
    product([4], [4]),
    product([4], [4, 5]),
    product([3, 4], [4]),
    product([2, 3, 4], [4]),
    product([4], [2, 4, 3]),
    product([2, 3, 4], [4, 5]),
    product([2, 2, 3, 4], [4, 5]),
    product([3, 4], [2, 4, 5]),
    product([2, 3, 4], [2, 4, 5]),
    product([2, 1, 3, 4], [1, 3, 4, 2]),
    product([2, 1, 3, 4], [3, 4, 2]),
    product([1, 3, 4], [2, 4, 2]),
    product([3, 4], [4, 5], 9),
  ]),
);

const gemm = (
  transA: number,
  transB: number,
  addend: Shape | undefined,
  scales: { alpha?: number; beta?: number } = {},
  opset = 21,
): [string, GradientCheck] => {
  const { alpha = 1, beta = 1 } = scales;
  const left = randomTensor(transA ? [4, 3] : [3, 4], { seed: 3 });
  const right = randomTensor(transB ? [5, 4] : [4, 5], { seed: 4 });
  return [
    `transA ${transA}, transB ${transB}, C [${addend}], alpha ${alpha}, beta ${beta}, opset ${opset}`,
    {
      inputs: addend ? [left, right, randomTensor(addend, { seed: 5 })] : [left, right],
      opset,
      build: (b, inputs) =>
        b.op("Gemm", inputs, { transA: int(transA), transB: int(transB), alpha: float(alpha), beta: float(beta) }),
    },
  ];
};

describeGradients(
  "Gemm",
  Object.fromEntries([
    gemm(0, 0, [5]),
    gemm(0, 1, [1, 5]),
    gemm(1, 0, [3, 1]),
    gemm(1, 1, [3, 5]),
    gemm(0, 1, []),
    gemm(0, 1, undefined),
    gemm(0, 0, [5], { alpha: 0.5, beta: 2 }),
    gemm(0, 1, [5], { alpha: 0.5, beta: 2 }),
    gemm(1, 0, [5], { alpha: -0.5, beta: 2 }),
    gemm(1, 1, [5], { alpha: -0.5, beta: 2 }),
    gemm(1, 1, [5], { alpha: 3 }, 9),
  ]),
);

const fused = (transA: number, transB: number, left: Shape, right: Shape): [string, GradientCheck] => [
  `transA ${transA}, transB ${transB}, [${left}] by [${right}]`,
  {
    inputs: [randomTensor(left, { seed: 6 }), randomTensor(right, { seed: 7 })],
    build: (b, inputs) =>
      b.op(
        "FusedMatMul",
        inputs,
        { transA: int(transA), transB: int(transB), alpha: float(0.5) },
        { domain: "com.microsoft" },
      ),
  },
];

describeGradients(
  "com.microsoft:FusedMatMul",
  Object.fromEntries([
    fused(0, 0, [3, 4], [4, 5]),
    fused(1, 0, [2, 4, 3], [2, 4, 5]),
    fused(0, 1, [2, 3, 4], [2, 5, 4]),
    fused(1, 1, [2, 4, 3], [2, 5, 4]),
  ]),
);
