import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { GraphBuilder, type Value } from "../../src/graph/index.js";
import { encode } from "../../src/onnx/index.js";

/** One way to compute something, to be timed against others. */
export interface Candidate {
  readonly name: string;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  build(b: GraphBuilder, inputs: Readonly<Record<string, Value>>): Value;
}

/**
 * Milliseconds a run of each candidate takes, the fastest of `rounds`; the candidates take turns, so that a busy machine slows all alike.
 * With one thread it is the processor's time, which other work on the machine disturbs less, else the wall clock's.
 * Only a sum over the result leaves the graph.
 */
export async function measure(
  candidates: readonly Candidate[],
  rounds: number,
  threads: number,
): Promise<readonly number[]> {
  const runs = [];
  for (const candidate of candidates) {
    const b = new GraphBuilder();
    const names = Object.entries(candidate.inputs);
    const inputs = Object.fromEntries(names.map(([name, shape]) => [name, b.input(name, "float32", shape)]));
    const result = candidate.build(b, inputs);
    b.output("out", result.shape.reduce((count, size) => count * size, 1) > 1e6 ? b.op("ReduceMax", [result]) : result);
    const opsets = new Map([...b.opsets].filter(([domain]) => domain !== "isonorm"));
    const model = {
      graph: b.finish("bench"),
      irVersion: 10,
      opsets,
      producerName: "isonorm",
      producerVersion: "",
      metadata: new Map(),
    };
    const session = await InferenceSession.create(encode(model), { intraOpNumThreads: threads });
    const feeds = Object.fromEntries(
      names.map(([name, shape]) => {
        const data = Float32Array.from({ length: shape.reduce((count, size) => count * size, 1) }, (_, i) =>
          Math.sin(i),
        );
        return [name, new OrtTensor("float32", data, shape)];
      }),
    );
    runs.push(() => session.run(feeds));
  }
  const best = candidates.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round <= rounds; round++)
    for (const [index, run] of runs.entries()) {
      const [start, before] = [performance.now(), process.cpuUsage()];
      await run();
      const { user, system } = process.cpuUsage(before);
      const spent = threads === 1 ? (user + system) / 1000 : performance.now() - start;
      if (round > 0) best[index] = Math.min(best[index]!, spent);
    }
  return best;
}
