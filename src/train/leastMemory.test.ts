import { describe, expect, it } from "vitest";
import { GraphBuilder, type Value } from "../graph/index.js";
import { leastMemory, requireMemory } from "./index.js";

/** x [1000] float32 through some nodes; "last" is the forward pass' end, and the graph's output what reads its steps again, in turn from the end. */
function graphOf(forward: (b: GraphBuilder, x: Value) => readonly Value[]) {
  const b = new GraphBuilder();
  const steps = forward(b, b.input("x", "float32", [1000]));
  const last = b.op("ReduceSum", [steps.at(-1)!], {}, { outputNames: ["last"] });
  const back = [...steps].reverse().reduce((gradient, step) => b.times(gradient, step), last);
  b.output("gradient", b.sum(back));
  return { graph: b.finish("test"), opsets: b.opsets };
}

const tanhs =
  (count: number) =>
  (b: GraphBuilder, x: Value): readonly Value[] => {
    const steps: Value[] = [];
    for (let i = 0; i < count; i++) steps.push(b.op("Tanh", [steps.at(-1) ?? x]));
    return steps;
  };

describe("leastMemory", () => {
  it("counts what is read again after the end of the forward pass", () => {
    const { graph, opsets } = graphOf(tanhs(5));
    expect(leastMemory(graph, opsets, "last")).toMatchObject({ held: 4000, results: 5 * 4000 + 4 });
  });

  it("counts a result or what is made of it alone, which may be made early or late, but not both", () => {
    const { graph, opsets } = graphOf((b, x) => tanhs(5)(b, x).map((y) => b.square(y)));
    expect(leastMemory(graph, opsets, "last").results).toBe(5 * 4000 + 4);
  });

  it("does not count what nothing reads again", () => {
    const { graph, opsets } = graphOf((b, x) => tanhs(5)(b, x).slice(-1));
    // The last Tanh and the sum.
    expect(leastMemory(graph, opsets, "last")).toMatchObject({ results: 4000 + 4 });
  });

  it("counts views and multiples as what they are of", () => {
    const { graph, opsets } = graphOf((b, x) => {
      const [y, z] = tanhs(2)(b, x) as [Value, Value];
      const view = b.reshape(b.reshape(z, [10, 100]), [1000]);
      return [y, z, view, b.times(view, b.scalar(3))];
    });
    expect(leastMemory(graph, opsets, "last").results).toBe(2 * 4000 + 4);
  });

  it("counts the inputs of one node together, and state as often as it is there", () => {
    const b = new GraphBuilder();
    const x = b.input("x", "float32", [1000]);
    b.output("y", b.sum(b.times(b.op("Tanh", [x]), b.op("Sin", [x]))));
    const { bytes, held, results } = leastMemory(b.finish("test"), b.opsets, "y", () => 2);
    expect([bytes, held, results]).toEqual([16_000, 8000, 8000]);
  });

  it("is refused above the limit, with the largest tensors by name", () => {
    const { graph, opsets } = graphOf(tanhs(5));
    const least = leastMemory(graph, opsets, "last");
    expect(() => requireMemory(least, "a step", least.bytes, "Take less")).not.toThrow();
    expect(() => requireMemory(least, "a step", least.bytes - 1, "Take less")).toThrow(
      expect.objectContaining({
        code: "ISO_MEMORY",
        message: expect.stringMatching(/^a step takes at least 0\.0000240 GB.*largest are x \[1000\]/),
        remedy: "Take less",
      }),
    );
  });
});
