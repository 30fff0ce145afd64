import { describe } from "vitest";
import { agreesWithOrt, f32, i64, i64Scalar, number, refuses, typed } from "../ortOracle.js";

describe("windows and spectra", () => {
  agreesWithOrt([
    { op: "HannWindow", inputs: [i64Scalar(10)] },
    { op: "BlackmanWindow", inputs: [i64Scalar(7)], attributes: { periodic: 0 } },
    { op: "DFT", opset: 17, inputs: [f32(2, 10, 1)] },
    { op: "DFT", opset: 17, inputs: [f32(2, 10, 4, 1), i64Scalar(8)], attributes: { axis: 1, onesided: 1 } },
    { op: "DFT", inputs: [f32(2, 10, 2)] },
    { op: "DFT", inputs: [f32(2, 10, 4, 2), undefined, i64Scalar(1)] },
    { op: "STFT", inputs: [f32(2, 64, 1), i64Scalar(8), f32(16)] },
    { op: "STFT", inputs: [f32(2, 64, 1), i64Scalar(8), undefined, i64Scalar(16)], attributes: { onesided: 0 } },
    {
      op: "MelWeightMatrix",
      inputs: [i64Scalar(8), i64Scalar(16), i64Scalar(8192), number(0), number(4096)],
    },
  ]);
  refuses([
    [{ op: "STFT", inputs: [f32(2, 64, 1), i64Scalar(8)] }, /needs a frame step, and a window or a frame length/],
    [{ op: "HannWindow", inputs: [i64(1, 2)] }, /size must be one number/],
  ]);
});

describe("GridSample, AffineGrid, RoiAlign, Col2Im, Det", () => {
  agreesWithOrt([
    { op: "GridSample", opset: 16, inputs: [f32(2, 3, 5, 4), f32(2, 6, 7, 2)] },
    {
      op: "RoiAlign",
      inputs: [f32(2, 3, 8, 8), f32(5, 4), typed("int64", 5)],
      attributes: { output_height: 2, output_width: 3 },
    },
    { op: "AffineGrid", inputs: [f32(2, 2, 3), i64(2, 3, 4, 5)] },
    { op: "AffineGrid", inputs: [f32(1, 3, 4), i64(1, 2, 3, 4, 5)] },
    { op: "Col2Im", inputs: [f32(2, 8, 6), i64(4, 6), i64(2, 2)], attributes: { strides: [2, 2] } },
    { op: "Det", inputs: [f32(2, 3, 4, 4)] },
    { op: "Det", inputs: [f32(3, 3)] },
  ]);
  refuses([
    [{ op: "GridSample", inputs: [f32(2, 3, 5, 4), f32(2, 6, 7, 3)] }, /grid must have shape \[2, ..., 2\]/],
    [{ op: "AffineGrid", inputs: [f32(2, 2, 3), i64(3, 3, 4, 5)] }, /theta must have shape \[3, 2, 3\]/],
    [{ op: "Col2Im", inputs: [f32(2, 7, 6), i64(4, 6), i64(2, 2)] }, /its 7 rows are no multiple of a block's 4/],
    [{ op: "Det", inputs: [f32(3, 4)] }, /its matrices must be square/],
  ]);
});
