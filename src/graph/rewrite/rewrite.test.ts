import { describe, expect, it } from "vitest";
import { type Attributes, float, type Graph, int, ints, type Node } from "../../onnx/types.js";
import { GraphBuilder } from "../builder.js";
import { i64, numbers, runGraph } from "../ortOracle.js";
import {
  consumers,
  eliminateCommonSubexpressions,
  eliminateDeadNodes,
  foldIdentities,
  inferGraph,
  materialiseConstants,
  producers,
  pruneInitializers,
  replaceValue,
  shareConstants,
  topologicalOrder,
} from "./index.js";

/** "y = Add(x, w)": a node named after its first output. */
function parse(line: string, attributes: Attributes = {}): Node {
  const [, outputs = "", op = "", inputs = ""] = /^(.*) = (\w+)\((.*)\)$/.exec(line)!;
  const names = (list: string) => (list === "" ? [] : list.split(",").map((name) => name.trim()));
  return { op, domain: "", name: names(outputs)[0]!, inputs: names(inputs), outputs: names(outputs), attributes };
}

function graphOf(outputs: string, ...nodes: (string | Node)[]): Graph {
  return {
    name: "g",
    nodes: nodes.map((node) => (typeof node === "string" ? parse(node) : node)),
    inputs: [{ name: "x", dtype: "float32", shape: [3] }],
    outputs: outputs.split(",").map((name) => ({ name, dtype: "float32", shape: [3] })),
    initializers: new Map([["w", numbers(1, -2, 3)]]),
    valueInfo: [],
  };
}

const show = (graph: Graph) =>
  graph.nodes.map(({ op, inputs, outputs }) => `${outputs.join(", ")} = ${op}(${inputs.join(", ")})`);

/** A node whose attribute is a graph that reads those values from outside. */
const holding = (output: string, reads: string): Node => ({
  ...parse(`${output} = If(x)`),
  attributes: { then_branch: { kind: "graph", value: { ...graphOf("inner", `inner = Add(${reads})`), inputs: [] } } },
});

describe("topologicalOrder", () => {
  it("leaves an ordered graph as it is", () => {
    const graph = graphOf("d", "a = Relu(x)", "b = Exp(x)", "c = Add(a, b)", "d = Neg(c)");
    expect(topologicalOrder(graph)).toEqual(graph);
  });

  it("moves nodes only before those that need them", () => {
    const graph = graphOf("d", "c = Add(a, b)", "e = Exp(x)", "b = Exp(x)", "a = Relu(x)", "d = Neg(c)");
    expect(show(topologicalOrder(graph))).toEqual([
      "a = Relu(x)",
      "b = Exp(x)",
      "c = Add(a, b)",
      "e = Exp(x)",
      "d = Neg(c)",
    ]);
  });

  it("minds what the graphs in attributes read", () => {
    const graph = graphOf("d", holding("d", "c, w"), "c = Relu(x)");
    expect(topologicalOrder(graph).nodes.map(({ name }) => name)).toEqual(["c", "d"]);
  });

  it("names the nodes of a cycle, and only those", () => {
    const graph = graphOf("d", "d = Neg(c)", "a = Add(x, c)", "b = Exp(a)", "c = Relu(b)");
    expect(() => topologicalOrder(graph)).toThrowError(
      expect.objectContaining({
        code: "ISO_GRAPH_INVALID",
        message: expect.stringContaining("c needs b needs a needs c."),
      }),
    );
  });

  it("orders a chain of 20,000 nodes", () => {
    const chain = Array.from({ length: 20_000 }, (_, index) => parse(`v${index + 1} = Relu(v${index})`));
    const graph = graphOf("v20000", parse("v0 = Neg(x)"), ...chain);
    expect(topologicalOrder({ ...graph, nodes: graph.nodes.toReversed() }).nodes).toEqual(graph.nodes);
  });
});

describe("producers and consumers", () => {
  it("say which node makes a value and which ones read it", () => {
    const graph = graphOf("c", "a = Relu(x)", "b = Mul(a, a)", "c = Add(a, b)", holding("d", "a, b"));
    expect(producers(graph).get("b")).toBe(graph.nodes[1]);
    expect(producers(graph).has("x")).toBe(false);
    expect(consumers(graph).get("a")).toEqual([graph.nodes[1], graph.nodes[2], graph.nodes[3]]);
    expect(consumers(graph).has("c")).toBe(false);
  });
});

describe("eliminateDeadNodes and pruneInitializers", () => {
  it("keep what an output depends on, through graphs in attributes too", () => {
    const graph = graphOf("d", "a = Relu(x)", "b = Exp(x)", "c = Add(b, w)", holding("d", "a, x"));
    const lean = eliminateDeadNodes(graph);
    expect(lean.nodes.map(({ name }) => name)).toEqual(["a", "d"]);
    expect([...pruneInitializers(graph).initializers.keys()]).toEqual(["w"]);
    expect(pruneInitializers(graphOf("a", "a = Relu(x)")).initializers.size).toBe(0);
    expect(pruneInitializers(graphOf("w")).initializers.size).toBe(1);
  });
});

describe("eliminateCommonSubexpressions", () => {
  it("keeps the first of equal nodes, and sees equality that this brings about", () => {
    const graph = graphOf("e", "a = Relu(x)", "b = Relu(x)", "c = Exp(a)", "d = Exp(b)", "e = Add(c, d)");
    expect(show(eliminateCommonSubexpressions(graph))).toEqual(["a = Relu(x)", "c = Exp(a)", "e = Add(c, c)"]);
  });

  it("tells attributes apart, however alike they look", () => {
    const leaky = (name: string, alpha: number) => parse(`${name} = LeakyRelu(x)`, { alpha: float(alpha) });
    const graph = graphOf("a,b,c", leaky("a", 0), leaky("b", -0), leaky("c", Number.NaN));
    expect(eliminateCommonSubexpressions(graph)).toEqual(graph);
    const constant = (name: string, value: number) =>
      parse(`${name} = Constant()`, { value: { kind: "tensor", value: numbers(value) } });
    const tensors = graphOf("d", constant("a", 1), constant("b", 1), constant("c", 2), "d = Sum(a, b, c)");
    expect(show(eliminateCommonSubexpressions(tensors)).at(-1)).toBe("d = Sum(a, a, c)");
  });

  it("leaves random operators and nodes that hold graphs alone", () => {
    const draw = (name: string) => parse(`${name} = RandomUniformLike(x)`);
    const graph = graphOf("a,b", draw("a"), draw("b"), holding("c", "x, w"), holding("d", "x, w"));
    expect(eliminateCommonSubexpressions(graph)).toEqual(graph);
  });

  it("keeps the name of an output that an equal node makes", () => {
    const graph = graphOf("a,b", "a = Relu(x)", "b = Relu(x)");
    expect(show(eliminateCommonSubexpressions(graph))).toEqual(["a = Relu(x)", "b = Identity(a)"]);
  });

  it("does not take a node for another that asks for more outputs", () => {
    const pool = (outputs: string) => parse(`${outputs} = MaxPool(x)`, { kernel_shape: ints([2]) });
    const graph = graphOf("c", pool("a"), pool("b, i"), "c = Add(a, b)");
    expect(eliminateCommonSubexpressions(graph).nodes).toHaveLength(3);
  });
});

describe("shareConstants", () => {
  it("reads the first of equal small constants, within graphs of nodes too, and tells types, shapes and zeros apart", () => {
    const constants = { one: numbers(1), same: numbers(1), integer: i64(1), zero: numbers(0), negative: numbers(-0) };
    const row = { ...numbers(1), shape: [1, 1] };
    const initializers = new Map(Object.entries({ ...constants, row }));
    const names = [...initializers.keys()];
    const graph = { ...graphOf("y", `y = Sum(${names})`, holding("z", "same, x")), initializers };
    const shared = shareConstants(graph);
    expect(shared.nodes[0]!.inputs).toEqual(["one", "one", "integer", "zero", "negative", "row"]);
    expect(shared.nodes[1]).toEqual(holding("z", "one, x"));
  });

  it("leaves weights alone", () => {
    const weight = () => numbers(...new Array<number>(17).fill(1));
    const initializers = new Map(Object.entries({ v: weight(), w: weight() }));
    const graph = { ...graphOf("y", "y = Add(v, w)"), initializers };
    expect(shareConstants(graph)).toEqual(graph);
  });
});

describe("foldIdentities", () => {
  it("takes away nodes that hand their input on, in chains too", () => {
    const graph = graphOf(
      "e",
      "a = Identity(x)",
      "b = Dropout(a)",
      parse("c = Transpose(b)", { perm: ints([0]) }),
      parse("d = Concat(c)", { axis: int(0) }),
      "e = Relu(d)",
    );
    expect(show(foldIdentities(graph))).toEqual(["e = Relu(x)"]);
  });

  it("keeps Dropout in training, with a mask that is read, and Transpose that moves axes", () => {
    const graph = graphOf(
      "e",
      "a = Dropout(x, , w)",
      "b, m = Dropout(x)",
      parse("c = Transpose(a)", { perm: ints([1, 0]) }),
      "t = Transpose(x)",
      "e = Sum(a, b, c, m, t)",
    );
    expect(foldIdentities(graph)).toEqual(graph);
  });

  it("lets the node before an output make that output, for all its readers", () => {
    const graph = graphOf("y", "a = Relu(x)", "y = Identity(a)", "b = Exp(a)", "c = Neg(y)");
    expect(show(foldIdentities(graph))).toEqual(["y = Relu(x)", "b = Exp(y)", "c = Neg(y)"]);
  });

  it("keeps an Identity between an input or another output and an output", () => {
    const graph = graphOf("y,a,z", "y = Identity(x)", "a = Relu(x)", "z = Identity(a)");
    expect(foldIdentities(graph)).toEqual(graph);
  });

  it("gives two outputs of one value to one node and an Identity", () => {
    const graph = graphOf("y,z", "a = Relu(x)", "y = Identity(a)", "z = Identity(a)");
    expect(show(foldIdentities(graph))).toEqual(["y = Relu(x)", "z = Identity(y)"]);
  });
});

describe("replaceValue", () => {
  it("changes the readers, in attributes' graphs too, and brings the nodes into order", () => {
    const graph = graphOf("a,c", "a = Relu(x)", "c = Add(a, w)", holding("d", "a, w"), "b = Exp(x)");
    const replaced = replaceValue(graph, "a", "b");
    expect(show(replaced)).toEqual(["a = Relu(x)", "b = Exp(x)", "c = Add(b, w)", "d = If(x)"]);
    expect(replaced.outputs).toEqual(graph.outputs);
    expect(
      consumers(replaced)
        .get("b")!
        .map(({ name }) => name),
    ).toEqual(["c", "d"]);
  });

  it("refuses a value that depends on its reader", () => {
    const graph = graphOf("c", "a = Relu(x)", "b = Exp(a)");
    expect(() => replaceValue(graph, "a", "b")).toThrowError(/cycle: b needs b/);
  });
});

describe("inferGraph and materialiseConstants", () => {
  /** x [4, 6] as [4, -1] by way of its shape. */
  function byShape(): { graph: Graph; opsets: ReadonlyMap<string, number> } {
    const b = new GraphBuilder();
    const x = b.input("x", "float32", [4, 6]);
    const rows = b.op("Gather", [b.op("Shape", [x]), b.int64([0])]);
    const shape = b.op("Concat", [rows, b.int64([-1])], { axis: int(0) }, { outputNames: ["shape"] });
    b.output("y", b.op("Reshape", [b.relu(x), shape]));
    b.markOutput(b.op("Mul", [rows, b.int64([2])], {}, { outputNames: ["twice"] }));
    return { graph: b.finish("g"), opsets: b.opsets };
  }

  it("gives every value its type and constant contents", () => {
    const { graph, opsets } = byShape();
    const values = inferGraph(graph, opsets);
    expect(values.get("y")).toEqual({ name: "y", dtype: "float32", shape: [4, 6] });
    expect(values.get("shape")!.constant).toEqual(i64(4, -1));
    const untyped = { ...graph, inputs: [{ name: "x", dtype: "float32", shape: ["N", 6] }] } as const;
    expect(() => inferGraph(untyped, opsets)).toThrowError(/graph input "x" has no fixed type/);
    expect(() => inferGraph(graphOf("a", "a = Relu(b)"), opsets)).toThrowError(/node a \(Relu\) reads "b"/);
  });

  it("leaves no shape arithmetic but what makes an output, and the same results", async () => {
    const { graph, opsets } = byShape();
    const lean = foldIdentities(materialiseConstants(graph, opsets));
    expect(lean.nodes.map(({ op }) => op)).toEqual(["Relu", "Reshape", "Mul"]);
    expect(lean.initializers.get("shape")).toEqual(i64(4, -1));
    const [before, after] = [await runGraph(graph, opsets), await runGraph(lean, opsets)];
    expect(after.map(({ data, dims }) => ({ data, dims }))).toEqual(before.map(({ data, dims }) => ({ data, dims })));
  });
});
