import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import type { GraphBuilder, Value } from "../../src/graph/index.js";
import { encode } from "../../src/onnx/index.js";
import { trainingOptions } from "../../src/run/sessionOptions.js";

/** A graph to be timed against others that compute the same. */
export interface Candidate {
  readonly name: string;
  readonly b: GraphBuilder;
}

/** Of every result only its first element leaves the graph. */
export function keepFirst(b: GraphBuilder, value: Value): void {
  const axes = value.shape.map((_, axis) => axis);
  const each = (number: number) => b.int64(axes.map(() => number));
  b.markOutput(axes.length === 0 ? b.identity(value) : b.op("Slice", [value, each(0), each(1), b.int64(axes)]));
}

/** What takes this many times the fastest is not measured again. */
export const hopeless = 3;

/**
 * Milliseconds that a run of each candidate takes, the fastest of at most `rounds`; they take turns, so that a busy machine slows all alike.
 *
 * @param budget - milliseconds after which a candidate that has had three rounds takes no more
 */
export async function measure(
  candidates: readonly Candidate[],
  { rounds, threads, budget }: { readonly rounds: number; readonly threads: number; readonly budget: number },
): Promise<readonly number[]> {
  const data = new Map<string, OrtTensor>();
  const runs = [];
  for (const { b } of candidates) {
    const opsets = new Map([...b.opsets].filter(([domain]) => domain !== "isonorm"));
    const graph = b.finish("candidate");
    const model = { graph, irVersion: 10, opsets, producerName: "", producerVersion: "", metadata: new Map() };
    const session = await InferenceSession.create(encode(model), { ...trainingOptions(threads), logSeverityLevel: 4 });
    const feeds = Object.fromEntries(
      b.inputs.map(({ name, shape }) => {
        if (!data.has(`${shape}`)) data.set(`${shape}`, new OrtTensor("float32", numbers(shape), shape));
        return [name, data.get(`${shape}`)!];
      }),
    );
    runs.push({ session, feeds });
  }
  const best = candidates.map(() => Number.POSITIVE_INFINITY);
  const spent = candidates.map(() => 0);
  for (let round = -1; round < rounds; round++)
    for (const [index, { session, feeds }] of runs.entries()) {
      if (round > 0 && best[index]! > hopeless * Math.min(...best)) continue;
      if (round > 2 && spent[index]! > budget) continue;
      const start = performance.now();
      await session.run(feeds);
      const milliseconds = performance.now() - start;
      spent[index]! += milliseconds;
      if (round >= 0) best[index] = Math.min(best[index]!, milliseconds);
    }
  for (const { session } of runs) await session.release();
  return best;
}

/** Positive numbers, so that they can be variances, without denormal ones. */
function numbers(shape: readonly number[]): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  return Float32Array.from({ length: count }, (_, index) => 0.1 + 0.9 * ((index * 0.6180339887) % 1));
}
