import type { TensorConstructor } from "onnxruntime-common";
import { GraphBuilder } from "../graph/index.js";
import { blockedDomain, interleave } from "../lowering/index.js";
import { encode } from "../onnx/index.js";
import type { CreateSession } from "./runner.js";

/**
 * Channels in a block of ONNX Runtime's blocked convolutions on this machine: 16 with AVX-512, 8 with AVX2. It cannot be asked for, so a tensor of 64 channels and two positions is put in blocks,
 * and channel 1 is looked for.
 *
 * @returns undefined where the runtime has no such operators
 */
export async function measureChannelBlock(runtime: {
  readonly createSession: CreateSession;
  readonly Tensor: TensorConstructor;
}): Promise<number | undefined> {
  const b = new GraphBuilder({ opsets: new Map([[blockedDomain, 1]]) });
  const x = b.input("x", "float32", [1, 64, 1, 2]);
  b.output("y", b.identity(interleave(b, x)));
  const model = {
    graph: b.finish("channel block"),
    irVersion: 10,
    opsets: new Map([
      ["", 21],
      [blockedDomain, 1],
    ]),
    producerName: "isonorm",
    producerVersion: "",
    metadata: new Map<string, string>(),
  };
  try {
    const session = await runtime.createSession(encode(model), { intraOpNumThreads: 1, logSeverityLevel: 4 });
    const values = Float32Array.from({ length: 128 }, (_, index) => index);
    const results = await session.run({ x: new runtime.Tensor("float32", values, [1, 64, 1, 2]) });
    await session.release();
    // Element 1 of a plain tensor is channel 0's second position, which stands behind the first position of the whole block.
    const block = (results.y!.data as Float32Array).indexOf(1);
    return block > 1 && 64 % block === 0 ? block : undefined;
  } catch {
    return undefined;
  }
}
