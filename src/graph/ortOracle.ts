import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { expect, it } from "vitest";
import { encode } from "../onnx/index.js";
import {
  type Attribute,
  type Attributes,
  type DataType,
  elementCount,
  float,
  floats,
  type Graph,
  int,
  ints,
  string,
  type Tensor,
} from "../onnx/types.js";
import { GraphBuilder } from "./builder.js";
import type { Value } from "./value.js";

/** For tests only: what ONNX Runtime makes of a node, to hold shape rules and folding against. */

/** A graph input, fed with small positive numbers, or a constant. */
export type OracleInput = { readonly dtype: DataType; readonly shape: readonly number[] } | Tensor;

export interface NodeCase {
  readonly op: string;
  readonly inputs: readonly (OracleInput | undefined)[];
  /** Plain values: an integer is an int, 0.5 a float; write `float(1)` for a float without a fraction. */
  readonly attributes?: Readonly<Record<string, PlainAttribute | undefined>>;
  readonly domain?: string;
  /** Of the node's domain; by default 21 for ai.onnx. */
  readonly opset?: number;
  /** How many outputs to ask for. */
  readonly outputs?: number;
}

type PlainAttribute = number | string | readonly number[] | Attribute;

export const f32 = (...shape: number[]): OracleInput => ({ dtype: "float32", shape });
export const typed = (dtype: DataType, ...shape: number[]): OracleInput => ({ dtype, shape });
/** Constants. */
export const i64 = (...numbers: number[]): Tensor => ({
  dtype: "int64",
  shape: [numbers.length],
  data: BigInt64Array.from(numbers, BigInt),
});
export const i64Scalar = (number: number): Tensor => ({ ...i64(number), shape: [] }) as Tensor;
export const numbers = (...values: number[]): Tensor => ({
  dtype: "float32",
  shape: [values.length],
  data: Float32Array.from(values),
});
export const number = (value: number): Tensor => ({ dtype: "float32", shape: [], data: Float32Array.of(value) });
export const bools = (...values: number[]): Tensor => ({
  dtype: "bool",
  shape: [values.length],
  data: Uint8Array.from(values),
});

export function plainAttributes(given: Readonly<Record<string, PlainAttribute | undefined>> = {}): Attributes {
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]): [string, Attribute][] => {
      if (value === undefined) return [];
      if (typeof value === "number") return [[name, Number.isInteger(value) ? int(value) : float(value)]];
      if (typeof value === "string") return [[name, string(value)]];
      if ("kind" in value) return [[name, value]];
      return [[name, value.every(Number.isInteger) ? ints(value) : floats(value)]];
    }),
  );
}

/** A graph of that one node, with what the builder infers of its outputs. */
export function buildNode(node: NodeCase): { graph: Graph; inferred: readonly Value[]; b: GraphBuilder } {
  const domain = node.domain ?? "";
  const b = new GraphBuilder({ opsets: new Map([[domain, node.opset ?? (domain === "" ? 21 : 1)]]) });
  const inputs = node.inputs.map((input, index) => {
    if (!input) return undefined;
    const name = `x${index}`;
    return "data" in input ? b.initializer(name, input) : b.input(name, input.dtype, input.shape);
  });
  const inferred = b.add(node.op, inputs, plainAttributes(node.attributes), {
    domain,
    name: "node",
    ...(node.outputs !== undefined && { outputs: node.outputs }),
  });
  for (const value of inferred) b.markOutput(value);
  return { graph: b.finish("case"), inferred, b };
}

/** Runs a graph in ONNX Runtime on made-up inputs; its outputs' declared types are withheld, so that none of it is taken over. */
export async function runGraph(
  graph: Graph,
  opsets: ReadonlyMap<string, number>,
  feeds: Readonly<Record<string, OrtTensor>> = {},
): Promise<readonly OrtTensor[]> {
  const used = new Set(["", ...graph.nodes.map((node) => node.domain)]);
  const bytes = encode({
    graph: { ...graph, outputs: graph.outputs.map(({ name }) => ({ name, dtype: undefined, shape: undefined })) },
    irVersion: 10,
    opsets: new Map([...opsets].filter(([domain]) => used.has(domain))),
    producerName: "isonorm-test",
    producerVersion: "",
    metadata: new Map(),
  });
  const session = await InferenceSession.create(bytes, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  try {
    const made = graph.inputs.map(({ name, dtype, shape }) => [name, feeds[name] ?? madeUp(dtype!, shape as number[])]);
    const results = await session.run(Object.fromEntries(made));
    return graph.outputs.map(({ name }) => results[name] as OrtTensor);
  } finally {
    await session.release();
  }
}

/** A test for each case: shape and data type of every output are what ONNX Runtime gives. */
export function agreesWithOrt(cases: readonly NodeCase[]): void {
  it.each(cases.map((node) => [label(node), node] as const))("%s", async (_, node) => {
    const { graph, inferred, b } = buildNode(node);
    const actual = await runGraph(graph, b.opsets);
    expect(inferred.map(({ dtype, shape }) => ({ dtype, shape }))).toEqual(
      actual.map(({ type, dims }) => ({ dtype: type, shape: [...dims] })),
    );
  });
}

/** A test for each case, of constants only: the folded contents are ONNX Runtime's, to the bit. */
export function foldsAsOrt(cases: readonly NodeCase[]): void {
  it.each(cases.map((node) => [label(node), node] as const))("%s", async (_, node) => {
    const { graph, inferred, b } = buildNode(node);
    const actual = await runGraph(graph, b.opsets);
    expect(inferred.map(({ constant }) => constant && { ...constant, data: [...constant.data] })).toEqual(
      actual.map(({ type, dims, data }) => ({ dtype: type, shape: [...dims], data: [...(data as Float32Array)] })),
    );
  });
}

/** A test for each case: the builder throws ISO_GRAPH_SHAPE with a message that matches and names the node. */
export function refuses(cases: readonly (readonly [node: NodeCase, message: RegExp])[]): void {
  it.each(cases.map(([node, message]) => [label(node), node, message] as const))("refuses %s", (_, node, message) => {
    expect(() => buildNode(node)).toThrowError(
      expect.objectContaining({
        code: "ISO_GRAPH_SHAPE",
        message: expect.stringMatching(new RegExp(`\\(node node\\): .*${message.source}`)),
      }),
    );
  });
}

function label({ op, opset, inputs, attributes }: NodeCase): string {
  const shapes = inputs.map((input) => {
    if (!input) return "-";
    const contents = "data" in input && input.data.length <= 8 ? `{${[...input.data]}}` : "";
    return `${input.dtype}[${input.shape}]${contents}`;
  });
  const settings = Object.entries(attributes ?? {}).map(([name, value]) => {
    if (typeof value !== "object" || !("kind" in value)) return `${name}=${value}`;
    return `${name}=${value.kind === "tensor" ? value.value.dtype : value.value}`;
  });
  return [op + (opset ? `-${opset}` : ""), ...shapes, ...settings].join(" ");
}

/** 0.25, 0.5, ... and for integers 0, 1, 0, 1, ..., which are indices and labels into any axis of two. */
function madeUp(dtype: DataType, shape: readonly number[]): OrtTensor {
  const size = elementCount(shape);
  const count = <T>(element: (index: number) => T) => Array.from({ length: size }, (_, index) => element(index));
  const dims = [...shape];
  switch (dtype) {
    case "float32":
      return new OrtTensor("float32", Float32Array.from(count((index) => ((index % 7) + 1) / 4)), dims);
    case "float64":
      return new OrtTensor("float64", Float64Array.from(count((index) => ((index % 7) + 1) / 4)), dims);
    case "int64":
      return new OrtTensor("int64", BigInt64Array.from(count((index) => BigInt(index % 2))), dims);
    case "int32":
      return new OrtTensor("int32", Int32Array.from(count((index) => index % 2)), dims);
    case "uint8":
      return new OrtTensor("uint8", Uint8Array.from(count((index) => index % 2)), dims);
    case "bool":
      return new OrtTensor("bool", Uint8Array.from(count((index) => index % 2)), dims);
    default:
      throw new Error(`no made-up inputs of type ${dtype}`);
  }
}
