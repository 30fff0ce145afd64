import fc from "fast-check";
import { Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { elementCount } from "../../onnx/types.js";
import { buildNode, f32, plainAttributes, runGraph } from "../ortOracle.js";
import { transposedWindowGeometry, windowGeometry } from "./window.js";

const axisGeometry = fc.record({
  size: fc.integer({ min: 1, max: 12 }),
  kernel: fc.integer({ min: 1, max: 4 }),
  stride: fc.integer({ min: 1, max: 4 }),
  dilation: fc.integer({ min: 1, max: 3 }),
  before: fc.integer({ min: 0, max: 3 }),
  after: fc.integer({ min: 0, max: 3 }),
});

/** Window starts, found by walking: every start whose window ends within the padded axis. */
function walk({ size, kernel, stride, dilation, before, after }: { [key: string]: number }): number {
  let windows = 0;
  for (let start = -before!; start + (kernel! - 1) * dilation! < size! + after!; start += stride!) windows++;
  return windows;
}

describe("windowGeometry", () => {
  it("counts the windows that fit into the padded axis", () => {
    fc.assert(
      fc.property(axisGeometry, (axis) => {
        const attributes = plainAttributes({
          strides: [axis.stride],
          dilations: [axis.dilation],
          pads: [axis.before, axis.after],
        });
        const [windows] = windowGeometry(attributes, [axis.size], [axis.kernel]).output;
        expect(Math.max(0, windows!)).toBe(walk(axis));
      }),
    );
  });

  it("pads for auto_pad SAME just enough for ceil(n / s) windows", () => {
    fc.assert(
      fc.property(axisGeometry, fc.constantFrom("SAME_UPPER", "SAME_LOWER"), (axis, auto_pad) => {
        const attributes = plainAttributes({ strides: [axis.stride], dilations: [axis.dilation], auto_pad });
        const { output, pads } = windowGeometry(attributes, [axis.size], [axis.kernel]);
        expect(output).toEqual([Math.ceil(axis.size / axis.stride)]);
        const [before, after] = pads as [number, number];
        const resolved = { ...axis, before, after };
        if (before + after > 0) {
          expect(walk(resolved)).toBe(output[0]);
          expect(walk({ ...resolved, after: after - 1 })).toBeLessThan(output[0]!);
        } else expect(walk(resolved)).toBeGreaterThanOrEqual(output[0]!);
        expect(auto_pad === "SAME_UPPER" ? after - before : before - after).toBeOneOf([0, 1]);
      }),
    );
  });

  it("is inverted by transposedWindowGeometry, up to the rest that striding loses", () => {
    fc.assert(
      fc.property(axisGeometry, (axis) => {
        const plain = { strides: [axis.stride], dilations: [axis.dilation], pads: [axis.before, axis.after] };
        const [windows] = windowGeometry(plainAttributes(plain), [axis.size], [axis.kernel]).output;
        fc.pre(windows! >= 1);
        const extent = (axis.kernel - 1) * axis.dilation + 1;
        const rest = (axis.size + axis.before + axis.after - extent) % axis.stride;
        const attributes = plainAttributes({ ...plain, output_padding: [rest] });
        expect(transposedWindowGeometry(attributes, [windows!], [axis.kernel]).output).toEqual([axis.size]);
      }),
    );
  });
});

/** The largest difference between the outputs of two nodes on the same made-up input. */
async function difference(op: string, given: Record<string, string | number[]>, resolved: Record<string, number[]>) {
  const inputs = [f32(1, 1, 7, 6), f32(1, 1, 3, 4)];
  const [a, b] = await Promise.all(
    [given, resolved].map(async (attributes) => {
      const { graph, b } = buildNode({ op, inputs, attributes });
      const x = Float32Array.from({ length: 42 }, (_, index) => Math.sin(index * index));
      const w = Float32Array.from({ length: 12 }, (_, index) => Math.cos(3 * index));
      const feeds = { x0: new Tensor(x, [1, 1, 7, 6]), x1: new Tensor(w, [1, 1, 3, 4]) };
      return (await runGraph(graph, b.opsets, feeds))[0]!;
    }),
  );
  expect(b!.dims).toEqual(a!.dims);
  expect(elementCount(a!.dims)).toBeGreaterThan(0);
  const [left, right] = [a!.data as Float32Array, b!.data as Float32Array];
  return Math.max(...left.map((value, index) => Math.abs(value - right[index]!)));
}

describe("the padding that auto_pad resolves to gives ONNX Runtime's numbers", () => {
  it.each(["SAME_UPPER", "SAME_LOWER"].flatMap((pad) => [[pad, [1, 1]] as const, [pad, [2, 3]] as const]))(
    "Conv %s, strides %j",
    async (auto_pad, strides) => {
      const given = { auto_pad, strides: [...strides] };
      const { pads } = windowGeometry(plainAttributes(given), [7, 6], [3, 4]);
      // The same products in the same order; only how ONNX Runtime unrolls them may differ.
      expect(await difference("Conv", given, { strides: [...strides], pads: [...pads] })).toBeLessThan(1e-5);
    },
  );

  it.each(["SAME_UPPER", "SAME_LOWER"].flatMap((pad) => [[pad, [1, 1]] as const, [pad, [2, 3]] as const]))(
    "ConvTranspose %s, strides %j",
    async (auto_pad, strides) => {
      const given = { auto_pad, strides: [...strides] };
      const { pads } = transposedWindowGeometry(plainAttributes(given), [7, 6], [3, 4]);
      expect(await difference("ConvTranspose", given, { strides: [...strides], pads: [...pads] })).toBeLessThan(1e-5);
    },
  );

  it.each([[{ output_shape: [13, 18] }], [{ output_shape: [13, 18], auto_pad: "SAME_UPPER" }]])(
    "ConvTranspose with %j",
    async (attributes) => {
      const given = { ...attributes, strides: [2, 3] };
      const { pads } = transposedWindowGeometry(plainAttributes(given), [7, 6], [3, 4]);
      expect(await difference("ConvTranspose", given, { strides: [2, 3], pads: [...pads] })).toBeLessThan(1e-5);
    },
  );
});
