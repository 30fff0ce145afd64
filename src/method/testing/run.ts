import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { GraphBuilder } from "../../graph/index.js";
import { lower } from "../../lowering/index.js";
import { encode } from "../../onnx/index.js";
import { elementCount, type Graph, type Tensor } from "../../onnx/types.js";

export type FloatTensor = Extract<Tensor, { dtype: "float32" }>;

export function tensor(shape: readonly number[], numbers: Iterable<number>): FloatTensor {
  return { dtype: "float32", shape, data: Float32Array.from(numbers) };
}

/** Uniform in [-1, 1). */
export function randomTensor(shape: readonly number[], seed: number): FloatTensor {
  const generator = xoroshiro128plus(seed);
  return tensor(
    shape,
    Array.from({ length: elementCount(shape) }, () => ((generator.next() >>> 0) / 2 ** 32) * 2 - 1),
  );
}

export function scaled(weight: FloatTensor, factor: number): FloatTensor {
  return tensor(
    weight.shape,
    weight.data.map((element) => element * factor),
  );
}

export type Outputs = Readonly<Record<string, Float32Array>>;

/** A graph ready to run on ONNX Runtime's CPU provider, abstract operators lowered; outputs by name. */
export async function compile(
  graph: Graph,
  opsets?: ReadonlyMap<string, number>,
): Promise<(feeds?: Readonly<Record<string, Tensor>>) => Promise<Outputs>> {
  const abstract = graph.nodes.some((node) => node.domain === "isonorm");
  const bytes = encode({
    graph: abstract ? lower(graph, "cpu", { opsets }) : graph,
    irVersion: 10,
    opsets: opsets ?? new Map([["", 21]]),
    producerName: "test",
    producerVersion: "",
    metadata: new Map(),
  });
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  return async (feeds = {}) => {
    const inputs = Object.entries(feeds).map(([name, { data, shape }]) => [
      name,
      new OrtTensor("float32", data as Float32Array, shape),
    ]);
    const results = await session.run(Object.fromEntries(inputs));
    return Object.fromEntries(
      Object.entries(results).map(([name, value]) => [name, Float32Array.from(value.data as Float32Array)]),
    );
  };
}

/** What the builder's outputs come to. */
export async function run(b: GraphBuilder, feeds: Readonly<Record<string, Tensor>> = {}): Promise<Outputs> {
  return (await compile(b.finish("test")))(feeds);
}

/** max |a - b| / max |b| */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let index = 0; index < b.length; index++) {
    difference = Math.max(difference, Math.abs(a[index]! - b[index]!));
    size = Math.max(size, Math.abs(b[index]!));
  }
  return a.length !== b.length || Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference / size;
}
