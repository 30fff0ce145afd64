import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { elementCount, type Tensor } from "../../onnx/types.js";
import { agreesWithOrt, buildNode, f32, i64, refuses, typed } from "../ortOracle.js";

const x = f32(2, 3, 4);
const empty: Tensor = { dtype: "int64", shape: [0], data: new BigInt64Array(0) };

describe("Reshape and Flatten", () => {
  agreesWithOrt([
    { op: "Reshape", inputs: [x, i64(6, 4)] },
    { op: "Reshape", inputs: [x, i64(0, -1)] },
    { op: "Reshape", inputs: [x, i64(-1)] },
    { op: "Reshape", inputs: [x, i64(1, 0, 2, -1)] },
    { op: "Reshape", inputs: [f32(1), empty] },
    { op: "Reshape", inputs: [f32(0, 3), i64(3, 0)], attributes: { allowzero: 1 } },
    { op: "Flatten", inputs: [x] },
    { op: "Flatten", inputs: [x], attributes: { axis: 0 } },
    { op: "Flatten", inputs: [x], attributes: { axis: 3 } },
    { op: "Flatten", inputs: [x], attributes: { axis: -1 } },
  ]);
  refuses([
    [{ op: "Reshape", inputs: [x, i64(5, -1)] }, /\[2, 3, 4\] to \[5, -1\]: 24 elements are no multiple of 5/],
    [{ op: "Reshape", inputs: [x, i64(-1, -1)] }, /-1 stands twice/],
    [{ op: "Reshape", inputs: [x, i64(1, 1, 24, 0)] }, /there is no axis 3 to copy/],
    [{ op: "Reshape", inputs: [x, i64(5, 5)] }, /24 elements against 25/],
    [{ op: "Reshape", inputs: [x, i64(-2)] }, /-2 is no size/],
    [{ op: "Reshape", inputs: [x, typed("int64", 2)] }, /shape decides the output's shape and is not constant/],
    [{ op: "Flatten", inputs: [x], attributes: { axis: 4 } }, /axis 4 is outside rank 3/],
  ]);

  it("fills in any one size of a factorisation", () => {
    const shape = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(shape, fc.nat(3), (sizes, at) => {
        const free = at % sizes.length;
        const { inferred } = buildNode({
          op: "Reshape",
          inputs: [f32(elementCount(sizes)), i64(...sizes.with(free, -1))],
        });
        expect(inferred[0]!.shape).toEqual(sizes);
      }),
    );
  });
});

describe("Squeeze, Unsqueeze, Transpose", () => {
  agreesWithOrt([
    { op: "Squeeze", inputs: [f32(1, 3, 1), i64(0)] },
    { op: "Squeeze", inputs: [f32(1, 3, 1), i64(-1, 0)] },
    { op: "Squeeze", inputs: [f32(1, 3, 1)] },
    { op: "Squeeze", inputs: [f32(1, 3, 1)], attributes: { axes: [2] }, opset: 11 },
    { op: "Unsqueeze", inputs: [f32(3), i64(0, 2)] },
    { op: "Unsqueeze", inputs: [f32(3, 4), i64(-1)] },
    { op: "Unsqueeze", inputs: [f32(3, 4), i64(3, 0)] },
    { op: "Unsqueeze", inputs: [f32(3)], attributes: { axes: [0, 1] }, opset: 11 },
    { op: "Transpose", inputs: [x] },
    { op: "Transpose", inputs: [x], attributes: { perm: [1, 2, 0] } },
    { op: "Transpose", inputs: [f32()] },
  ]);
  refuses([
    [{ op: "Squeeze", inputs: [x, i64(1)] }, /axis 1 has size 3, not 1/],
    [{ op: "Unsqueeze", inputs: [x] }, /axes are required/],
    [{ op: "Unsqueeze", inputs: [x, i64(0, 0)] }, /axes \[0, 0\] name an axis twice/],
    [{ op: "Transpose", inputs: [x], attributes: { perm: [0, 1] } }, /perm \[0, 1\] must name each of 3 axes once/],
  ]);
});

describe("Expand and Tile", () => {
  agreesWithOrt([
    { op: "Expand", inputs: [f32(3, 1), i64(2, 1, 6)] },
    { op: "Expand", inputs: [f32(3, 4), i64(1)] },
    { op: "Expand", inputs: [f32(), i64(2, 3)] },
    { op: "Tile", inputs: [f32(2, 3), i64(2, 4)] },
    { op: "Tile", inputs: [f32(2, 3), i64(1, 0)] },
  ]);
  refuses([
    [{ op: "Expand", inputs: [f32(3), i64(4)] }, /\[3\] does not expand to \[4\]/],
    [{ op: "Tile", inputs: [f32(2, 3), i64(2)] }, /repeats \[2\] must have one count for each of 2 axes/],
  ]);
});

describe("Shape and Size", () => {
  agreesWithOrt([
    { op: "Shape", inputs: [x] },
    { op: "Shape", inputs: [x], attributes: { start: 1 } },
    { op: "Shape", inputs: [x], attributes: { start: -2, end: 9 } },
    { op: "Shape", inputs: [x], attributes: { start: 2, end: 1 } },
    { op: "Size", inputs: [x] },
  ]);
  it("are constant though their input is not", () => {
    const of = (op: string, attributes = {}) => buildNode({ op, inputs: [x], attributes }).inferred[0]!.constant;
    expect(of("Shape")).toEqual({ dtype: "int64", shape: [3], data: BigInt64Array.of(2n, 3n, 4n) });
    expect(of("Shape", { start: -1 })).toEqual({ dtype: "int64", shape: [1], data: BigInt64Array.of(4n) });
    expect(of("Size")).toEqual({ dtype: "int64", shape: [], data: BigInt64Array.of(24n) });
  });
});

describe("Concat and Split", () => {
  agreesWithOrt([
    { op: "Concat", inputs: [f32(2, 3), f32(2, 1), f32(2, 4)], attributes: { axis: 1 } },
    { op: "Concat", inputs: [f32(2, 3)], attributes: { axis: -2 } },
    { op: "Split", inputs: [f32(2, 6), i64(1, 2, 3)], attributes: { axis: 1 } },
    { op: "Split", inputs: [f32(2, 6)], attributes: { axis: -1, num_outputs: 3 } },
    { op: "Split", inputs: [f32(7, 2)], attributes: { num_outputs: 3 } },
    { op: "Split", inputs: [f32(6, 2)], opset: 13, outputs: 2 },
    { op: "Split", inputs: [f32(6, 2)], attributes: { split: [2, 4] }, opset: 11 },
  ]);
  refuses([
    [{ op: "Concat", inputs: [f32(2, 3), f32(3, 3)], attributes: { axis: 1 } }, /differ in more than axis 1/],
    [{ op: "Concat", inputs: [f32(2, 3)] }, /attribute axis is required/],
    [{ op: "Split", inputs: [f32(6), i64(1, 2)] }, /parts \[1, 2\] do not make up the 6 of axis 0/],
    [{ op: "Split", inputs: [f32(6), i64(2, 4)], outputs: 3 }, /has 3 outputs for 2 parts/],
    [{ op: "Split", inputs: [f32(6)], outputs: 2 }, /needs part sizes, or the number of parts/],
    [{ op: "Split", inputs: [f32(7)], outputs: 2, opset: 13 }, /cannot split 7 into 2 equal parts/],
  ]);
});
