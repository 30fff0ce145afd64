import { describe, expect, it } from "vitest";
import { type Graph, int, type Model, type Node } from "../onnx/types.js";
import { GraphBuilder } from "./builder.js";
import { inline } from "./inline.js";
import { i64, numbers, runGraph } from "./ortOracle.js";

/** y = relu(x + w); the rows of y are counted in z. */
function example(): Model {
  const b = new GraphBuilder();
  const x = b.input("x", "float32", [4, 3]);
  const sum = b.op("Add", [x, b.initializer("w", numbers(1, -2, 3))], {}, { name: "add", outputNames: ["sum"] });
  const [y] = b.add("Relu", [sum], {}, { name: "relu", outputNames: ["y"] });
  b.markOutput(y!);
  const [rows] = b.add("Constant", [], { value_ints: { kind: "ints", value: [0] } }, { outputNames: ["first"] });
  b.markOutput(b.add("Gather", [b.op("Shape", [y]), rows], {}, { outputNames: ["z"] })[0]!);
  return model(b.finish("example"));
}

const model = (graph: Graph): Model => ({
  graph,
  irVersion: 10,
  opsets: new Map([["", 21]]),
  producerName: "",
  producerVersion: "",
  metadata: new Map(),
});

const withNodes = (...nodes: Node[]): Model => {
  const { graph } = example();
  return model({ ...graph, nodes: [...graph.nodes, ...nodes] });
};

const node = (op: string, inputs: string[], outputs: string[], attributes = {}, domain = ""): Node => ({
  op,
  domain,
  name: `the ${op}`,
  inputs,
  outputs,
  attributes,
});

const started = () => {
  const b = new GraphBuilder();
  return { b, batch: b.input("batch", "float32", [8, 3]) };
};

describe("inline", () => {
  it("puts values in place of inputs and initializers, and gives every value by its old name", async () => {
    const { b, batch } = started();
    const weight = b.input("weight", "float32", [3]);
    const bindings = new Map([
      ["x", batch],
      ["w", weight],
    ]);
    const values = inline(b, example(), bindings, { prefix: "model/" });
    expect(values.get("w")).toBe(weight);
    expect(values.get("y")).toMatchObject({ name: "model/y", shape: [8, 3] });
    expect(b.nodes.map(({ name, op }) => [name, op])).toEqual([
      ["model/add", "Add"],
      ["model/relu", "Relu"],
      ["model/Shape", "Shape"],
      ["model/Gather", "Gather"],
    ]);
    b.markOutput(values.get("y")!);
    const [y] = await runGraph(b.finish("whole"), b.opsets);
    expect(y!.dims).toEqual([8, 3]);
  });

  it("folds with the shapes bound, not those that the file declares", () => {
    const { b, batch } = started();
    expect(inline(b, example(), new Map([["x", batch]])).get("z")!.constant).toEqual(i64(8));
  });

  it("adds unbound initializers and turns Constant nodes into initializers", () => {
    const { b, batch } = started();
    const values = inline(b, example(), new Map([["x", batch]]), { prefix: "m/" });
    const { initializers, nodes } = b.finish("whole");
    expect([...initializers.keys()]).toEqual(["m/w", "m/first"]);
    expect(values.get("first")!.constant).toEqual(i64(0));
    expect(nodes.some(({ op }) => op === "Constant")).toBe(false);
  });

  it("replays one model twice into one builder under names of their own", () => {
    const { b, batch } = started();
    const first = inline(b, example(), new Map([["x", batch]]));
    const second = inline(b, example(), new Map([["x", first.get("y")!]]));
    expect([first.get("y")!.name, second.get("y")!.name]).toEqual(["y", "y_1"]);
  });

  it("makes inputs of the builder where nothing is bound, with the sizes of symbolic dimensions given", () => {
    const given = example();
    const symbolic = model({ ...given.graph, inputs: [{ name: "x", dtype: "float32", shape: ["N", 3] }] });
    const b = new GraphBuilder();
    const values = inline(b, symbolic, new Map(), { dimensions: new Map([["N", 5]]) });
    expect(b.inputs).toEqual([{ name: "x", dtype: "float32", shape: [5, 3] }]);
    expect(values.get("y")!.shape).toEqual([5, 3]);
    expect(() => inline(new GraphBuilder(), symbolic, new Map())).toThrowError(
      /input "x" has no fixed type: .*\[N, 3\]/,
    );
  });

  it("takes nodes in any order", () => {
    const { b, batch } = started();
    const { graph } = example();
    const shuffled = model({ ...graph, nodes: graph.nodes.toReversed() });
    expect(inline(b, shuffled, new Map([["x", batch]])).get("z")!.constant).toEqual(i64(8));
  });

  it("asks `replace` for another form of a node", () => {
    const { b, batch } = started();
    const values = inline(b, example(), new Map([["x", batch]]), {
      replace: ({ op }, [x]) => (op === "Relu" ? [b.negative(x!)] : undefined),
    });
    expect(b.nodes.map(({ op }) => op)).toEqual(["Add", "Neg", "Shape", "Gather"]);
    expect(values.get("y")!.name).toBe("Neg/y");
  });

  const branch = (op: string): Graph => ({
    name: op,
    nodes: [node(op, ["y"], [`${op}-result`])],
    inputs: [],
    outputs: [{ name: `${op}-result`, dtype: undefined, shape: undefined }],
    initializers: new Map(),
    valueInfo: [],
  });
  const choice = (condition: string) =>
    node("If", [condition], ["chosen"], {
      then_branch: { kind: "graph", value: branch("Neg") },
      else_branch: { kind: "graph", value: branch("Exp") },
    });

  it("refuses control flow, naming the node", () => {
    const run = (given: Model) => () => {
      const { b, batch } = started();
      inline(b, given, new Map([["x", batch]]));
    };
    const unsupported = (message: RegExp) =>
      expect.objectContaining({ code: "ISO_ONNX_UNSUPPORTED", message: expect.stringMatching(message) });
    expect(run(withNodes(node("IsNaN", ["y"], ["c"]), choice("c")))).toThrowError(
      unsupported(/node the If \(If\) holds a graph of its own/),
    );
    const loop = node("Loop", ["", "", "y"], ["l"], { body: { kind: "graph", value: branch("Neg") } });
    expect(run(withNodes(loop))).toThrowError(unsupported(/node the Loop \(Loop\) holds a graph of its own/));
  });

  it.each([
    [
      "a value that nothing defines",
      withNodes(node("Relu", ["nowhere"], ["r"])),
      /node the Relu \(Relu\) reads "nowhere"/,
    ],
    ["a name defined twice", withNodes(node("Exp", ["x"], ["y"])), /two values are named "y"/],
    ["a cycle", withNodes(node("Exp", ["a"], ["b"]), node("Neg", ["b"], ["a"])), /cycle: the (Exp|Neg) needs the/],
    [
      "another operator set",
      { ...example(), opsets: new Map([["", 13]]) },
      /operator set 13 of domain "", the builder of 21/,
    ],
    [
      "a domain unknown",
      withNodes(node("Thing", ["y"], ["t"], {}, "org.example")),
      /domain "org.example", the builder of none/,
    ],
  ])("refuses %s", (_, given, message) => {
    const { b, batch } = started();
    expect(() => inline(b, given, new Map([["x", batch]]))).toThrowError(
      expect.objectContaining({ code: "ISO_GRAPH_INVALID", message: expect.stringMatching(message) }),
    );
  });

  it("names every node whose operator isonorm does not know", () => {
    const opsets = new Map([
      ["", 21],
      ["org.example", 1],
    ]);
    const unknown = (...ops: string[]): Model => {
      const nodes = ops.map((op) => node(op, ["y"], [op], {}, "org.example"));
      return { ...withNodes(...nodes), opsets };
    };
    const replay = (model: Model) => inline(new GraphBuilder({ opsets }), model, new Map());
    expect(() => replay(unknown("Fourier"))).toThrow(/operator org.example:Fourier \(node the Fourier\)/);
    expect(() => replay(unknown("Fourier", "Wavelet"))).toThrowError(
      expect.objectContaining({
        code: "ISO_GRAPH_SHAPE",
        message: expect.stringMatching(
          /2 nodes .* org.example:Fourier \(node the Fourier\), org.example:Wavelet \(node the Wavelet\)/,
        ),
      }),
    );
  });

  it("refuses bindings that do not fit", () => {
    const { b, batch } = started();
    const other = b.input("other", "float32", [8, 4]);
    const bind =
      (name: string, value = other) =>
      () =>
        inline(b, example(), new Map([[name, value]]));
    expect(bind("x")).toThrowError(/input "x" is float32 \[4, 3\], the value bound to it float32 \[8, 4\]/);
    expect(bind("w", batch)).toThrowError(/initializer "w" is float32 \[3\], the value bound to it float32 \[8, 3\]/);
    expect(bind("v")).toThrowError(/"v" is neither an input nor an initializer of the graph example/);
  });

  it("skips outputs that the model leaves unnamed", () => {
    const { b, batch } = started();
    const attributes = { axis: int(-1) };
    const given = withNodes(node("LayerNormalization", ["y", "w"], ["n", "", "deviation"], attributes));
    const values = inline(b, given, new Map([["x", batch]]));
    expect(values.get("deviation")!.shape).toEqual([8, 1]);
    expect(values.has("")).toBe(false);
  });
});
