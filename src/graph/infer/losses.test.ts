import { describe } from "vitest";
import { agreesWithOrt, f32, refuses, typed } from "../ortOracle.js";

describe("losses", () => {
  const labels = typed("int64", 4);
  agreesWithOrt(
    ["SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss"].flatMap((op) => [
      { op, inputs: [f32(4, 3), labels] },
      { op, inputs: [f32(4, 3), labels, f32(3)], attributes: { reduction: "sum" } },
      { op, inputs: [f32(4, 3, 2, 2), typed("int64", 4, 2, 2)], attributes: { reduction: "none" } },
    ]),
  );
  agreesWithOrt([{ op: "SoftmaxCrossEntropyLoss", inputs: [f32(4, 3), labels], outputs: 2 }]);
  refuses([
    [
      { op: "SoftmaxCrossEntropyLoss", inputs: [f32(4, 3), typed("int64", 5)] },
      /labels must have shape \[4\], not \[5\]/,
    ],
    [{ op: "SoftmaxCrossEntropyLoss", inputs: [f32(4, 3), f32(4)] }, /labels must be int32 or int64, not float32/],
    [{ op: "NegativeLogLikelihoodLoss", inputs: [f32(4, 3), labels, f32(4)] }, /weights must have shape \[3\]/],
    [
      { op: "NegativeLogLikelihoodLoss", inputs: [f32(4, 3), labels], attributes: { reduction: "max" } },
      /reduction "max" is none of/,
    ],
  ]);
});
