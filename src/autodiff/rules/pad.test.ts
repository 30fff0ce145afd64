import { describe, expect, it } from "vitest";
import { float, ints, string } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { checkGradient, type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

const x = randomTensor([2, 3, 5], { seed: 1 });
const pad = (mode: string, pads: readonly number[], axes?: readonly number[]): [string, GradientCheck] => [
  `mode ${mode}, pads [${pads}]${axes ? `, axes [${axes}]` : ""}`,
  {
    inputs: [x],
    build: (b, [v]) => b.op("Pad", [v, b.int64(pads), undefined, axes && b.int64(axes)], { mode: string(mode) }),
  },
];

describeGradients("Pad", {
  ...Object.fromEntries([
    pad("constant", [1, 0, 2, 0, 3, 1]),
    pad("constant", [0, -1, 0, 0, 0, -2]),
    pad("constant", [1, 2], [-1]),
    pad("reflect", [0, 2, 0, 0, 1, 4]),
    pad("reflect", [1, 0, 0, 1, 0, 0]),
    pad("edge", [0, 1, 3, 2, 0, 2]),
    pad("wrap", [0, 0, 2, 0, 1, 5]),
  ]),
  "a constant that is trained": {
    inputs: [x, randomTensor([], { seed: 2 })],
    build: (b, [v, value]) => b.op("Pad", [v, b.int64([0, 1, 1, 1, 0, 2]), value]),
  },
});

describeGradients("Pad before opset 11, with pads as an attribute", {
  constant: {
    inputs: [x],
    opset: 10,
    build: (b, [v]) => b.op("Pad", [v], { pads: ints([0, 1, 1, 1, 0, 2]), value: float(0.5) }),
  },
});

describe("Pad", () => {
  it("refuses negative pads where elements are repeated, and names the node", async () => {
    const check: GradientCheck = {
      inputs: [x],
      build: (b, [v]) => b.op("Pad", [v, b.int64([0, 0, -1, 0, 0, 1])], { mode: string("edge") }, { name: "border" }),
    };
    await expect(checkGradient(check)).rejects.toThrow(/Pad \(node border\): mode edge with negative pads/);
  });
});
