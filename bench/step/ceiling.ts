import { InferenceSession, Tensor } from "onnxruntime-node";
import { GraphBuilder } from "../../src/graph/index.js";
import { encode } from "../../src/onnx/index.js";

const n = 2048;
export const ceilingOperations = 2 * n ** 3;

/** A 2048^3 float32 matrix product, the most that the machine's processors do: each call gives its milliseconds. */
export async function openCeiling(threads: number): Promise<() => Promise<number>> {
  const b = new GraphBuilder();
  b.output("c", b.matMul(b.input("a", "float32", [n, n]), b.input("b", "float32", [n, n])));
  const model = {
    graph: b.finish("ceiling"),
    irVersion: 10,
    opsets: new Map([["", 21]]),
    producerName: "isonorm",
    producerVersion: "",
    metadata: new Map<string, string>(),
  };
  const session = await InferenceSession.create(encode(model), { intraOpNumThreads: threads });
  const matrix = new Tensor("float32", new Float32Array(n * n).fill(0.5), [n, n]);
  return async () => {
    const before = performance.now();
    await session.run({ a: matrix, b: matrix });
    return performance.now() - before;
  };
}
