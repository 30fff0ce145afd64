import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../graph/index.js";
import { type Attributes, int, type Tensor } from "../../onnx/types.js";
import { lower } from "../index.js";
import { irregular, largestError, runGraph } from "../testing/runAbstract.js";
import { onWebgpu, webgpuMissing } from "../testing/webgpuDevice.js";

const wide: Tensor = { ...irregular([3, 4]), data: irregular([3, 4]).data.map((value) => 200 * value) };
const withZeros: Tensor = { ...irregular([6]), data: Float32Array.of(-2, -0, 0, 3e-30, 7, -1e30) };
const scalars = [1, 2, 3, 4].map((seed) => ({ ...irregular([1], seed), shape: [] }));
const bool = (...data: number[]): Tensor => ({ dtype: "bool", shape: [data.length], data: Uint8Array.from(data) });

const cases: readonly { name: string; op: string; inputs: readonly Tensor[]; attributes?: Attributes }[] = [
  {
    name: "LogSoftmax of numbers whose exponentials overflow",
    op: "LogSoftmax",
    inputs: [wide],
    attributes: { axis: int(-1) },
  },
  { name: "LogSoftmax over the first axis", op: "LogSoftmax", inputs: [wide], attributes: { axis: int(0) } },
  ...[
    [5, 3],
    [2, 3, 4],
    [2, 3, 4, 5],
  ].map((shape) => ({
    name: `BatchNormalization of ${JSON.stringify(shape)}`,
    op: "BatchNormalization",
    inputs: [
      irregular(shape),
      ...[1, 2, 3].map((seed) => irregular([3], seed)),
      { ...irregular([3]), data: Float32Array.of(0.2, 1, 3) },
    ],
  })),
  { name: "Sum of scalars", op: "Sum", inputs: scalars },
  {
    name: "Sum of tensors that broadcast",
    op: "Sum",
    inputs: [irregular([3, 1]), irregular([4], 2), irregular([1], 3)],
  },
  { name: "Sum of one", op: "Sum", inputs: [irregular([3])] },
  { name: "Mean", op: "Mean", inputs: [irregular([3]), irregular([3], 2), irregular([3], 3)] },
  { name: "Sign", op: "Sign", inputs: [withZeros] },
  { name: "Softsign", op: "Softsign", inputs: [irregular([5])] },
  { name: "Or", op: "Or", inputs: [bool(0, 0, 1, 1), bool(0, 1, 0, 1)] },
];

describe.each([
  { name: "on the CPU", provider: "cpu", skip: false },
  { name: onWebgpu, provider: "webgpu", skip: webgpuMissing !== undefined },
] as const)("what stands in for an ONNX operator gives the same, $name", ({ provider, skip }) => {
  it.skipIf(skip).each(cases)("$name", async ({ op, inputs, attributes = {} }) => {
    const b = new GraphBuilder();
    const values = inputs.map(({ dtype, shape }, index) => b.input(`x${index}`, dtype, shape));
    const result = b.op(op, values, attributes);
    b.output("y", result.dtype === "bool" ? b.cast(result, "float32") : result);
    const graph = b.finish(op);
    const lowered = lower(graph, "webgpu");
    expect(lowered.nodes.map((node) => node.op)).not.toContain(op);
    expect(lowered.outputs.map(({ name }) => name)).toEqual(["y"]);
    const feeds = new Map(inputs.map((tensor, index) => [`x${index}`, tensor]));
    const [actual, expected] = [await runGraph(lowered, feeds, provider), await runGraph(graph, feeds)];
    expect(largestError(actual.get("y") as Float32Array, expected.get("y") as Float32Array)).toBeLessThan(1e-6);
  });
});
