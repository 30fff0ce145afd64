import { InferenceSession, Tensor } from "onnxruntime-node";
import { beforeAll, describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/index.js";
import { encode } from "../onnx/index.js";
import { uncopied, withUnconvertedOutput } from "./uncopiedOutputs.js";

let model: Uint8Array;
beforeAll(() => {
  const b = new GraphBuilder();
  const x = b.input("x", "float32", [3]);
  b.output("double", b.times(x, b.scalar(2)));
  b.output("sum", b.sum(x));
  model = encode({
    graph: withUnconvertedOutput(b.finish("outputs")),
    irVersion: 10,
    opsets: new Map([["", 21]]),
    producerName: "test",
    producerVersion: "",
    metadata: new Map(),
  });
});

const vector = (...numbers: number[]) => new Tensor("float32", Float32Array.from(numbers), [numbers.length]);

describe("a run without copies", () => {
  it("writes to the memory given, and gives back just that", async () => {
    const session = uncopied(await InferenceSession.create(model));
    const double = vector(0, 0, 0);
    const results = await session.run({ x: vector(1, 2, 3) }, { double, sum: null });
    expect(results.double).toBe(double);
    expect([...(double.data as Float32Array)]).toEqual([2, 4, 6]);
    expect([...(results.sum!.data as Float32Array)]).toEqual([6]);
    const again = await session.run({ x: vector(1, 1, 1) }, { double, sum: null });
    expect(again.sum).toBe(results.sum);
    expect([...(double.data as Float32Array)]).toEqual([2, 2, 2]);
    expect([...(again.sum!.data as Float32Array)]).toEqual([3]);
    await session.release();
  });

  it("lets errors of the run itself through", async () => {
    const session = uncopied(await InferenceSession.create(model, { logSeverityLevel: 4 }));
    await expect(session.run({ x: vector(1, 2) }, { sum: null })).rejects.toThrow(/[Gg]ot invalid dimensions/);
    const small = vector(0, 0);
    await expect(session.run({ x: vector(1, 2, 3) }, { double: small, sum: null })).rejects.toThrow(
      "Got invalid dimensions for output: double",
    );
    await expect(session.run({ x: vector(1, 2, 3) }, { other: null } as never)).rejects.toThrow(
      "the session has no output other of known shape",
    );
    await session.release();
  });

  it("is as good where the runtime converts the output after all", async () => {
    const session = await InferenceSession.create(model);
    const converting = {
      run: async (feeds: InferenceSession.FeedsType, fetches: Record<string, Tensor | null>) => {
        const { "no tensor": refused, ...outputs } = fetches;
        expect(refused).toBeNull();
        return session.run(feeds, outputs);
      },
      outputMetadata: session.outputMetadata,
    } as unknown as InferenceSession;
    const double = vector(0, 0, 0);
    const results = await uncopied(converting).run({ x: vector(1, 2, 3) }, { double, sum: null });
    expect([...(double.data as Float32Array)]).toEqual([2, 4, 6]);
    expect([...(results.sum!.data as Float32Array)]).toEqual([6]);
  });
});
