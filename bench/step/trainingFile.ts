import { writeFile } from "node:fs/promises";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { preprocessRecords, recordShape } from "../../src/classifier/index.js";
import { GraphBuilder } from "../../src/graph/index.js";
import type { Tensor as PlainTensor } from "../../src/onnx/index.js";
import { encode } from "../../src/onnx/index.js";
import { encodeSafetensors } from "../../src/safetensors/index.js";
import { makeData, prepareWorkload } from "./step.js";
import type { Workload } from "./workloads.js";

/**
 * Writes what a peer needs to take the same training steps, as safetensors: the first batch as the network sees it (`input`, `targets`), and the weights before the first
 * step by name; S of the classifier in the metadata as `scale`.
 */
export async function writeTrainingFile(workload: Workload, threads: number, path: string): Promise<void> {
  const data = makeData(workload);
  const { network, plan, part } = await prepareWorkload(workload, data, threads, true);
  const { records, targets } = plan.batches.batch(0, 0);
  const { input, batch, classes } = workload;

  const b = new GraphBuilder();
  const raw = b.input("records", input.kind === "image" ? "uint8" : "float32", [batch, ...recordShape(input)]);
  const preprocessed = preprocessRecords(b, raw, input, part.statistics);
  b.output("input", preprocessed);
  const session = await InferenceSession.create(
    encode({ ...part.model, graph: b.finish("input"), opsets: new Map([["", 21]]) }),
  );
  const feed =
    records instanceof Uint8Array ? new Tensor("uint8", records, raw.shape) : new Tensor("float32", records, raw.shape);
  const results = await session.run({ records: feed });
  const float = (shape: readonly number[], data: Float32Array): PlainTensor => ({ dtype: "float32", shape, data });

  const { initializers } = part.model.graph;
  const tensors = new Map<string, PlainTensor>([
    ["input", float(preprocessed.shape, results.input!.data as Float32Array)],
    ["targets", float([batch, classes], targets)],
    ...[...network.trained].map((name) => [name, initializers.get(name)!] as const),
  ]);
  await writeFile(path, encodeSafetensors(tensors, { scale: String(network.scale) }));
  await Promise.all([session.release(), plan.evaluator.release()]);
}
