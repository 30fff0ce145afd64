import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { elementCount, onnxDataType, type Tensor } from "../../onnx/types.js";
import { foldLimit } from "../infer/index.js";
import { bools, buildNode, f32, foldsAsOrt, i64, i64Scalar, type NodeCase, number, numbers } from "../ortOracle.js";

const matrix: Tensor = { dtype: "int64", shape: [2, 3], data: BigInt64Array.of(1n, -2n, 3n, 4n, -5n, 6n) };
const i32 = (...values: number[]): Tensor => ({
  dtype: "int32",
  shape: [values.length],
  data: Int32Array.from(values),
});
const shaped = (tensor: Tensor, ...shape: number[]) => ({ ...tensor, shape }) as Tensor;

describe("arithmetic folds to ONNX Runtime's bits", () => {
  const [a, b] = [numbers(1, -0.1, 3e38, 7.7, 0), numbers(3, 0.7, 3e38, -1.1, 0)];
  const nan = numbers(Number.NaN, 1, -0, Number.POSITIVE_INFINITY, 2);
  foldsAsOrt(["Add", "Sub", "Mul", "Div", "Min", "Max"].map((op) => ({ op, inputs: [a, b] })));
  foldsAsOrt([
    ...["Add", "Sub", "Mul", "Min", "Max"].map((op) => ({ op, inputs: [matrix, i64(7, -3, 0)] })),
    { op: "Div", inputs: [i64(7, -7, 7, -7), i64(2, 2, -2, -2)] },
    { op: "Mod", inputs: [i64(7, -7, 7, -7, 6), i64(3, 3, -3, -3, -3)] },
    { op: "Mod", inputs: [i64(7, -7, 7, -7), i64(3, 3, -3, -3)], attributes: { fmod: 1 } },
    { op: "Mod", inputs: [numbers(5.5, -5.5, 5.3), numbers(2, 2, -0.7)], attributes: { fmod: 1 } },
    { op: "Add", inputs: [i32(2 ** 31 - 1, 5), i32(1, -7)] },
    { op: "Mul", inputs: [i32(65536, 3), i32(65537, -7)] },
    { op: "Min", inputs: [a, nan, b] },
    { op: "Max", inputs: [nan, a] },
    { op: "Max", inputs: [i64(1, 5), i64(4, 2), i64Scalar(3)] },
  ]);
  foldsAsOrt(["Neg", "Abs", "Floor", "Ceil", "Sqrt"].map((op) => ({ op, inputs: [numbers(2, 0.3, 7.5, 1e-20, 0)] })));
  foldsAsOrt([
    { op: "Neg", inputs: [i64(3, -4, 0)] },
    { op: "Abs", inputs: [i64(3, -4, 0)] },
    { op: "Floor", inputs: [numbers(-1.5, 1.5)] },
    { op: "Relu", inputs: [numbers(-1.5, 0, 1.5, Number.POSITIVE_INFINITY)] },
    { op: "Relu", inputs: [i32(-3, 0, 4)] },
    { op: "Not", inputs: [bools(0, 1)] },
  ]);
  foldsAsOrt(
    ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"].flatMap((op) => [
      { op, inputs: [a, nan] },
      { op, inputs: [matrix, i64(1, -2, 6)] },
    ]),
  );
  foldsAsOrt(["And", "Or"].map((op) => ({ op, inputs: [bools(0, 0, 1, 1), bools(0, 1, 0, 1)] })));
  foldsAsOrt([
    { op: "Where", inputs: [shaped(bools(1, 0), 2, 1), matrix, i64Scalar(9)] },
    { op: "Where", inputs: [bools(1, 0, 1), numbers(1, 2, 3), number(-1)] },
  ]);

  it("rounds + - * / to single precision as the machine does", () => {
    const value = fc.float({ noNaN: true });
    fc.assert(
      fc.property(value, value, (x, y) => {
        const fold = (op: string) =>
          (buildNode({ op, inputs: [number(x), number(y)] }).inferred[0]!.constant!.data as Float32Array)[0];
        const [left, right] = [Float32Array.of(x)[0]!, Float32Array.of(y)[0]!];
        expect([fold("Add"), fold("Sub"), fold("Mul"), fold("Div")]).toEqual(
          [left + right, left - right, left * right, left / right].map(Math.fround),
        );
      }),
    );
  });
});

describe("Cast folds", () => {
  foldsAsOrt(
    (["float32", "float64", "int64", "int32", "bool"] as const).flatMap((dtype) =>
      [numbers(1.9, -1.9, 0, -0.1), i64(5, -5, 0, 2 ** 33), bools(0, 1), i32(7, -7)].map((tensor) => ({
        op: "Cast",
        inputs: [tensor],
        attributes: { to: onnxDataType[dtype] },
      })),
    ),
  );
  foldsAsOrt([{ op: "CastLike", inputs: [numbers(1.5), i64(1)] }]);
});

describe("movement folds", () => {
  foldsAsOrt([
    { op: "Identity", inputs: [matrix] },
    { op: "Reshape", inputs: [matrix, i64(3, -1)] },
    { op: "Flatten", inputs: [matrix], attributes: { axis: 0 } },
    { op: "Unsqueeze", inputs: [matrix, i64(1)] },
    { op: "Squeeze", inputs: [shaped(matrix, 1, 6), i64(0)] },
    { op: "Transpose", inputs: [matrix] },
    { op: "Transpose", inputs: [shaped(matrix, 1, 2, 3)], attributes: { perm: [2, 0, 1] } },
    { op: "Expand", inputs: [shaped(i64(1, 2), 2, 1), i64(3, 1, 2)] },
    { op: "Tile", inputs: [matrix, i64(2, 2)] },
    { op: "Slice", inputs: [matrix, i64(-1), i64(-9), i64(1), i64(-2)] },
    { op: "Slice", inputs: [matrix, i64(1, 0), i64(2, 2)] },
    { op: "Gather", inputs: [matrix, shaped(i64(0, -1, 1, 0), 2, 2)], attributes: { axis: 1 } },
    { op: "Gather", inputs: [i64(4, 5, 6), i64Scalar(-1)] },
    { op: "Concat", inputs: [matrix, shaped(i64(7, 8), 2, 1), matrix], attributes: { axis: 1 } },
    { op: "Concat", inputs: [i64(1), i64(), i64(2, 3)], attributes: { axis: 0 } },
    { op: "Split", inputs: [matrix, i64(1, 2)], attributes: { axis: -1 } },
    { op: "ConstantOfShape", inputs: [i64(2, 2)] },
    { op: "ConstantOfShape", inputs: [i64(3)], attributes: { value: { kind: "tensor", value: i64(-1) } } },
    { op: "Range", inputs: [i64Scalar(2), i64Scalar(9), i64Scalar(3)] },
    { op: "Range", inputs: [number(5), number(1), number(-2)] },
  ]);
});

describe("reductions of integers fold", () => {
  foldsAsOrt([
    ...["ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin"].map((op) => ({ op, inputs: [matrix, i64(0)] })),
    { op: "ReduceProd", inputs: [matrix], attributes: { keepdims: 0 } },
    { op: "ReduceSum", inputs: [matrix, i64(1)], attributes: { keepdims: 0 } },
  ]);
});

describe("is left to run time", () => {
  it.each<[string, NodeCase]>([
    ["a result that is not exact", { op: "Exp", inputs: [numbers(1)] }],
    ["division of integers by 0", { op: "Div", inputs: [i64(1), i64(0)] }],
    [
      "a float outside the integer type",
      { op: "Cast", inputs: [numbers(1e30)], attributes: { to: onnxDataType.int64 } },
    ],
    ["NaN as an integer", { op: "Cast", inputs: [numbers(Number.NaN)], attributes: { to: onnxDataType.int32 } }],
    ["an index outside the axis", { op: "Gather", inputs: [i64(1, 2), i64(2)] }],
    ["a sum of floats, whose order is not ours to choose", { op: "ReduceSum", inputs: [numbers(1, 2)] }],
    ["a node with an input that varies", { op: "Add", inputs: [f32(2), numbers(1, 2)] }],
    ["random numbers", { op: "RandomUniform", inputs: [], attributes: { shape: [2] } }],
    ["a float range whose steps are not exact", { op: "Range", inputs: [number(0), number(1), number(0.1)] }],
  ])("%s", (_, node) => {
    expect(buildNode(node).inferred[0]!.constant).toBeUndefined();
  });

  it("a result of more than 4096 elements", () => {
    const expand = (size: number) => buildNode({ op: "Expand", inputs: [i64(1), i64(size)] }).inferred[0]!.constant;
    expect(elementCount(expand(foldLimit)!.shape)).toBe(4096);
    expect(expand(foldLimit + 1)).toBeUndefined();
  });
});
