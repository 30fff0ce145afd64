import { describe, expect, it } from "vitest";
import { float, onnxDataType, type Tensor } from "../../onnx/types.js";
import { agreesWithOrt, buildNode, f32, foldsAsOrt, i64, i64Scalar, number, refuses, typed } from "../ortOracle.js";

const tensor = (value: Tensor) => ({ kind: "tensor", value }) as const;

describe("Constant holds its contents", () => {
  foldsAsOrt([
    { op: "Constant", inputs: [], attributes: { value: tensor(i64(1, 2, 3)) } },
    { op: "Constant", inputs: [], attributes: { value_float: 0.1 } },
    { op: "Constant", inputs: [], attributes: { value_floats: [0.1, 0.2] } },
    { op: "Constant", inputs: [], attributes: { value_int: 7 } },
    { op: "Constant", inputs: [], attributes: { value_ints: [7, 8] } },
  ]);
  refuses([[{ op: "Constant", inputs: [] }, /has none of the values/]]);
});

describe("operators that make values from shapes", () => {
  agreesWithOrt([
    { op: "ConstantOfShape", inputs: [i64(2, 3)] },
    { op: "ConstantOfShape", inputs: [i64(2, 3)], attributes: { value: tensor(i64(7)) } },
    { op: "Range", inputs: [i64Scalar(2), i64Scalar(9), i64Scalar(3)] },
    { op: "Range", inputs: [i64Scalar(2), i64Scalar(-3), i64Scalar(-1)] },
    { op: "Range", inputs: [i64Scalar(2), i64Scalar(0), i64Scalar(1)] },
    { op: "Range", inputs: [number(0), number(1), number(0.25)] },
    { op: "EyeLike", inputs: [f32(2, 3)] },
    { op: "EyeLike", inputs: [f32(2, 3)], attributes: { dtype: onnxDataType.int64 } },
    { op: "RandomUniform", inputs: [], attributes: { shape: [2, 3], seed: float(1) } },
    { op: "RandomNormal", inputs: [], attributes: { shape: [2, 3], dtype: onnxDataType.float64 } },
    { op: "RandomUniformLike", inputs: [f32(2, 3)] },
    { op: "RandomNormalLike", inputs: [typed("int64", 2, 3)], attributes: { dtype: onnxDataType.float32 } },
    { op: "Bernoulli", inputs: [f32(2, 3)] },
    { op: "Bernoulli", inputs: [f32(2, 3)], attributes: { dtype: onnxDataType.bool } },
  ]);
  refuses([
    [{ op: "ConstantOfShape", inputs: [i64(-1)] }, /\[-1\] is no shape/],
    [{ op: "Range", inputs: [i64Scalar(0), i64Scalar(1), i64Scalar(0)] }, /delta is 0/],
    [{ op: "Range", inputs: [i64Scalar(0), i64(1, 2), i64Scalar(1)] }, /limit must be a scalar/],
    [{ op: "EyeLike", inputs: [f32(3)] }, /input must have rank 2, not 1/],
    [{ op: "RandomUniform", inputs: [] }, /attribute shape is required/],
  ]);

  it("refuses data types that ONNX numbers and isonorm does not know", () => {
    expect(() => buildNode({ op: "EyeLike", inputs: [f32(2, 2)], attributes: { dtype: 14 } })).toThrowError(
      expect.objectContaining({
        code: "ISO_GRAPH_INVALID",
        message: expect.stringMatching(/EyeLike \(node node\): attribute dtype names tensor data type 14/),
      }),
    );
  });
});
