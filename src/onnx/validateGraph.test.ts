import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decode } from "./decode.js";
import type { Graph, Model, Node } from "./types.js";
import { validateGraph } from "./validateGraph.js";

const fixture = (name: string) => readFileSync(new URL(`../../test/fixtures/onnx/${name}`, import.meta.url));
const invalid = (message: RegExp) =>
  expect.objectContaining({ code: "ISO_GRAPH_INVALID", message: expect.stringMatching(message) });

function node(name: string, inputs: string[], outputs: string[], more: Partial<Node> = {}): Node {
  return { op: "Sum", domain: "", name, inputs, outputs, attributes: {}, ...more };
}

/** Input x, initializer w, output y. */
function graphOf(nodes: readonly Node[], more: Partial<Graph> = {}): Graph {
  return {
    name: "g",
    nodes,
    inputs: [{ name: "x", dtype: "float32", shape: [2] }],
    outputs: [{ name: "y", dtype: "float32", shape: [2] }],
    initializers: new Map([["w", { dtype: "float32", shape: [2], data: new Float32Array(2) }]]),
    valueInfo: [],
    ...more,
  };
}

function modelOf(graph: Graph, opsets: [string, number][] = [["", 17]]): Model {
  return { graph, irVersion: 8, opsets: new Map(opsets), producerName: "", producerVersion: "", metadata: new Map() };
}

const validate = (...nodes: Node[]) => validateGraph(modelOf(graphOf(nodes)));

describe("validateGraph", () => {
  it.each(["typed.onnx", "raw.onnx", "attributes.onnx", "conditional.onnx", "old_ir.onnx"])("accepts %s", (name) => {
    const model = decode(fixture(name));
    expect(() => validateGraph(model)).not.toThrow();
  });

  it("accepts absent inputs and outputs nobody reads", () => {
    expect(() => validate(node("a", ["x", "", "w"], ["y", ""]))).not.toThrow();
  });

  it("refuses a value that nothing makes, naming it and its reader", () => {
    expect(() => validate(node("a", ["x", "u"], ["y"]))).toThrow(
      invalid(/"u" is used by node "a" \(Sum\), but nothing makes it/),
    );
    expect(() => validate(node("a", ["x"], ["z"]))).toThrow(invalid(/"y" is used by the outputs of the graph "g"/));
  });

  it("refuses a value that is made twice", () => {
    expect(() => validate(node("a", ["x"], ["y"]), node("b", ["x"], ["y"]))).toThrow(
      invalid(/"y" is made twice.*node "b"/),
    );
    expect(() => validate(node("a", ["x"], ["y", "w"]))).toThrow(invalid(/"w" is made twice/));
    expect(() => validate(node("a", ["x"], ["y", "x"]))).toThrow(invalid(/"x" is made twice/));
  });

  it("refuses a value that is used before it is made, and tells that from a cycle", () => {
    expect(() => validate(node("a", ["t"], ["y"]), node("b", ["x"], ["t"]))).toThrow(
      invalid(/"t" is used by node "a" \(Sum\) before node "b" \(Sum\) makes it/),
    );
    expect(() => validate(node("a", ["x", "t"], ["s"]), node("b", ["s"], ["t"]), node("c", ["t"], ["y"]))).toThrow(
      invalid(/cycle: node "a" \(Sum\) -> node "b" \(Sum\) -> node "a" \(Sum\)/),
    );
    expect(() => validate(node("a", ["y"], ["y"]))).toThrow(invalid(/cycle: node "a" \(Sum\) -> node "a"/));
  });

  it("finds a cycle through 100,000 nodes", () => {
    const count = 100_000;
    const nodes = Array.from({ length: count }, (_, i) =>
      node(`n${i}`, [i === 0 ? `v${count}` : `v${i}`], [`v${i + 1}`]),
    );
    expect(() => validate(...nodes)).toThrow(invalid(/cycle: .* -> 99992 more -> node/));
  });

  it("refuses operators of sets that are not imported", () => {
    expect(() => validate(node("a", ["x"], ["y"], { domain: "com.microsoft" }))).toThrow(
      invalid(/node "a" \(Sum\) is of the domain "com\.microsoft".*imported are: ai\.onnx/),
    );
    expect(() => validateGraph(modelOf(graphOf([node("a", ["x"], ["y"])]), []))).toThrow(
      invalid(/imports no operator set/),
    );
    expect(() => validate(node("a", ["x"], ["y"], { op: "" }))).toThrow(invalid(/has no operator/));
  });

  it("lets inner graphs read what was made around them before, and nothing else", () => {
    const inner = (name: string) =>
      graphOf([node("inside", [name], ["z"])], {
        inputs: [],
        outputs: [{ name: "z", dtype: undefined, shape: undefined }],
        initializers: new Map(),
      });
    const branch = (name: string, then: string) =>
      node(name, ["x"], [then], { op: "If", attributes: { then_branch: { kind: "graph", value: inner("t") } } });
    expect(() => validate(node("a", ["x"], ["t"]), branch("if", "y"))).not.toThrow();
    expect(() => validate(branch("if", "y"), node("a", ["x"], ["t"]))).toThrow(
      invalid(/"t" is used by node "inside".* before node "a"/),
    );
    expect(() => validate(branch("if", "y"))).toThrow(invalid(/"t" is used by node "inside" .* nothing makes it/));
    expect(() => validate(branch("if", "y"), node("a", ["y"], ["t"]))).toThrow(invalid(/cycle: /));
    // What is made inside stays inside.
    expect(() => validate(node("a", ["x"], ["t"]), branch("if", "s"), node("b", ["z"], ["y"]))).toThrow(
      invalid(/"z".*nothing makes it/),
    );
  });

  it("says which file it is about", () => {
    expect(() => validateGraph(modelOf(graphOf([])), "m.onnx")).toThrow(invalid(/^m\.onnx: /));
  });
});
