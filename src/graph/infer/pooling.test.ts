import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agreesWithOrt, buildNode, f32, i64, refuses, runGraph } from "../ortOracle.js";

describe("global pooling", () => {
  agreesWithOrt(
    ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"].flatMap((op) => [
      { op, inputs: [f32(2, 3, 5, 4)] },
      { op, inputs: [f32(2, 3, 5)] },
    ]),
  );
});

describe("MaxPool, AveragePool, LpPool", () => {
  const geometries = [
    { kernel_shape: [2, 2] },
    { kernel_shape: [3, 2], strides: [2, 2] },
    { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
    { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 1, 2, 1] },
    { kernel_shape: [3, 3], strides: [2, 2], auto_pad: "SAME_UPPER" },
    { kernel_shape: [2, 3], strides: [2, 3], auto_pad: "SAME_LOWER" },
    { kernel_shape: [3, 3], strides: [3, 3], auto_pad: "VALID" },
  ];
  agreesWithOrt(
    geometries.flatMap((attributes) =>
      ["MaxPool", "AveragePool", "LpPool"].map((op) => ({ op, inputs: [f32(1, 2, 9, 8)], attributes })),
    ),
  );
  const rounding = [
    { kernel_shape: [2, 2], strides: [2, 2] },
    { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
    // Here the last window would start in the padding at the end, and is dropped.
    { kernel_shape: [1, 1], strides: [2, 2] },
    { kernel_shape: [2, 2], strides: [3, 3], pads: [1, 1, 1, 1] },
    { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 1, 1] },
  ];
  agreesWithOrt(
    rounding.flatMap((attributes) =>
      [f32(1, 2, 9, 8), f32(1, 2, 10, 7), f32(1, 1, 6, 5)].flatMap((x) =>
        ["MaxPool", "AveragePool"].map((op) => ({ op, inputs: [x], attributes: { ...attributes, ceil_mode: 1 } })),
      ),
    ),
  );
  agreesWithOrt([
    { op: "MaxPool", inputs: [f32(1, 2, 9, 8)], attributes: { kernel_shape: [2, 3], dilations: [3, 2] } },
    { op: "MaxPool", inputs: [f32(1, 2, 9, 8)], attributes: { kernel_shape: [2, 2], strides: [2, 2] }, outputs: 2 },
    { op: "MaxPool", inputs: [f32(1, 2, 9)], attributes: { kernel_shape: [3], pads: [1, 1] } },
    { op: "MaxPool", inputs: [f32(1, 2, 5, 6, 7)], attributes: { kernel_shape: [2, 2, 3], strides: [2, 1, 2] } },
    { op: "AveragePool", inputs: [f32(1, 2, 9, 8)], attributes: { kernel_shape: [2, 3], dilations: [2, 2] } },
    { op: "AveragePool", inputs: [f32(1, 2, 9)], attributes: { kernel_shape: [3] }, opset: 7 },
  ]);
});

it("gives ONNX Runtime's size for any geometry that it takes", async () => {
  const axis = fc.record({
    size: fc.integer({ min: 1, max: 12 }),
    kernel: fc.integer({ min: 1, max: 5 }),
    stride: fc.integer({ min: 1, max: 6 }),
    before: fc.integer({ min: 0, max: 4 }),
    after: fc.integer({ min: 0, max: 4 }),
  });
  const property = fc.asyncProperty(axis, fc.constantFrom(0, 1), async (given, ceil_mode) => {
    const { size, kernel, stride } = given;
    fc.pre(Math.max(given.before, given.after) < kernel && size + given.before + given.after >= kernel);
    const attributes = { kernel_shape: [kernel], strides: [stride], pads: [given.before, given.after], ceil_mode };
    const { graph, inferred, b } = buildNode({ op: "MaxPool", inputs: [f32(1, 1, size)], attributes });
    const [actual] = await runGraph(graph, b.opsets);
    expect(inferred[0]!.shape).toEqual([...actual!.dims]);
  });
  await fc.assert(property, { numRuns: 60 });
});

describe("MaxUnpool", () => {
  const inputs = [f32(1, 1, 2, 2), { dtype: "int64", shape: [1, 1, 2, 2] }] as const;
  agreesWithOrt([
    { op: "MaxUnpool", inputs, attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
    { op: "MaxUnpool", inputs: [...inputs, i64(1, 1, 5, 5)], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
  ]);
});

it("makes MaxPool's indices only when asked for", () => {
  const node = { op: "MaxPool", inputs: [f32(1, 1, 4, 4)], attributes: { kernel_shape: [2, 2] } };
  expect(buildNode(node).inferred).toHaveLength(1);
  expect(buildNode({ ...node, outputs: 2 }).inferred).toHaveLength(2);
});

const x = f32(1, 2, 9, 8);
refuses([
  [{ op: "MaxPool", inputs: [x] }, /attribute kernel_shape is required/],
  [{ op: "MaxPool", inputs: [x], attributes: { kernel_shape: [3] } }, /the kernel \[3\] must have 2 sizes/],
  [{ op: "AveragePool", inputs: [x], attributes: { kernel_shape: [10, 2] } }, /the window does not fit/],
  [
    { op: "MaxPool", inputs: [x], attributes: { kernel_shape: [2, 2], pads: [2, 0, 0, 0] } },
    /pads .* smaller than the kernel/,
  ],
  [{ op: "MaxPool", inputs: [x], attributes: { kernel_shape: [2, 2] }, outputs: 3 }, /at most 2 outputs, not 3/],
  [{ op: "GlobalAveragePool", inputs: [f32(2, 3)] }, /X must have rank 3 or more, not 2/],
]);
