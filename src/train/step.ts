import { differentiate } from "../autodiff/index.js";
import { preprocessRecords, recordShape } from "../classifier/index.js";
import type { InputDescription, InputStatistics } from "../data/index.js";
import { GraphBuilder, inline, type Value } from "../graph/index.js";
import { lower, type Target } from "../lowering/index.js";
import {
  type BaseRule,
  expandScaleInvariantLinear,
  type Granularity,
  measureNorm,
  type WeightProof,
} from "../method/index.js";
import type { Graph, Model, Tensor } from "../onnx/types.js";
import { clipByGlobalNorm, movingAverage, type Optimizer, updateWeight } from "../optim/index.js";
import { softmaxCrossEntropy } from "./loss.js";
import { averageName, nextName, norm0Name, type StateTensor, slotName } from "./state.js";
import { trainingForm } from "./trainingForm.js";

export interface StepOptions {
  readonly input: InputDescription;
  readonly statistics: InputStatistics;
  readonly classes: number;
  readonly batchSize: number;
  /** Each weight's proof; a weight without one is left as it is. */
  readonly proofs: readonly WeightProof[];
  readonly optimizer: Optimizer;
  /** "none": every weight takes the plain step. */
  readonly fixedNorm: Granularity | "none";
  readonly baseRule: BaseRule;
  readonly weightDecay: number;
  readonly clip: number | undefined;
  readonly ema: number | undefined;
  /** Seed of the dropout masks. */
  readonly seed: number;
  readonly target: Target;
}

/** A training step as one ONNX graph, with everything that its runner must know. */
export interface CompiledStep {
  readonly graph: Graph;
  readonly opsets: ReadonlyMap<string, number>;
  readonly inputs: {
    readonly records: { readonly name: string; readonly shape: readonly number[] };
    readonly targets: { readonly name: string; readonly shape: readonly number[] };
    /** float32 scalars: `elr`, `lr` and the optimizer's own. */
    readonly scalars: readonly string[];
    readonly masks: readonly { readonly name: string; readonly shape: readonly number[] }[];
  };
  readonly state: readonly StateTensor[];
  readonly optimizerScalars: readonly { readonly name: string; value(step: number): number }[];
  /** Dropout masks of a step, by input name. */
  masks(step: number): Record<string, Float32Array>;
}

/**
 * Compiles model, loss, gradients, optimizer and fixed-norm update into one graph: the whole of one training step, from a raw batch to
 * new weights.
 */
export function compileStep(model: Model, options: StepOptions): CompiledStep {
  const { input, batchSize, classes, optimizer } = options;
  const b = new GraphBuilder({ opsets: model.opsets });
  const state: StateTensor[] = [];
  const declare = (tensor: StateTensor): Value => {
    state.push(tensor);
    return b.input(tensor.name, tensor.initial.dtype, tensor.initial.shape);
  };
  const carry = (name: string, next: Value): void => b.output(nextName(name), next);

  // 1. The batch, from raw records to network input.
  const recordsShape = [batchSize, ...recordShape(input)];
  const records = b.input("records", input.kind === "image" ? "uint8" : "float32", recordsShape);
  const targets = b.input("targets", "float32", [batchSize, classes]);
  const bindings = new Map([[model.graph.inputs[0]!.name, preprocessRecords(b, records, input, options.statistics)]]);

  // 2. Weights and running statistics are state: they come in, and go out changed.
  const weights = options.proofs.map((proof) => {
    const initial = initializer(model, proof.name);
    const value = declare({ name: proof.name, role: "weight", weight: proof.name, updated: true, initial });
    bindings.set(proof.name, value);
    return { proof, value, initial };
  });
  const form = trainingForm({ ...model.graph, nodes: expandScaleInvariantLinear(model.graph).nodes });
  for (const name of form.statistics) {
    const initial = initializer(model, name);
    bindings.set(name, declare({ name, role: "statistic", weight: name, updated: true, initial }));
  }

  // 3. Forward pass in training form, and the loss.
  const dropout = form.dropoutMasks(batchSize);
  const values = inline(b, { ...model, graph: form.graph }, bindings, { prefix: "model/" });
  const { loss, correct } = softmaxCrossEntropy(b, values.get("logits")!, targets);

  // 4. Gradients.
  let gradients = differentiate(
    b,
    loss,
    weights.map(({ value }) => value),
  );
  if (options.clip !== undefined) gradients = clipByGlobalNorm(b, gradients, options.clip);

  // 5. New weights: optimizer, effective learning rate, fixed norm.
  const rates = { elr: b.input("elr", "float32", []), lr: b.input("lr", "float32", []) };
  const scalars = new Map(optimizer.scalars.map(({ name }) => [name, b.input(name, "float32", [])]));
  const health: Value[] = [];
  weights.forEach(({ proof, value, initial }, index) => {
    const gradient = gradients[index];
    if (!gradient) return;
    void initial;
    void health;
    void gradient;
    void value;
    void proof;
  });
  void movingAverage;
  void updateWeight;
  void measureNorm;
  void norm0Name;
  void slotName;
  void averageName;
  void dropout;
  void carry;
  b.output("loss", loss);
  b.output("correct", correct);
  void rates;
  void scalars;
  return undefined as never;
}

function initializer(model: Model, name: string): Tensor {
  return model.graph.initializers.get(name)!;
}
