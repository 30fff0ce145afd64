import { InferenceSession, Tensor } from "onnxruntime-node";
import { inputStatistics, makeDataset, Random } from "../../src/data/core.js";
import { GraphBuilder } from "../../src/graph/index.js";
import { encode, type Graph } from "../../src/onnx/index.js";
import { type PreparedTraining, prepareTraining } from "../../src/run/prepare.js";
import { parseTrainSettings, StepRunner } from "../../src/train/index.js";
import type { Workload } from "./workloads.js";

/** A workload ready to take steps. */
export interface OpenWorkload {
  /** Seconds from the settings to the first step. */
  readonly compileSeconds: number;
  /** Nodes of the compiled step. */
  readonly nodes: number;
  /** The network that is trained, in inference form. */
  readonly model: Graph;
  /** Milliseconds of one training step. */
  step(): Promise<number>;
  release(): Promise<void>;
}

export interface OpenOptions {
  /** The plain optimizer step in place of the fixed norm: what the method costs is the difference. */
  readonly plain?: boolean;
  /** Where ONNX Runtime's profiler writes on release: the beginning of the file's path. */
  readonly profilePrefix?: string;
}

export async function openWorkload(
  { settings, input, batch, classes }: Workload,
  threads: number,
  { plain = false, profilePrefix }: OpenOptions = {},
): Promise<OpenWorkload> {
  const random = new Random("bench");
  const size = 2 * batch;
  const length =
    input.kind === "image"
      ? input.height * input.width * input.channels
      : input.numeric.length + input.categorical.length;
  const records =
    input.kind === "image"
      ? Uint8Array.from({ length: size * length }, () => random.int(256))
      : Float32Array.from({ length: size * length }, () => random.normal());
  const data = makeDataset({
    records,
    labels: Array.from({ length: size }, (_, example) => example % classes),
    classes: Array.from({ length: classes }, (_, label) => String(label)),
    input,
  });
  const splits = { train: data, validation: data, test: undefined, hash: "", warnings: [] };
  const started = performance.now();
  const parsed = parseTrainSettings({
    ...settings,
    batchSize: batch,
    epochs: 1,
    augmentation: "none",
    // Small rates: what is measured must not diverge on noise.
    elr: 2 ** -16,
    lr: 1e-4,
    ...(plain ? { fixedNorm: "none" } : {}),
  });
  const prepared = await prepareTraining(splits, inputStatistics(data), parsed, threads);
  const runner = await (profilePrefix ? profiledRunner(prepared, threads, profilePrefix) : prepared.createRunner());
  const { batches, elr, lr } = prepared.plan;
  const { records: rows, targets } = batches.batch(0, 0);
  const scalars = { elr, lr, ...prepared.step.scalars(0) };
  const masks = prepared.step.masks(0);
  const step = async (): Promise<number> => {
    const before = performance.now();
    const { finite } = await runner.run(rows, targets, scalars, masks);
    if (!finite) throw new Error("a step was not finite");
    return performance.now() - before;
  };
  await step();
  const compileSeconds = (performance.now() - started) / 1000;
  return {
    compileSeconds,
    nodes: prepared.step.graph.nodes.length,
    model: prepared.part.model.graph,
    step,
    async release() {
      await Promise.all([runner.release(), prepared.plan.evaluator.release()]);
    },
  };
}

async function profiledRunner(
  { step, part }: PreparedTraining,
  threads: number,
  profileFilePrefix: string,
): Promise<StepRunner> {
  // Where profiling is on, a session writes its profile as it is released.
  const session = await InferenceSession.create(encode({ ...part.model, graph: step.graph, opsets: step.opsets }), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    enableProfiling: true,
    profileFilePrefix,
  });
  return new StepRunner({ session, Tensor }, step, new Map());
}

/** GFLOP/s of a 2048^3 float32 matrix product: what the machine can do at best. */
export async function measureCeiling(threads: number): Promise<number> {
  const n = 2048;
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
  const times: number[] = [];
  for (let run = 0; run < 6; run++) {
    const before = performance.now();
    await session.run({ a: matrix, b: matrix });
    times.push(performance.now() - before);
  }
  await session.release();
  return (2 * n ** 3) / 1e6 / Math.min(...times);
}
