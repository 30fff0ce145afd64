import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { onnxDataType } from "../../onnx/types.js";
import { GraphBuilder } from "../builder.js";
import { agreesWithOrt, buildNode, f32, i64Scalar, number, numbers, typed } from "../ortOracle.js";
import { broadcastShapes } from "./broadcast.js";

describe("elementwise operators keep the shape that ONNX Runtime gives", () => {
  agreesWithOrt(
    "Neg Abs Sign Relu Identity Sqrt Reciprocal Exp Log Sigmoid Tanh Erf Floor Ceil Round Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh LeakyRelu ThresholdedRelu Elu Selu Celu Gelu Mish HardSigmoid HardSwish Softplus Softsign Shrink IsNaN IsInf Softmax LogSoftmax Hardmax"
      .split(" ")
      .map((op) => ({ op, inputs: [f32(2, 3)] })),
  );
  agreesWithOrt([
    { op: "Abs", inputs: [typed("int64", 3)] },
    { op: "Neg", inputs: [typed("int32", 3, 1)] },
    { op: "Relu", inputs: [f32()] },
    { op: "Not", inputs: [typed("bool", 2, 2)] },
    { op: "BitwiseNot", inputs: [typed("int32", 4)] },
    { op: "Swish", inputs: [f32(2, 3)], opset: 24 },
    { op: "Softmax", inputs: [f32(2, 3, 4)], attributes: { axis: 1 } },
    { op: "Softmax", inputs: [f32(2, 3, 4)], opset: 11 },
    { op: "LogSoftmax", inputs: [f32(2, 3, 4)], attributes: { axis: -2 } },
    { op: "PRelu", inputs: [f32(2, 3, 4), f32(3, 1)] },
    { op: "Clip", inputs: [f32(2, 3), number(0), number(1)] },
    { op: "Clip", inputs: [f32(2, 3), undefined, number(1)] },
    { op: "Clip", inputs: [f32(2, 3)], attributes: { min: 0.5 }, opset: 10 },
    { op: "CumSum", inputs: [f32(2, 3), i64Scalar(1)] },
    { op: "CumProd", inputs: [f32(2, 3), i64Scalar(1)], opset: 26 },
  ]);
});

describe("binary operators broadcast as ONNX Runtime does", () => {
  agreesWithOrt([
    ...["Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Mean"].map((op) => ({
      op,
      inputs: [f32(2, 1, 4), f32(3, 1)],
    })),
    ...["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"].map((op) => ({
      op,
      inputs: [f32(2, 3), f32()],
    })),
    ...["And", "Or", "Xor"].map((op) => ({ op, inputs: [typed("bool", 2, 3), typed("bool", 3)] })),
    ...["BitwiseAnd", "BitwiseOr", "BitwiseXor"].map((op) => ({
      op,
      inputs: [typed("int32", 2, 3), typed("int32", 3)],
    })),
    { op: "BitShift", inputs: [typed("uint8", 3), typed("uint8", 3)], attributes: { direction: "LEFT" } },
    { op: "Mod", inputs: [f32(3), f32(2, 3)], attributes: { fmod: 1 } },
    { op: "Pow", inputs: [f32(2, 3), typed("int64", 3)] },
    { op: "Pow", inputs: [typed("int32", 2, 3), f32()] },
    { op: "Sum", inputs: [f32(2, 1), f32(3), f32(4, 1, 1)] },
    { op: "Add", inputs: [f32(0, 3), f32(1, 3)] },
    { op: "Where", inputs: [typed("bool", 2, 1), f32(3), f32()] },
    { op: "Where", inputs: [typed("bool"), typed("int64", 3), typed("int64", 2, 1)] },
  ]);
});

describe("Cast and CastLike", () => {
  agreesWithOrt([
    ...(["float32", "float64", "int64", "int32", "uint8", "bool"] as const).map((dtype) => ({
      op: "Cast",
      inputs: [f32(2, 3)],
      attributes: { to: onnxDataType[dtype] },
    })),
    { op: "CastLike", inputs: [f32(2, 3), typed("int32", 1)] },
  ]);
});

const dimensions = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 });

describe("broadcastShapes", () => {
  it("does not depend on the order of the shapes", () => {
    fc.assert(
      fc.property(dimensions, dimensions, (a, b) => {
        expect(broadcastShapes(a, b)).toEqual(broadcastShapes(b, a));
      }),
    );
  });

  it("gives a shape that both broadcast into, where any shape at all is given", () => {
    fc.assert(
      fc.property(dimensions, dimensions, (a, b) => {
        const joined = broadcastShapes(a, b);
        if (!joined) {
          const overlap = Math.min(a.length, b.length);
          const tails = [a.slice(a.length - overlap), b.slice(b.length - overlap)] as const;
          expect(tails[0].some((size, axis) => size !== 1 && tails[1][axis] !== 1 && size !== tails[1][axis])).toBe(
            true,
          );
          return;
        }
        expect(broadcastShapes(joined, a)).toEqual(joined);
        expect(broadcastShapes(joined, b)).toEqual(joined);
        expect(joined.length).toBe(Math.max(a.length, b.length));
      }),
    );
  });

  it("takes an axis of no elements with one of size 1", () => {
    expect(broadcastShapes([0, 3], [1, 3])).toEqual([0, 3]);
    expect(broadcastShapes([0], [2])).toBeUndefined();
  });
});

describe("errors", () => {
  it("name the node, the inputs with their types, and the shapes that do not broadcast", () => {
    const b = new GraphBuilder();
    const x = b.input("x", "float32", [2, 3]);
    const y = b.input("y", "float32", [4]);
    expect(() => b.op("Add", [x, y], {}, { name: "residual" })).toThrowError(
      expect.objectContaining({
        code: "ISO_GRAPH_SHAPE",
        message: expect.stringMatching(
          /Add \(node residual\): shapes \[2, 3\] and \[4\] do not broadcast.*x float32 \[2, 3\], y float32 \[4\]/,
        ),
      }),
    );
  });

  it.each([
    [
      "data types that differ",
      { op: "Mul", inputs: [f32(2), typed("int64", 2)] },
      /one data type, not float32 and int64/,
    ],
    [
      "integers where floats are taken",
      { op: "Exp", inputs: [typed("int64", 2)] },
      /floating-point tensors, not int64/,
    ],
    ["floats where integers are taken", { op: "BitwiseAnd", inputs: [f32(2), f32(2)] }, /integer tensors, not float32/],
    ["a condition that is no bool", { op: "Where", inputs: [f32(2), f32(2), f32(2)] }, /input 0 must be bool/],
    ["an axis outside", { op: "Softmax", inputs: [f32(2, 3)], attributes: { axis: 2 } }, /axis 2 is outside rank 2/],
    ["an absent input", { op: "Add", inputs: [f32(2)] }, /input 1 is required/],
    ["bounds that are no scalars", { op: "Clip", inputs: [f32(2), numbers(0, 1)] }, /bound must be a scalar/],
    [
      "a slope that widens",
      { op: "PRelu", inputs: [f32(3), f32(2, 3)] },
      /slope \[2, 3\] does not broadcast into \[3\]/,
    ],
    ["a Cast to nowhere", { op: "Cast", inputs: [f32(2)] }, /attribute to is required/],
  ] as const)("%s", (_, node, message) => {
    expect(() => buildNode(node)).toThrowError(
      expect.objectContaining({ code: "ISO_GRAPH_SHAPE", message: expect.stringMatching(message) }),
    );
  });

  it("say that attributes of the wrong kind are wrong, and at which node", () => {
    expect(() => buildNode({ op: "Softmax", inputs: [f32(2, 3)], attributes: { axis: [1] } })).toThrowError(
      expect.objectContaining({
        code: "ISO_GRAPH_INVALID",
        message: expect.stringMatching(/Softmax \(node node\): attribute axis is of kind ints where .* takes int\b/),
      }),
    );
  });

  it("name an operator that has no shape rule, or none that could be static", () => {
    expect(() => buildNode({ op: "TfIdfVectorizer", inputs: [f32(2)] })).toThrowError(
      /operator TfIdfVectorizer \(node node\).*no shape rule/,
    );
    expect(() => buildNode({ op: "NonZero", inputs: [f32(2)] })).toThrowError(
      /NonZero.*depends on its input's contents/,
    );
  });
});
