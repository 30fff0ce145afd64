import { describe } from "vitest";
import { agreesWithOrt, f32, number, refuses } from "../ortOracle.js";

const vectors = (channels: number, count: number) => Array.from({ length: count }, () => f32(channels));

describe("BatchNormalization", () => {
  const x = f32(2, 3, 5, 4);
  agreesWithOrt([
    { op: "BatchNormalization", inputs: [x, ...vectors(3, 4)] },
    { op: "BatchNormalization", inputs: [f32(2, 3), ...vectors(3, 4)] },
    { op: "BatchNormalization", inputs: [x, ...vectors(3, 4)], attributes: { training_mode: 1 } },
    { op: "BatchNormalization", inputs: [x, ...vectors(3, 4)], opset: 9 },
  ]);
  refuses([
    [{ op: "BatchNormalization", inputs: [x, ...vectors(4, 4)] }, /scale must have shape \[3\], not \[4\]/],
    [{ op: "BatchNormalization", inputs: [x, ...vectors(3, 3)] }, /input 4 is required/],
    [{ op: "BatchNormalization", inputs: [x, ...vectors(3, 4)], outputs: 2 }, /at most 1 outputs, not 2/],
  ]);
});

describe("normalisation over the last axes", () => {
  const x = f32(2, 3, 4);
  agreesWithOrt([
    { op: "LayerNormalization", inputs: [x, f32(4)] },
    { op: "LayerNormalization", inputs: [x, f32(4), f32(4)], outputs: 3 },
    { op: "LayerNormalization", inputs: [x, f32(3, 4), f32(3, 4)], attributes: { axis: 1 }, outputs: 2 },
    { op: "LayerNormalization", inputs: [x, f32(4), f32(4)], attributes: { stash_type: 1 }, opset: 17, outputs: 3 },
    { op: "RMSNormalization", inputs: [x, f32(4)], opset: 23 },
    { op: "RMSNormalization", inputs: [x, f32(3, 4)], attributes: { axis: -2 }, opset: 23 },
    { op: "SimplifiedLayerNormalization", inputs: [x, f32(4)] },
    { op: "SimplifiedLayerNormalization", inputs: [x, f32(4)], outputs: 2 },
  ]);
  refuses([
    [{ op: "LayerNormalization", inputs: [x, f32(3)] }, /scale \[3\] does not broadcast into \[4\]/],
    [{ op: "LayerNormalization", inputs: [x, f32(4), f32(5)] }, /bias \[5\] does not broadcast into \[4\]/],
    [{ op: "LayerNormalization", inputs: [x, f32(4)], attributes: { axis: 3 } }, /axis 3 is outside rank 3/],
  ]);
});

describe("normalisation of channels", () => {
  const x = f32(2, 6, 5, 4);
  agreesWithOrt([
    { op: "InstanceNormalization", inputs: [x, f32(6), f32(6)] },
    { op: "InstanceNormalization", inputs: [f32(2, 3, 5), f32(3), f32(3)] },
    { op: "GroupNormalization", inputs: [x, f32(6), f32(6)], attributes: { num_groups: 2 } },
    { op: "GroupNormalization", inputs: [x, f32(2), f32(2)], attributes: { num_groups: 2 }, opset: 18 },
    { op: "LpNormalization", inputs: [x], attributes: { axis: 1, p: 1 } },
    { op: "LRN", inputs: [x], attributes: { size: 3 } },
    { op: "MeanVarianceNormalization", inputs: [x] },
  ]);
  refuses([
    [{ op: "InstanceNormalization", inputs: [x, f32(5), f32(6)] }, /scale must have shape \[6\], not \[5\]/],
    [
      { op: "GroupNormalization", inputs: [x, f32(6), f32(6)], attributes: { num_groups: 4 } },
      /num_groups 4 must divide X's 6 channels/,
    ],
    [
      { op: "GroupNormalization", inputs: [x, f32(6), f32(6)], attributes: { num_groups: 2 }, opset: 18 },
      /scale must have shape \[2\], not \[6\]/,
    ],
    [{ op: "LRN", inputs: [x] }, /attribute size is required/],
  ]);
});

describe("Dropout", () => {
  agreesWithOrt([
    { op: "Dropout", inputs: [f32(2, 3)] },
    { op: "Dropout", inputs: [f32(2, 3), number(0.5)], outputs: 2 },
    { op: "Dropout", inputs: [f32(2, 3)], attributes: { ratio: 0.5 }, opset: 10, outputs: 2 },
  ]);
});
