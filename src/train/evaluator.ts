import { type InferenceSession, Tensor as OrtTensor } from "onnxruntime-common";
import { preprocessRecords, recordShape } from "../classifier/index.js";
import { type Dataset, type InputDescription, type InputStatistics, sequentialBatches } from "../data/core.js";
import { foldIdentities, GraphBuilder, inline } from "../graph/index.js";
import { type Costs, lower, type Target } from "../lowering/index.js";
import { expandScaleInvariantLinear } from "../method/index.js";
import { type Evaluation, evaluatePredictions } from "../metrics/index.js";
import type { Graph, Model, Tensor } from "../onnx/types.js";

export interface CompiledEvaluation {
  /** Inputs: `records` [batch, ...record] and every weight and statistic under its own name. Output: `logits` [batch, classes]. */
  readonly graph: Graph;
  readonly batchSize: number;
  readonly classes: number;
  readonly input: InputDescription;
}

/**
 * The model in inference form (batch normalisation with its running statistics), with weights as inputs so that one session evaluates any state.
 *
 * @param stateNames - initializers of the model that the state holds
 */
export function compileEvaluation(
  model: Model,
  options: {
    input: InputDescription;
    statistics: InputStatistics;
    batchSize: number;
    classes: number;
    stateNames: readonly string[];
    target: Target;
    channelBlock?: number | undefined;
    costs?: Costs | undefined;
  },
): CompiledEvaluation {
  const { input, batchSize, classes, channelBlock, costs } = options;
  const b = new GraphBuilder({ opsets: model.opsets });
  const records = b.input("records", input.kind === "image" ? "uint8" : "float32", [batchSize, ...recordShape(input)]);
  const bindings = new Map([[model.graph.inputs[0]!.name, preprocessRecords(b, records, input, options.statistics)]]);
  for (const name of options.stateNames) {
    const { dtype, shape } = model.graph.initializers.get(name)!;
    bindings.set(name, b.input(name, dtype, shape));
  }
  const values = inline(b, { ...model, graph: expandScaleInvariantLinear(model.graph) }, bindings, {
    prefix: "model/",
  });
  b.output("logits", values.get("logits")!);
  const graph = foldIdentities(b.finish("evaluation"));
  return {
    graph: lower(graph, options.target, { opsets: model.opsets, channelBlock, costs }),
    batchSize,
    classes,
    input,
  };
}

/** Runs a compiled evaluation over data sets. */
export class StateEvaluator {
  readonly #session: InferenceSession;
  readonly #compiled: CompiledEvaluation;

  constructor(session: InferenceSession, compiled: CompiledEvaluation) {
    this.#session = session;
    this.#compiled = compiled;
  }

  /**
   * Logits of every example in order. The last batch is filled up with its first example, whose surplus results are dropped.
   *
   * @param state - weights and statistics by name
   * @returns [examples, classes]
   */
  async logits(dataset: Dataset, state: ReadonlyMap<string, OrtTensor | Tensor>): Promise<Float32Array> {
    const { batchSize, classes, input } = this.#compiled;
    const feeds: Record<string, OrtTensor> = {};
    for (const [name, tensor] of state)
      feeds[name] = "dims" in tensor ? tensor : new OrtTensor("float32", tensor.data as Float32Array, tensor.shape);
    const logits = new Float32Array(dataset.size * classes);
    let done = 0;
    for (const { records, count } of sequentialBatches(dataset, batchSize)) {
      const shape = [batchSize, ...recordShape(input)];
      const full = padded(records, count, batchSize, dataset.recordLength);
      feeds.records =
        full instanceof Uint8Array ? new OrtTensor("uint8", full, shape) : new OrtTensor("float32", full, shape);
      const results = await this.#session.run(feeds);
      const values = results.logits!.data as Float32Array;
      logits.set(values.subarray(0, count * classes), done * classes);
      done += count;
    }
    return logits;
  }

  async evaluate(dataset: Dataset, state: ReadonlyMap<string, OrtTensor | Tensor>): Promise<Evaluation> {
    return evaluatePredictions(dataset.labels, await this.logits(dataset, state), this.#compiled.classes);
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

function padded<T extends Uint8Array | Float32Array>(records: T, count: number, batch: number, length: number): T {
  if (count === batch) return records;
  const full = (records instanceof Uint8Array ? new Uint8Array(batch * length) : new Float32Array(batch * length)) as T;
  for (let row = 0; row < batch; row++)
    full.set(records.subarray(row < count ? row * length : 0, row < count ? (row + 1) * length : length), row * length);
  return full;
}
