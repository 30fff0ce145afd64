import { expect, it } from "vitest";
import { int, type Model, type Node, type Tensor } from "../../onnx/types.js";
import { runGraph } from "../ortOracle.js";
import { eliminateDeadNodes, inferGraph } from "../rewrite/index.js";
import { upgrade } from "./index.js";

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
const built = (last: Node, constants: Readonly<Record<string, Tensor>> = {}) => ({
  nodes: [node("Neg", ["x"], "negative"), node("SequenceConstruct", ["x", "negative", "x"], "parts"), last],
  constants,
});

const cases: Readonly<Record<string, { nodes: readonly Node[]; constants: Readonly<Record<string, Tensor>> }>> = {
  "the second part of three": split(i64([], 3), 1, { axis: int(1) }),
  "the last part, which is smaller": split(i64([], 3), 2, { axis: int(1) }),
  "a part of sizes listed": split(i64([3], 2, 1, 4), 2, { axis: int(-2) }),
  "the last but one of sizes listed": split(i64([3], 2, 1, 4), -2, { axis: int(1) }),
  "one of single elements": split(undefined, 4, { axis: int(1) }),
  "one of single elements, without the axis": split(undefined, -1, { axis: int(1), keepdims: int(0) }),
  "an element of a list": built(node("SequenceAt", ["parts", "index"], "y"), { index: i64([], -2) }),
  "a list side by side": built(node("ConcatFromSequence", ["parts"], "y", { axis: int(1) })),
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
  const { graph, opsets } = upgrade(model);
  const plain = eliminateDeadNodes(graph);
  expect(plain.nodes.filter(({ op }) => op.includes("Sequence"))).toEqual([]);
  const [[expected], [found]] = [await runGraph(model.graph, model.opsets), await runGraph(plain, opsets)];
  expect([...found!.dims]).toEqual([...expected!.dims]);
  expect(found!.data).toEqual(expected!.data);
  expect(inferGraph(plain, opsets).get("y")!.shape).toEqual([...expected!.dims]);
});

it("a sequence's element by a number that is computed stays as it is", () => {
  const { nodes, constants } = split(i64([], 3), 1, { axis: int(1) });
  const { index, ...rest } = constants as Record<string, Tensor>;
  const computed = [node("Neg", ["minus"], "index"), ...nodes];
  const model = modelOf({
    nodes: computed,
    constants: { ...rest, minus: { ...index!, data: BigInt64Array.of(-1n) } as Tensor },
  });
  expect(upgrade(model)).toBe(model);
});
