import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, it } from "vitest";
import { GraphBuilder } from "../graph/index.js";
import { encode } from "../onnx/index.js";
import { trainingOptions } from "./sessionOptions.js";

it("training counts denormal numbers as zero, on the calling thread and on those of the pool", async () => {
  // Checked first: opening the session changes the calling thread's own arithmetic, too.
  expect(Math.fround(Math.fround(1e-20) * Math.fround(1e-20))).toBeGreaterThan(0);
  // Large enough to be shared out among the threads, so that each has its part.
  const size = 2 ** 22;
  const b = new GraphBuilder();
  const x = b.input("x", "float32", [size]);
  const factor = b.input("factor", "float32", []);
  const back = b.input("back", "float32", []);
  const faded = b.times(x, factor);
  b.output("faded", faded);
  b.output("back again", b.times(faded, back));
  const session = await InferenceSession.create(
    encode({
      graph: b.finish("underflow"),
      irVersion: 10,
      opsets: new Map([["", 21]]),
      producerName: "",
      producerVersion: "",
      metadata: new Map(),
    }),
    trainingOptions(2),
  );
  // 1e-20 * 1e-20 = 1e-40 is below 1.2e-38, the smallest number with all its digits, but not below 1.4e-45, the smallest at all.
  const scalar = (value: number) => new Tensor("float32", Float32Array.of(value), []);
  const results = await session.run({
    x: new Tensor("float32", new Float32Array(size).fill(1e-20), [size]),
    factor: scalar(1e-20),
    back: scalar(1e30),
  });
  const others = (name: string) => (results[name]!.data as Float32Array).filter((value) => value !== 0).length;
  expect({ faded: others("faded"), "back again": others("back again") }).toEqual({ faded: 0, "back again": 0 });
  await session.release();
});
