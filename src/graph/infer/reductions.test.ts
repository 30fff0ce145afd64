import { describe } from "vitest";
import { agreesWithOrt, f32, i64, refuses, typed } from "../ortOracle.js";

const names = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"];

describe("reductions give the shape that ONNX Runtime gives", () => {
  agreesWithOrt(
    names.flatMap((name) => [
      { op: `Reduce${name}`, inputs: [f32(2, 3, 4), i64(-1, 0)], attributes: { keepdims: 0 } },
      { op: `Reduce${name}`, inputs: [f32(2, 3, 4)], attributes: { axes: [1] }, opset: 11 },
    ]),
  );
  agreesWithOrt([
    { op: "ReduceSum", inputs: [f32(2, 3, 4)] },
    { op: "ReduceSum", inputs: [f32(2, 3, 4)], attributes: { keepdims: 0 } },
    { op: "ReduceSum", inputs: [f32(2, 3, 4), i64()] },
    { op: "ReduceSum", inputs: [f32(2, 3, 4), i64()], attributes: { noop_with_empty_axes: 1 } },
    { op: "ReduceSum", inputs: [f32(2, 3, 4)], attributes: { noop_with_empty_axes: 1, keepdims: 0 } },
    { op: "ReduceSum", inputs: [f32(2, 3, 4), i64(1)], opset: 13 },
    { op: "ReduceMean", inputs: [f32(2, 3, 4)], attributes: { axes: [-2], keepdims: 0 }, opset: 13 },
    { op: "ReduceMax", inputs: [typed("int64", 2, 3), i64(1)] },
  ]);
});

describe("ArgMax and ArgMin", () => {
  agreesWithOrt([
    { op: "ArgMax", inputs: [f32(2, 3, 4)] },
    { op: "ArgMax", inputs: [f32(2, 3, 4)], attributes: { axis: -1, keepdims: 0 } },
    { op: "ArgMin", inputs: [f32(2, 3, 4)], attributes: { axis: 1, select_last_index: 1 } },
  ]);
});

refuses([
  [{ op: "ReduceSum", inputs: [f32(2, 3), i64(2)] }, /axis 2 is outside rank 2/],
  [{ op: "ReduceMean", inputs: [f32(2, 3), i64(1, -1)] }, /axes \[1, -1\] name an axis twice/],
  [{ op: "ReduceMean", inputs: [f32(2, 3), typed("int64", 1)] }, /input axes decides .* and is not constant/],
  [{ op: "ArgMax", inputs: [f32(0, 3)] }, /axis 0 has no elements/],
]);
