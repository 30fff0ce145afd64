import { describe } from "vitest";
import { agreesWithOrt, f32, i64, numbers, refuses } from "../ortOracle.js";

const x = f32(1, 4, 6, 5);

describe("DepthToSpace and SpaceToDepth", () => {
  agreesWithOrt([
    { op: "DepthToSpace", inputs: [f32(2, 8, 3, 5)], attributes: { blocksize: 2 } },
    { op: "SpaceToDepth", inputs: [f32(2, 3, 4, 6)], attributes: { blocksize: 2 } },
  ]);
  refuses([
    [{ op: "DepthToSpace", inputs: [f32(2, 6, 3, 5)], attributes: { blocksize: 2 } }, /6 channels are no multiple of/],
    [{ op: "SpaceToDepth", inputs: [f32(2, 3, 4, 5)], attributes: { blocksize: 2 } }, /height 4 and width 5 must be/],
    [{ op: "SpaceToDepth", inputs: [f32(2, 3, 4, 4)] }, /blocksize must be 1 or more, not 0/],
  ]);
});

describe("Resize and Upsample", () => {
  const nearest = { coordinate_transformation_mode: "asymmetric", mode: "nearest", nearest_mode: "floor" };
  agreesWithOrt([
    { op: "Resize", inputs: [x, undefined, numbers(1, 1, 2, 2)] },
    { op: "Resize", inputs: [x, undefined, numbers(1, 1, 1.3, 0.6)], attributes: { mode: "linear" } },
    // 0.1 in single precision is a little more than a tenth: 10 times that is 1, not 0.
    { op: "Resize", inputs: [f32(1, 1, 10, 30), undefined, numbers(1, 1, 0.1, 0.7)], attributes: nearest },
    { op: "Resize", inputs: [x, undefined, undefined, i64(1, 4, 9, 3)], attributes: { mode: "linear" } },
    { op: "Resize", inputs: [x, undefined, undefined, i64(9, 3)], attributes: { axes: [2, 3], mode: "linear" } },
    {
      op: "Resize",
      inputs: [x, undefined, undefined, i64(9, 13)],
      attributes: { axes: [2, 3], keep_aspect_ratio_policy: "not_larger" },
    },
    {
      op: "Resize",
      inputs: [x, undefined, undefined, i64(9, 13)],
      attributes: { axes: [2, 3], keep_aspect_ratio_policy: "not_smaller" },
    },
    { op: "Resize", inputs: [x, undefined, numbers(2, 3)], attributes: { axes: [2, 3] } },
    { op: "Resize", inputs: [x, numbers(), numbers(1, 1, 2, 2)], opset: 11 },
    { op: "Resize", inputs: [x, numbers(), numbers(), i64(1, 4, 9, 3)], opset: 11 },
    { op: "Resize", inputs: [x, numbers(1, 1, 2, 2)], opset: 10 },
    { op: "Upsample", inputs: [x, numbers(1, 1, 2, 2)], opset: 9 },
    { op: "Upsample", inputs: [x], attributes: { scales: { kind: "floats", value: [1, 1, 2, 2] } }, opset: 7 },
  ]);
  refuses([
    [{ op: "Resize", inputs: [x] }, /needs either scales or sizes/],
    [
      { op: "Resize", inputs: [x, undefined, numbers(1, 1, 2)] },
      /scales \[1, 1, 2\] must have one entry for each of 4/,
    ],
    [
      { op: "Upsample", inputs: [x, numbers(1, 1, 0, 1)], opset: 9 },
      /scales \[1, 1, 0, 1\] must be 4 positive numbers/,
    ],
    [
      {
        op: "Resize",
        inputs: [x, numbers(0, 0, 0, 0, 1, 1, 1, 1), numbers(1, 1, 2, 2)],
        attributes: { coordinate_transformation_mode: "tf_crop_and_resize" },
      },
      /tf_crop_and_resize is not supported/,
    ],
  ]);
});
