import { describe } from "vitest";
import { agreesWithOrt, f32, refuses } from "../ortOracle.js";

const domain = "com.microsoft";

describe("ONNX Runtime's own activations", () => {
  agreesWithOrt([
    { op: "Gelu", domain, inputs: [f32(2, 3)] },
    { op: "FastGelu", domain, inputs: [f32(2, 3)] },
    { op: "FastGelu", domain, inputs: [f32(2, 3), f32(3)] },
    { op: "QuickGelu", domain, inputs: [f32(2, 3)], attributes: { alpha: 1.702 } },
    { op: "BiasGelu", domain, inputs: [f32(2, 3), f32(3)] },
  ]);
  refuses([
    [{ op: "BiasGelu", domain, inputs: [f32(2, 3)] }, /input 1 is required/],
    [{ op: "FastGelu", domain, inputs: [f32(2, 3), f32(2)] }, /bias must have shape \[3\], not \[2\]/],
  ]);
});
