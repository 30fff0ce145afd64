import { expect, it } from "vitest";
import { type GraphBuilder, inline, materialiseConstants, unroll, upgrade, type Value } from "../graph/index.js";
import {
  body,
  floats,
  lstmAsLoop,
  lstmAsScan,
  modelOf,
  scalar,
  trip,
  type Written,
} from "../graph/unroll/testModels.js";
import { int, ints, type Tensor } from "../onnx/types.js";
import { checkGradient, randomTensor } from "./testing/finiteDifference.js";

/** Gradients of the first output by the input x and the weights named. */
function check(written: Written, x: Tensor, weights: readonly string[]) {
  const model = upgrade(modelOf({ ...written, inputs: ["x"] }));
  const { model: unrolled } = unroll(model, new Map([["x", { dtype: "float32", shape: x.shape }]]));
  const inputs = [{ name: "x", dtype: "float32", shape: x.shape }] as const;
  // ConstantOfShape as a constant, which can be made float64.
  const plain = { ...unrolled, graph: materialiseConstants({ ...unrolled.graph, inputs }, unrolled.opsets) };
  const build = (b: GraphBuilder, inputs: readonly Value[]): Value => {
    const bindings = new Map(["x", ...weights].map((name, index) => [name, inputs[index]!]));
    return inline(b, plain, bindings).get(plain.graph.outputs[0]!.name)!;
  };
  return checkGradient({
    inputs: [x, ...weights.map((name) => plain.graph.initializers.get(name)!)],
    opset: plain.opsets.get("")!,
    build,
  });
}

const sequences = randomTensor([2, 5, 3]);

it.each([
  ["Scan", lstmAsScan],
  ["Loop", lstmAsLoop],
])(
  "the gradients of an LSTM as %s, each weight used at every step, agree with central differences",
  async (_, make) => {
    const written = make({ features: 3, units: 4 });
    for (const outputs of [["h_last"], ["all"]])
      expect(await check({ ...written, outputs }, sequences, ["W", "R", "B"])).toBe("float64");
  },
);

it("the gradients of loops in loops, backwards and along other axes, agree with central differences", async () => {
  const inner = body(
    {
      lines: ["going2 = Identity(going)", "p = MatMul(inner, weight)", "q = Add(p, xt)", "r = Sin(q)"],
      inputs: trip("inner"),
      outputs: ["going2", "r"],
      constants: { weight: floats([3, 3], 7) },
    },
    "inner",
  );
  const outer = body({
    lines: ["begin = Mul(sum, xt)", ["sum2 = Loop(times, , begin)", inner], "out = Exp(sum2)"],
    inputs: ["sum", "xt"],
    outputs: ["sum2", "out"],
  });
  const attributes = {
    num_scan_inputs: int(1),
    scan_input_axes: ints([1]),
    scan_input_directions: ints([1]),
    scan_output_axes: ints([-1]),
    ...outer,
  };
  const written: Written = {
    lines: [["last, outs = Scan(start, x)", attributes]],
    outputs: ["outs"],
    constants: { start: floats([1, 3]), times: scalar(3) },
  };
  expect(await check(written, sequences, ["weight", "start"])).toBe("float64");
});
