import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agreesWithOrt, buildNode, f32, i64, number, refuses, runGraph } from "../ortOracle.js";

const farAway = Number.MAX_SAFE_INTEGER;

describe("Slice", () => {
  agreesWithOrt([
    { op: "Slice", inputs: [f32(5, 6), i64(1), i64(4)] },
    { op: "Slice", inputs: [f32(5, 6), i64(1, -3), i64(farAway, -1), i64(1, 0)] },
    { op: "Slice", inputs: [f32(5, 6), i64(-1), i64(-farAway), i64(0), i64(-2)] },
    { op: "Slice", inputs: [f32(5, 6), i64(4), i64(2)] },
    { op: "Slice", inputs: [f32(5, 6), i64(0), i64(6), i64(-1), i64(4)] },
    { op: "Slice", inputs: [f32(5, 6)], attributes: { starts: [1], ends: [3], axes: [1] }, opset: 9 },
  ]);
  refuses([
    [{ op: "Slice", inputs: [f32(5), i64(0), i64(4), i64(0), i64(0)] }, /the step on axis 0 is 0/],
    [{ op: "Slice", inputs: [f32(5, 5), i64(0, 1), i64(4)] }, /differ in length/],
    [{ op: "Slice", inputs: [f32(5), i64(0), i64(4), i64(1)] }, /axis 1 is outside rank 1/],
    [{ op: "Slice", inputs: [f32(5)] }, /starts and ends are required/],
  ]);

  it("takes as many elements as JavaScript's slice does, whatever the bounds", () => {
    const bound = fc.integer({ min: -12, max: 12 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 }), bound, bound, (size, start, end) => {
        const { inferred } = buildNode({ op: "Slice", inputs: [f32(size), i64(start), i64(end)] });
        expect(inferred[0]!.shape).toEqual([new Array(size).fill(0).slice(start, end).length]);
      }),
    );
  });

  it("takes as many elements as ONNX Runtime does with any step", async () => {
    const bound = fc.integer({ min: -12, max: 12 });
    const step = fc.integer({ min: -4, max: 4 }).filter((value) => value !== 0);
    const property = fc.asyncProperty(
      fc.integer({ min: 1, max: 8 }),
      bound,
      bound,
      step,
      async (size, start, end, by) => {
        const node = { op: "Slice", inputs: [f32(size), i64(start), i64(end), i64(0), i64(by)] };
        const { graph, inferred, b } = buildNode(node);
        expect(inferred[0]!.shape).toEqual([...(await runGraph(graph, b.opsets))[0]!.dims]);
      },
    );
    await fc.assert(property, { numRuns: 80 });
  });
});

describe("Pad", () => {
  agreesWithOrt([
    { op: "Pad", inputs: [f32(2, 3), i64(0, 1, 2, 3)] },
    { op: "Pad", inputs: [f32(2, 3), i64(1, -1, 0, -1), number(5)] },
    { op: "Pad", inputs: [f32(2, 3), i64(1, 2), undefined, i64(-1)], opset: 18 },
    { op: "Pad", inputs: [f32(2, 3), i64(0, 2, 1, 1)], attributes: { mode: "reflect" } },
    { op: "Pad", inputs: [f32(2, 3), i64(4, 2, 1, 1)], attributes: { mode: "edge" } },
    { op: "Pad", inputs: [f32(2, 3), i64(1, 2, 1, 1)], attributes: { mode: "wrap" } },
    { op: "Pad", inputs: [f32(2, 3)], attributes: { pads: [0, 1, 2, 3], value: 0.5 }, opset: 10 },
  ]);
  refuses([
    [{ op: "Pad", inputs: [f32(2, 3), i64(1, 1)] }, /pads \[1, 1\] must have two entries for each of 2 axes/],
    [{ op: "Pad", inputs: [f32(2), i64(-2, -1)] }, /take away more than there is/],
    [{ op: "Pad", inputs: [f32(2), i64(2, 0)], attributes: { mode: "reflect" } }, /reflection needs pads \[2, 0\]/],
    [{ op: "Pad", inputs: [f32(2), i64(2, 0)], attributes: { mode: "mirror" } }, /mode "mirror" is none of/],
    [{ op: "Pad", inputs: [f32(2)] }, /pads are required/],
  ]);
});
