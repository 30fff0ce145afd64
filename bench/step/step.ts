import { InferenceSession, Tensor } from "onnxruntime-node";
import { preprocessedShape } from "../../src/classifier/index.js";
import { type Dataset, inputStatistics, makeDataset, Random, type Splits } from "../../src/data/core.js";
import { encode, type Graph } from "../../src/onnx/index.js";
import { type PreparedTraining, prepareTraining } from "../../src/run/prepare.js";
import { uncopied, withUnconvertedOutput } from "../../src/run/uncopiedOutputs.js";
import { type AskedTrainSettings, parseTrainSettings, StepRunner } from "../../src/train/index.js";
import { trainingOperations } from "./cost.js";
import type { Workload } from "./workloads.js";

/** A workload ready to take steps. */
export interface OpenWorkload {
  /** Seconds from the settings to a session that can run: model, gradients, lowering, ONNX Runtime's own preparation; validation's session too. */
  readonly compileSeconds: number;
  /** Nodes of the compiled step. */
  readonly nodes: number;
  /** Floating-point operations of a step, see `trainingOperations`. */
  readonly operations: number;
  /** The network that is trained, in inference form. */
  readonly model: Graph;
  /**
   * One training step, always on the same batch: its milliseconds, and the loss before it.
   *
   * @param rate - learning rate of the plain step
   */
  step(rate?: number): Promise<{ milliseconds: number; loss: number }>;
  release(): Promise<void>;
}

export interface OpenOptions {
  /** The plain optimizer step in place of the fixed norm: what the method costs is the difference. */
  readonly plain?: boolean;
  /** Where ONNX Runtime's profiler writes on release: the beginning of the file's path. */
  readonly profilePrefix?: string;
}

export async function openWorkload(
  workload: Workload,
  threads: number,
  { plain = false, profilePrefix }: OpenOptions = {},
): Promise<OpenWorkload> {
  const data = makeData(workload);
  const started = performance.now();
  const prepared = await prepareWorkload(workload, data, threads, plain);
  const runner = await (profilePrefix ? profiledRunner(prepared, threads, profilePrefix) : prepared.createRunner());
  const compileSeconds = (performance.now() - started) / 1000;
  const { model } = prepared.part;
  return {
    compileSeconds,
    nodes: prepared.step.graph.nodes.length,
    operations: trainingOperations(
      model,
      [workload.batch, ...preprocessedShape(workload.input, prepared.network.statistics)],
      prepared.network.trained,
    ),
    model: model.graph,
    step: stepOf(prepared, runner),
    async release() {
      await Promise.all([runner.release(), prepared.plan.evaluator.release()]);
    },
  };
}

/** See `OpenWorkload.step`. */
export function stepOf({ plan, step }: PreparedTraining, runner: StepRunner): OpenWorkload["step"] {
  const { batches, elr, lr } = plan;
  const { records, targets } = batches.batch(0, 0);
  const scalars = { elr, lr, ...step.scalars(0) };
  const masks = step.masks(0);
  return async (rate = lr) => {
    const before = performance.now();
    const { finite, loss } = await runner.run(records, targets, { ...scalars, lr: rate }, masks);
    if (!finite) throw new Error("a step was not finite");
    return { milliseconds: performance.now() - before, loss };
  };
}

/** Two batches of noise, the same in every process. */
export function makeData({ input, batch, classes }: Workload): Dataset {
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
  return makeDataset({
    records,
    labels: Array.from({ length: size }, (_, example) => example % classes),
    classes: Array.from({ length: classes }, (_, label) => String(label)),
    input,
  });
}

export const splitsOf = (data: Dataset): Splits => ({
  train: data,
  validation: data,
  test: undefined,
  hash: "",
  warnings: [],
});

export function settingsOf({ settings, batch }: Workload, plain: boolean): AskedTrainSettings {
  return parseTrainSettings({
    ...settings,
    batchSize: batch,
    epochs: 1,
    augmentation: "none",
    // Small rates: what is measured must not diverge on noise.
    elr: 2 ** -16,
    lr: 1e-4,
    ...(plain ? { fixedNorm: "none" } : {}),
  });
}

export function prepareWorkload(
  workload: Workload,
  data: Dataset,
  threads: number,
  plain: boolean,
): Promise<PreparedTraining> {
  return prepareTraining(splitsOf(data), inputStatistics(data), settingsOf(workload, plain), threads);
}

async function profiledRunner(
  { step, part }: PreparedTraining,
  threads: number,
  profileFilePrefix: string,
): Promise<StepRunner> {
  // Where profiling is on, a session writes its profile as it is released.
  const graph = withUnconvertedOutput(step.graph);
  const session = await InferenceSession.create(encode({ ...part.model, graph, opsets: step.opsets }), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    enableProfiling: true,
    profileFilePrefix,
  });
  return new StepRunner({ session: uncopied(session), Tensor }, step, new Map());
}
