import { expect, it } from "vitest";
import { GraphBuilder } from "../../graph/index.js";
import { irregular, runGraph } from "../testing/runAbstract.js";
import { transposeMerged } from "./transpose.js";

it.each([
  [[2, 3, 4], [2, 0, 1], 1],
  [[2, 3, 4, 5], [0, 2, 3, 1], 1],
  [[4, 1, 3, 2, 2], [1, 0, 3, 4, 2], 1],
  [[2, 3, 1, 4], [2, 0, 1, 3], 0],
  [[1, 3, 1], [1, 2, 0], 0],
  [[1, 1], [1, 0], 0],
  [[2, 3, 1, 4, 5], [3, 4, 2, 1, 0], 1],
] as const)("[%s] by [%s] is Transpose's, with %i Transpose left", async (shape, permutation, transposes) => {
  const x = irregular(shape);
  const b = new GraphBuilder();
  const input = b.input("x", "float32", shape);
  b.output("merged", transposeMerged(b, input, permutation));
  expect(b.nodes.filter((node) => node.op === "Transpose").length).toBe(transposes);
  b.output("plain", b.transpose(input, permutation));
  const graph = b.finish("transposes");
  expect(graph.outputs[0]?.shape).toEqual(graph.outputs[1]?.shape);
  const results = await runGraph(graph, new Map([["x", x]]));
  expect(results.get("merged")).toEqual(results.get("plain"));
});
