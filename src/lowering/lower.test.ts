import { expect, it } from "vitest";
import type { IsonormError } from "../errors.js";
import { GraphBuilder } from "../graph/index.js";
import { int, ints } from "../onnx/types.js";
import { lower } from "./index.js";
import { irregular, runGraph } from "./testing/runAbstract.js";

const window = {
  kernel_shape: ints([3]),
  strides: ints([1]),
  pads: ints([1, 1]),
  dilations: ints([1]),
  group: int(1),
};

it("values keep their names, and no abstract operator is left", () => {
  const b = new GraphBuilder();
  const x = b.input("x", "float32", [2, 3, 4]);
  const w = b.initializer("w", irregular([5, 3, 3]));
  const y = b.add("Conv", [x, w], { pads: ints([1, 1]) }, { outputNames: ["y"] })[0]!;
  const dw = b.abstract("ConvWeightGrad", [x, y], window, "conv.gradient")[0]!;
  b.output("dw", b.relu(dw));
  b.output("y_again", y);
  const lowered = lower(b.finish("step"), "cpu");
  const made = new Set(lowered.nodes.flatMap((node) => node.outputs));
  expect(lowered.nodes.filter((node) => node.domain === "isonorm")).toEqual([]);
  expect(lowered.inputs).toEqual([{ name: "x", dtype: "float32", shape: [2, 3, 4] }]);
  expect(lowered.outputs.map(({ name }) => name)).toEqual(["dw", "y_again"]);
  expect([dw.name, "dw", "y_again"].filter((name) => !made.has(name))).toEqual([]);
  expect(lowered.initializers.get("w")).toBe(w.constant);
});

it("an abstract output may be a graph output, alone among its node's", async () => {
  const b = new GraphBuilder();
  const x = b.input("x", "float32", [4, 2]);
  const [scale, bias] = [b.constant(irregular([2], 2)), b.constant(irregular([2], 3))];
  const [, mean] = b.abstract("BatchNormTraining", [x, scale, bias]);
  b.markOutput(mean!);
  const lowered = lower(b.finish("mean"), "cpu");
  expect(lowered.nodes.map((node) => node.op)).toEqual(["ReduceMean"]);
  const data = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const result = await runGraph(lowered, new Map([["x", { dtype: "float32", shape: [4, 2], data }]]));
  expect([...(result.get(mean!.name) as Float32Array)]).toEqual([4, 5]);
});

it("what no output depends on is left out, and equal recipes are computed once", () => {
  const b = new GraphBuilder();
  const dy = b.input("dy", "float32", [2, 3]);
  const y = b.input("y", "float32", [2, 3]);
  b.abstract("SumOfSquares", [dy]);
  const twice = [b.abstract("ReluGrad", [dy, y])[0]!, b.abstract("ReluGrad", [dy, y])[0]!] as const;
  b.markOutput(b.plus(...twice));
  expect(lower(b.finish("shared"), "cpu").nodes.map((node) => node.op)).toEqual(["HardSigmoid", "Mul", "Add"]);
});

it("names that recipes make do not collide with names that the graph has", () => {
  const b = new GraphBuilder();
  const dy = b.input("Mul/y", "float32", [3]);
  const y = b.input("Cast/y", "float32", [3]);
  b.markOutput(b.add("Relu", [b.abstract("ReluGrad", [dy, y])[0]!], {}, { outputNames: ["Cast_1/y"] })[0]!);
  const lowered = lower(b.finish("names"), "cpu");
  const names = [...lowered.inputs.map(({ name }) => name), ...lowered.nodes.flatMap((node) => node.outputs)];
  expect(new Set(names).size).toBe(names.length);
  expect(lowered.outputs[0]?.name).toBe("Cast_1/y");
});

it("an operator without a recipe is an error that names operator, node and target", () => {
  const b = new GraphBuilder();
  const x = b.input("x", "float32", [3]);
  b.output("sum", b.abstract("SumOfSquares", [x], {}, "norm")[0]!);
  const graph = b.finish("unsupported");
  const unknown = { ...graph, nodes: graph.nodes.map((node) => ({ ...node, op: node.domain ? "Unheard" : node.op })) };
  for (const target of ["cpu", "webgpu"] as const)
    try {
      lower(unknown, target);
      expect.unreachable();
    } catch (error) {
      expect((error as IsonormError).code).toBe("ISO_LOWERING_UNSUPPORTED");
      expect(String(error)).toContain(`target ${target} has no recipe for operator isonorm:Unheard (node norm)`);
    }
});

it("an input of unknown size is refused by name", () => {
  const b = new GraphBuilder();
  b.output("y", b.relu(b.input("x", "float32", [3])));
  const graph = b.finish("open");
  const open = { ...graph, inputs: [{ name: "x", dtype: "float32" as const, shape: ["batch", 3] }] };
  expect(() => lower(open, "cpu")).toThrow(/graph input x has type float32 and shape \[batch,3\]/);
});
