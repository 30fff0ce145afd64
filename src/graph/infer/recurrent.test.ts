import { describe } from "vitest";
import { agreesWithOrt, f32, refuses, typed } from "../ortOracle.js";

describe("RNN, GRU, LSTM", () => {
  agreesWithOrt([
    { op: "RNN", inputs: [f32(5, 2, 3), f32(1, 4, 3), f32(1, 4, 4)], attributes: { hidden_size: 4 } },
    { op: "GRU", inputs: [f32(5, 2, 3), f32(1, 12, 3), f32(1, 12, 4), f32(1, 24)], attributes: { hidden_size: 4 } },
    { op: "LSTM", inputs: [f32(5, 2, 3), f32(1, 16, 3), f32(1, 16, 4)], attributes: { hidden_size: 4 } },
    {
      op: "LSTM",
      inputs: [f32(5, 2, 3), f32(2, 16, 3), f32(2, 16, 4), undefined, typed("int32", 2)],
      attributes: { hidden_size: 4, direction: "bidirectional" },
      outputs: 1,
    },
  ]);
  refuses([
    [
      { op: "GRU", inputs: [f32(5, 2, 3), f32(1, 8, 3), f32(1, 12, 4)], attributes: { hidden_size: 4 } },
      /W must have shape \[1, 12, 3\]/,
    ],
    [
      { op: "RNN", inputs: [f32(5, 2, 3), f32(1, 4, 3), f32(1, 4, 4)], attributes: { hidden_size: 5 } },
      /hidden_size 5 is not that of R, 4/,
    ],
    [
      {
        op: "RNN",
        inputs: [f32(5, 2, 3), f32(1, 4, 3), f32(1, 4, 4), undefined, typed("int32", 5)],
        attributes: { hidden_size: 4 },
      },
      /sequence_lens must have shape \[2\]/,
    ],
  ]);
});
