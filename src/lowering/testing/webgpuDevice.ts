import { InferenceSession } from "onnxruntime-node";
import { GraphBuilder } from "../../graph/index.js";
import { encode } from "../../onnx/index.js";

/** Why tests on WebGPU cannot run here; undefined where there is a device. `test/softwareVulkan.ts` brings one where it can. */
export const webgpuMissing: string | undefined = await findDevice();

/** For the names of tests: says why they are skipped, where they are. */
export const onWebgpu = webgpuMissing === undefined ? "on WebGPU" : `on WebGPU (skipped: ${webgpuMissing})`;

async function findDevice(): Promise<string | undefined> {
  const b = new GraphBuilder();
  b.output("y", b.relu(b.input("x", "float32", [1])));
  const model = {
    irVersion: 10,
    opsets: new Map([["", 21]]),
    producerName: "",
    producerVersion: "",
    metadata: new Map(),
  };
  try {
    const bytes = encode({ ...model, graph: b.finish("device") });
    const session = await InferenceSession.create(bytes, { executionProviders: ["webgpu"], logSeverityLevel: 4 });
    await session.release();
    return undefined;
  } catch (error) {
    const reason = /No supported adapters|Failed to get[^\n]*/.exec(String(error))?.[0] ?? String(error).slice(0, 200);
    return `no WebGPU device, such as a Vulkan driver gives: ${reason}`;
  }
}
