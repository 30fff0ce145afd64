import { describe } from "vitest";
import { agreesWithOrt, f32, refuses, typed } from "../ortOracle.js";

describe("MatMul", () => {
  agreesWithOrt([
    { op: "MatMul", inputs: [f32(2, 3), f32(3, 4)] },
    { op: "MatMul", inputs: [f32(3), f32(3, 4)] },
    { op: "MatMul", inputs: [f32(2, 3), f32(3)] },
    { op: "MatMul", inputs: [f32(3), f32(3)] },
    { op: "MatMul", inputs: [f32(5, 1, 2, 3), f32(4, 3, 2)] },
    { op: "MatMul", inputs: [f32(3), f32(5, 3, 2)] },
    { op: "MatMul", inputs: [f32(5, 2, 3), f32(3)] },
    { op: "MatMul", inputs: [typed("float64", 2, 3), typed("float64", 3, 1)] },
  ]);
});

describe("Gemm", () => {
  agreesWithOrt([
    { op: "Gemm", inputs: [f32(2, 3), f32(3, 4)] },
    { op: "Gemm", inputs: [f32(3, 2), f32(4, 3), f32(4)], attributes: { transA: 1, transB: 1 } },
    { op: "Gemm", inputs: [f32(2, 3), f32(3, 4), f32(2, 1)], attributes: { alpha: 0.5, beta: 0.25 } },
    { op: "Gemm", inputs: [f32(2, 3), f32(3, 4), f32()] },
    { op: "Gemm", inputs: [f32(2, 3), f32(4, 3), f32(2, 4)], attributes: { transB: 1 }, opset: 9 },
  ]);
});

describe("FusedMatMul and FusedGemm", () => {
  const fused = { op: "FusedMatMul", domain: "com.microsoft" };
  agreesWithOrt([
    { ...fused, inputs: [f32(2, 3), f32(3, 4)], attributes: { alpha: 0.5 } },
    { ...fused, inputs: [f32(5, 3, 2), f32(5, 4, 3)], attributes: { transA: 1, transB: 1 } },
    { ...fused, inputs: [f32(2, 5, 3), f32(5, 3, 4)], attributes: { transBatchA: 1 } },
    { ...fused, inputs: [f32(5, 2, 3), f32(3, 5, 4)], attributes: { transBatchB: 1 } },
    { ...fused, inputs: [f32(3, 5, 2), f32(5, 3, 4)], attributes: { transA: 1, transBatchA: 1 } },
    { ...fused, inputs: [f32(2, 6, 5, 3), f32(6, 5, 3, 4)], attributes: { transBatchA: 1 } },
    {
      op: "FusedGemm",
      domain: "com.microsoft",
      inputs: [f32(2, 3), f32(3, 4), f32(4)],
      attributes: { activation: "Relu" },
    },
  ]);
});

describe("Einsum", () => {
  const einsum = (equation: string, ...shapes: number[][]) => ({
    op: "Einsum",
    inputs: shapes.map((shape) => f32(...shape)),
    attributes: { equation },
  });
  agreesWithOrt([
    einsum("ij,jk->ik", [2, 3], [3, 4]),
    einsum("ij,jk", [2, 3], [3, 4]),
    einsum("bhid, bhjd -> bhij", [2, 3, 4, 5], [2, 3, 6, 5]),
    einsum("...ij,...jk->...ik", [5, 1, 2, 3], [1, 4, 3, 2]),
    einsum("ij->ji", [2, 3]),
    einsum("ij->", [2, 3]),
    einsum("ii->i", [3, 3]),
    einsum("ba", [2, 3]),
    einsum("...i->...", [2, 3, 4]),
    einsum("i,j,k->kji", [2], [3], [4]),
  ]);
  refuses([
    [einsum("ij,jk->ik", [2, 3], [4, 5]), /label "j" has different sizes/],
    [einsum("ij->k", [2, 3]), /label "k" occurs in no input/],
    [einsum("ijk->i", [2, 3]), /term "ijk" does not fit rank 2/],
    [einsum("ij,jk", [2, 3]), /2 terms for 1 inputs/],
    [einsum("i;j", [2]), /no Einsum equation/],
  ]);
});

refuses([
  [{ op: "MatMul", inputs: [f32(2, 3), f32(4, 5)] }, /inner sizes differ: 3 of \[2, 3\] and 4 of \[4, 5\]/],
  [{ op: "MatMul", inputs: [f32(2, 2, 3), f32(3, 3, 5)] }, /leading axes of \[2, 2, 3\] and \[3, 3, 5\]/],
  [{ op: "MatMul", inputs: [f32(), f32(3, 3)] }, /scalar cannot be a factor/],
  [{ op: "Gemm", inputs: [f32(2, 3), f32(3, 4), f32(3)] }, /C \[3\] does not broadcast into \[2, 4\]/],
  [{ op: "Gemm", inputs: [f32(2, 3, 1), f32(3, 4)] }, /A must have rank 2, not 3/],
]);
