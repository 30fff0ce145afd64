import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { GraphBuilder } from "../../graph/index.js";
import { encode } from "../../onnx/index.js";
import type { Attributes, Graph, Tensor } from "../../onnx/types.js";
import { lower, type Target, webgpuProvider } from "../index.js";

/** A graph of one abstract operator with inputs `x0`, `x1`, ... and outputs `y0`, `y1`, ... */
export function abstractGraph(op: string, inputs: readonly Tensor[], attributes: Attributes = {}): Graph {
  const b = new GraphBuilder();
  const values = inputs.map(({ dtype, shape }, index) => b.input(`x${index}`, dtype, shape));
  b.abstract(op, values, attributes).forEach((value, index) => {
    b.output(`y${index}`, value);
  });
  return b.finish(op);
}

/** What a graph is lowered for, and the provider that runs it: any provider runs what is lowered for another, if slowly. */
export interface Where {
  readonly target: Target;
  readonly provider: Target;
}

/** Runs one abstract operator, by default lowered for the CPU and run there; returns its outputs in order. */
export async function runAbstract(
  op: string,
  inputs: readonly Tensor[],
  attributes: Attributes = {},
  { target, provider }: Where = { target: "cpu", provider: "cpu" },
): Promise<readonly Float32Array[]> {
  const graph = lower(abstractGraph(op, inputs, attributes), target);
  const results = await runGraph(graph, new Map(inputs.map((tensor, index) => [`x${index}`, tensor])), provider);
  return graph.outputs.map(({ name }) => results.get(name) as Float32Array);
}

/** Runs a graph of ONNX Runtime's operators, by default on its CPU provider; returns the data of its outputs by name. */
export async function runGraph(
  graph: Graph,
  inputs: ReadonlyMap<string, Tensor>,
  provider: Target = "cpu",
  opsets: ReadonlyMap<string, number> = new Map([
    ["", 21],
    ["com.microsoft", 1],
  ]),
): Promise<ReadonlyMap<string, Tensor["data"]>> {
  const model = { graph, irVersion: 10, opsets, producerName: "isonorm", producerVersion: "", metadata: new Map() };
  const session = await InferenceSession.create(encode(model), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionProviders: [provider === "webgpu" ? webgpuProvider : provider],
    logSeverityLevel: 4,
  });
  const feeds = [...inputs].map(([name, { dtype, data, shape }]) => [
    name,
    new OrtTensor(dtype as "float32", data as Float32Array, shape),
  ]);
  const results = await session.run(Object.fromEntries(feeds));
  return new Map(Object.entries(results).map(([name, { data }]) => [name, data as Tensor["data"]]));
}

/** A float32 tensor of deterministic, irregular numbers in [-1, 1). */
export function irregular(shape: readonly number[], seed = 1): Extract<Tensor, { dtype: "float32" }> {
  const data = new Float32Array(shape.reduce((count, size) => count * size, 1));
  let state = seed * 2654435761;
  for (let index = 0; index < data.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    data[index] = (state >>> 8) / 2 ** 23 - 1;
  }
  return { dtype: "float32", shape, data };
}

/** The largest difference between two lists, relative to the largest element of `expected`. */
export function largestError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} elements against ${expected.length}`);
  let [error, largest] = [0, 1e-30];
  for (let index = 0; index < expected.length; index++) {
    const difference = Math.abs(actual[index]! - expected[index]!);
    error = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(error, difference);
    largest = Math.max(largest, Math.abs(expected[index]!));
  }
  return error / largest;
}
