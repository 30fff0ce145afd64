import { describe } from "vitest";
import { agreesWithOrt, f32, i64, i64Scalar, refuses, typed } from "../ortOracle.js";

const indices = (...shape: number[]) => typed("int64", ...shape);

describe("Gather, GatherElements, GatherND", () => {
  agreesWithOrt([
    { op: "Gather", inputs: [f32(5, 3, 4), indices(2, 6)] },
    { op: "Gather", inputs: [f32(5, 3, 4), indices()], attributes: { axis: -1 } },
    { op: "Gather", inputs: [f32(5, 3, 4), typed("int32", 2)], attributes: { axis: 1 } },
    { op: "GatherElements", inputs: [f32(5, 3), indices(2, 3)] },
    { op: "GatherElements", inputs: [f32(5, 3), indices(5, 7)], attributes: { axis: 1 } },
    { op: "GatherND", inputs: [f32(5, 3, 4), indices(6, 2)] },
    { op: "GatherND", inputs: [f32(5, 3, 4), indices(6, 7, 3)] },
    { op: "GatherND", inputs: [f32(5, 3, 4), indices(5, 1)], attributes: { batch_dims: 1 } },
  ]);
  refuses([
    [{ op: "Gather", inputs: [f32(5), f32(2)] }, /indices must be int32 or int64, not float32/],
    [{ op: "Gather", inputs: [f32(5), indices(2)], attributes: { axis: 1 } }, /axis 1 is outside rank 1/],
    [{ op: "GatherElements", inputs: [f32(5, 3), indices(2, 4)] }, /indices \[2, 4\] must have the rank of \[5, 3\]/],
    [{ op: "GatherND", inputs: [f32(5, 3), indices(2, 3)] }, /indices address 3 axes/],
  ]);
});

describe("ScatterElements and ScatterND", () => {
  agreesWithOrt([
    { op: "ScatterElements", inputs: [f32(5, 3), indices(2, 3), f32(2, 3)], attributes: { reduction: "add" } },
    { op: "ScatterND", inputs: [f32(5, 3), indices(4, 1), f32(4, 3)], attributes: { reduction: "add" } },
    { op: "ScatterND", inputs: [f32(5, 3), indices(1, 2), f32(1)] },
  ]);
  refuses([
    [
      { op: "ScatterElements", inputs: [f32(5, 3), indices(2, 3), f32(2, 2)] },
      /updates \[2, 2\] must have the indices' shape/,
    ],
    [{ op: "ScatterND", inputs: [f32(5, 3), indices(4, 1), f32(4)] }, /updates \[4\] must have shape \[4, 3\]/],
  ]);
});

describe("OneHot, TopK, Trilu, ReverseSequence", () => {
  agreesWithOrt([
    { op: "ReverseSequence", inputs: [f32(3, 2, 4), i64(1, 3)] },
    { op: "ReverseSequence", inputs: [f32(3, 2), i64(1, 2, 1)], attributes: { batch_axis: 0, time_axis: 1 } },
    { op: "OneHot", inputs: [indices(2, 3), i64Scalar(5), f32(2)] },
    { op: "OneHot", inputs: [indices(2, 3), i64(5), f32(2)], attributes: { axis: 0 } },
    { op: "OneHot", inputs: [indices(2, 3), i64(5), typed("int64", 2)], attributes: { axis: -2 } },
    { op: "TopK", inputs: [f32(2, 5), i64(3)] },
    { op: "TopK", inputs: [f32(5, 2), i64(1)], attributes: { axis: 0, largest: 0 } },
    { op: "TopK", inputs: [f32(2, 5)], attributes: { k: 2 }, opset: 9 },
    { op: "Trilu", inputs: [f32(2, 3, 3)] },
    { op: "Trilu", inputs: [f32(2, 3), i64Scalar(1)], attributes: { upper: 0 } },
  ]);
  refuses([
    [{ op: "ReverseSequence", inputs: [f32(3, 2), i64(1, 2, 1)] }, /sequence_lens must have shape \[2\]/],
    [
      { op: "ReverseSequence", inputs: [f32(3, 2), i64(1, 2)], attributes: { time_axis: 1 } },
      /batch_axis 1 and time_axis 1 must be 0 and 1/,
    ],
    [{ op: "OneHot", inputs: [indices(2), i64(0), f32(2)] }, /depth must be one number of 1 or more, not \[0\]/],
    [{ op: "OneHot", inputs: [indices(2), i64(4), f32(3)] }, /values must have shape \[2\], not \[3\]/],
    [{ op: "TopK", inputs: [f32(2, 5), i64(6)] }, /k = 6 must lie between 0 and the 5 elements of axis 1/],
    [{ op: "Trilu", inputs: [f32(3)] }, /input must have rank 2 or more, not 1/],
  ]);
});
