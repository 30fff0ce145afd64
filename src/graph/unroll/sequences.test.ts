import { expect, it } from "vitest";
import { type Graph, int, type Model, type Node, type Tensor } from "../../onnx/types.js";
import { runGraph } from "../ortOracle.js";
import { inferGraph } from "../rewrite/index.js";
import { upgrade } from "../upgrade/index.js";
import { unroll } from "./index.js";

const x: Tensor = {
  dtype: "float32",
  shape: [2, 7, 3],
  data: Float32Array.from({ length: 42 }, (_, i) => Math.sin(i)),
};
const i64 = (shape: readonly number[], ...numbers: number[]): Tensor => ({
  dtype: "int64",
  shape,
  data: BigInt64Array.from(numbers, BigInt),
});
const node = (op: string, inputs: readonly string[], output: string, attributes: Node["attributes"] = {}): Node => ({
  op,
  domain: "",
  name: output,
  inputs,
  outputs: [output],
  attributes,
});

const split = (sizes: Tensor | undefined, index: number, attributes: Node["attributes"]) => ({
  nodes: [
    node("SplitToSequence", sizes ? ["x", "sizes"] : ["x"], "parts", attributes),
    node("SequenceAt", ["parts", "index"], "y"),
  ],
  constants: { ...(sizes && { sizes }), index: i64([], index) },
});
const built = (last: Node, constants: Readonly<Record<string, Tensor>> = {}, between: readonly Node[] = []) => ({
  nodes: [node("Neg", ["x"], "negative"), node("SequenceConstruct", ["x", "negative", "x"], "parts"), ...between, last],
  constants,
});
const product: Graph = {
  name: "product",
  nodes: [node("Mul", ["element", "factor"], "product")],
  inputs: ["element", "factor"].map((name) => ({ name, dtype: "float32", shape: [2, 7, 3] })),
  outputs: [{ name: "product", dtype: "float32", shape: [2, 7, 3] }],
  initializers: new Map(),
  valueInfo: [],
};

const cases: Readonly<Record<string, { nodes: readonly Node[]; constants: Readonly<Record<string, Tensor>> }>> = {
  "the second part of three": split(i64([], 3), 1, { axis: int(1) }),
  "the last part, which is smaller": split(i64([], 3), 2, { axis: int(1) }),
  "a part of sizes listed": split(i64([3], 2, 1, 4), 2, { axis: int(-2) }),
  "the last but one of sizes listed": split(i64([3], 2, 1, 4), -2, { axis: int(1) }),
  "one of single elements": split(undefined, 4, { axis: int(1) }),
  "one of single elements, without the axis": split(undefined, -1, { axis: int(1), keepdims: int(0) }),
  "an element of a list": built(node("SequenceAt", ["parts", "index"], "y"), { index: i64([], -2) }),
  "a list side by side": built(node("ConcatFromSequence", ["parts"], "y", { axis: int(1) })),
  "a list with an element put in and one taken out": built(
    node("ConcatFromSequence", ["shorter"], "y", { axis: int(0) }),
    { at: i64([], 1), last: i64([], -2) },
    [
      node("SequenceEmpty", [], "none"),
      node("SequenceInsert", ["none", "x"], "one"),
      node("SequenceInsert", ["one", "negative"], "two"),
      node("SequenceInsert", ["two", "negative", "at"], "three"),
      node("SequenceErase", ["three", "last"], "shorter"),
    ],
  ),
  "a list's length": built(node("SequenceLength", ["parts"], "y")),
  "a list that is mapped": built(node("ConcatFromSequence", ["mapped"], "y", { axis: int(0) }), {}, [
    { ...node("SequenceMap", ["parts", "x"], "mapped"), attributes: { body: { kind: "graph", value: product } } },
  ]),
  "an optional value": built(node("OptionalGetElement", ["maybe"], "y"), {}, [node("Optional", ["negative"], "maybe")]),
  "whether an optional value is there": built(node("OptionalHasElement", ["maybe"], "y"), {}, [
    node("Optional", ["negative"], "maybe"),
  ]),
  "a list stacked": built(node("ConcatFromSequence", ["parts"], "y", { axis: int(-1), new_axis: int(1) })),
};

const modelOf = ({ nodes, constants }: (typeof cases)[string]): Model => ({
  graph: {
    name: "sequences",
    nodes,
    inputs: [],
    outputs: [{ name: "y", dtype: undefined, shape: undefined }],
    initializers: new Map([["x", x], ...Object.entries(constants)]),
    valueInfo: [],
  },
  irVersion: 10,
  opsets: new Map([["", 21]]),
  producerName: "",
  producerVersion: "",
  metadata: new Map(),
});

it.each(Object.entries(cases))("%s is read as ONNX Runtime reads it", async (_, parts) => {
  const model = modelOf(parts);
  const { graph: plain, opsets } = unroll(upgrade(model), new Map()).model;
  expect(plain.nodes.filter(({ op }) => /Sequence|Optional/.test(op))).toEqual([]);
  const [[expected], [found]] = [await runGraph(model.graph, model.opsets), await runGraph(plain, opsets)];
  expect([...found!.dims]).toEqual([...expected!.dims]);
  expect(found!.data).toEqual(expected!.data);
  expect(inferGraph(plain, opsets).get("y")!.shape).toEqual([...expected!.dims]);
});

it("a sequence's element by a number that depends on the data stays as it is", () => {
  const { nodes, constants } = split(i64([], 3), 1, { axis: int(1) });
  const { index: _, ...rest } = constants as Record<string, Tensor>;
  const computed = [node("ArgMax", ["flat"], "places", { keepdims: int(0) }), node("Reshape", ["x", "row"], "flat")];
  const scalar = node("Squeeze", ["places"], "index");
  const { model, unresolved } = unroll(
    upgrade(modelOf({ nodes: [...computed, scalar, ...nodes], constants: { ...rest, row: i64([2], -1, 1) } })),
    new Map(),
  );
  expect([...unresolved]).toEqual([["y", "which element node y (SequenceAt) means is known only when the model runs"]]);
  expect(model.graph.nodes.map(({ op }) => op)).toEqual(
    expect.arrayContaining(["SplitToSequence", "ArgMax", "SequenceAt"]),
  );
});
