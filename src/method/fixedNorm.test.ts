import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/index.js";
import { measureNorm, norms, projectToNorm } from "./index.js";
import { compile, type FloatTensor, randomTensor, relativeDifference, run, scaled, tensor } from "./testing/run.js";

const weight = randomTensor([3, 4, 2], 5);

async function project(
  granularity: "tensor" | "channel",
  axis: number,
  start = weight,
  moved = randomTensor(weight.shape, 6),
) {
  const b = new GraphBuilder();
  const norm0 = b.constant(measureNorm("w", start, granularity, axis));
  const projection = projectToNorm(b, b.input("w", "float32", weight.shape), norm0, granularity, axis);
  b.output("weight", projection.weight);
  b.output("sumOfSquares", projection.sumOfSquares);
  return { outputs: await run(b, { w: moved }), moved, projection };
}

describe("projection to the norm at the start", () => {
  it("keeps the direction and restores the Frobenius norm", async () => {
    const { outputs, moved } = await project("tensor", 0);
    const factor = norms(weight)[0]! / norms(moved)[0]!;
    // Square root, division and product: a few float32 roundings.
    expect(
      relativeDifference(
        outputs.weight!,
        moved.data.map((element) => element * factor),
      ),
    ).toBeLessThan(1e-6);
    expect(outputs.sumOfSquares![0]).toBeCloseTo(norms(moved)[0]! ** 2, 5);
  });

  it.each([0, 1, 2])("gives each slice along axis %i its own norm", async (axis) => {
    const { outputs, projection } = await project("channel", axis);
    const after = norms(tensor(weight.shape, outputs.weight!), axis);
    expect(relativeDifference(after, norms(weight, axis))).toBeLessThan(1e-6);
    expect(projection.sumOfSquares.shape).toEqual(weight.shape.map((size, other) => (other === axis ? size : 1)));
  });

  it("gives the slices of one matrix their common norm", async () => {
    // Axis 1 has four slices, of which the first and third are one matrix.
    const parts = [0, 1, 0, 2];
    const b = new GraphBuilder();
    const norm0 = measureNorm("w", weight, "channel", 1, parts);
    const projection = projectToNorm(b, b.input("w", "float32", weight.shape), b.constant(norm0), "channel", 1, parts);
    b.output("weight", projection.weight);
    const moved = randomTensor(weight.shape, 6);
    const outputs = await run(b, { w: moved });
    const sizes = (of: FloatTensor) => {
      const slices = norms(of, 1);
      const first = Math.hypot(slices[0]!, slices[2]!);
      return [first, slices[1]!, first, slices[3]!];
    };
    expect(norm0.shape).toEqual([1, 4, 1]);
    expect(relativeDifference(norm0.data as Float32Array, sizes(weight))).toBeLessThan(1e-6);
    const [before, after] = [sizes(weight), sizes(moved)];
    const expected = moved.data.map((element, index) => {
      const slice = Math.floor(index / 2) % 4;
      return (element * before[slice]!) / after[slice]!;
    });
    expect(relativeDifference(outputs.weight!, expected)).toBeLessThan(1e-6);
  });

  it("refuses parts that do not divide the axis", () => {
    expect(() => measureNorm("w", weight, "channel", 1, [0, 1, 2])).toThrow("4 slices do not fall into 3 equal parts");
  });

  it("refuses a norm measured with another granularity", () => {
    const b = new GraphBuilder();
    const norm0 = b.constant(measureNorm("w", weight, "channel", 0));
    expect(() => projectToNorm(b, b.input("w", "float32", weight.shape), norm0)).toThrow(
      expect.objectContaining({ code: "ISO_GRAPH_SHAPE" }),
    );
  });

  it("does not drift in 10,000 steps", async () => {
    const start = randomTensor([64, 32], 7);
    const b = new GraphBuilder();
    const moved = b.plus(b.input("w", "float32", start.shape), b.input("step", "float32", start.shape));
    b.output("next", projectToNorm(b, moved, b.constant(measureNorm("w", start))).weight);
    const step = await compile(b.finish("steps"));
    const steps = Array.from({ length: 16 }, (_, seed) => scaled(randomTensor(start.shape, 100 + seed), 0.1));
    let current = start;
    for (let index = 0; index < 10_000; index++)
      current = tensor(start.shape, (await step({ w: current, step: steps[index % 16]! })).next!);
    // The project's bar.
    expect(Math.abs(norms(current)[0]! / norms(start)[0]! - 1)).toBeLessThanOrEqual(1e-5);
  });
});

describe("Norm_0", () => {
  it("is the Frobenius norm, or that of each slice", () => {
    const matrix = tensor([2, 2], [3, 4, 0, 5]);
    expect(measureNorm("w", matrix)).toEqual({ dtype: "float32", shape: [], data: Float32Array.of(Math.sqrt(50)) });
    expect(measureNorm("w", matrix, "channel", 0)).toEqual({
      dtype: "float32",
      shape: [2, 1],
      data: Float32Array.of(5, 5),
    });
    expect(measureNorm("w", matrix, "channel", 1)).toEqual({
      dtype: "float32",
      shape: [1, 2],
      data: Float32Array.of(3, Math.sqrt(41)),
    });
  });

  it("does not lose small elements among many", () => {
    // 10^7 elements of 1: a float32 sum would stop at 2^24.
    expect(norms(tensor([10_000_000], new Float32Array(10_000_000).fill(2)))[0]).toBe(2 * Math.sqrt(1e7));
  });

  it.each([
    ["zero", [0, 0, 0, 0], "weight conv.weight has norm 0"],
    ["not a number", [1, Number.NaN, 1, 1], "weight conv.weight has norm NaN"],
    ["infinite", [1, Number.POSITIVE_INFINITY, 1, 1], "weight conv.weight has norm Infinity"],
    ["too small for float32", [1e-46, 0, 0, 0], "weight conv.weight has norm 0"],
  ])("is refused where it is %s", (_, numbers, message) => {
    expect(() => measureNorm("conv.weight", tensor([2, 2], numbers))).toThrow(
      expect.objectContaining({ code: "ISO_NORM_ZERO" }),
    );
    expect(() => measureNorm("conv.weight", tensor([2, 2], numbers))).toThrow(message);
  });

  it("names the channel that has none", () => {
    expect(() => measureNorm("conv.weight", tensor([2, 2], [1, 2, 0, 0]), "channel", 0)).toThrow(
      "channel 1 of weight conv.weight",
    );
  });

  it("is measured on float weights only", () => {
    expect(() => measureNorm("w", { dtype: "int32", shape: [1], data: Int32Array.of(1) })).toThrow("type int32");
  });
});
