import { differentiate } from "../autodiff/index.js";
import { preprocessRecords, recordShape } from "../classifier/index.js";
import type { InputDescription, InputStatistics } from "../data/core.js";
import { IsonormError } from "../errors.js";
import {
  eliminateCommonSubexpressions,
  eliminateDeadNodes,
  GraphBuilder,
  inline,
  pack,
  pruneInitializers,
  unpack,
  type Value,
} from "../graph/index.js";
import { type Costs, lower, opsetsOf, type Target } from "../lowering/index.js";
import {
  type BaseRule,
  expandScaleInvariantLinear,
  type Granularity,
  measureNorm,
  type WeightProof,
} from "../method/index.js";
import type { Graph, Model, Node, Tensor } from "../onnx/types.js";
import {
  averageRemainder,
  clipByGlobalNorm,
  type FixedNormRule,
  groupUpdates,
  movingAverage,
  type Optimizer,
  type PlainRule,
  updateWeight,
  type WeightUpdateInput,
} from "../optim/index.js";
import { softmaxCrossEntropy } from "./loss.js";
import { averageName, nextName, norm0Name, type StateRole, type StateTensor, slotName } from "./state.js";
import { drawMasks, runningStatistics, TrainingForm } from "./trainingForm.js";

export interface StepOptions {
  readonly input: InputDescription;
  readonly statistics: InputStatistics;
  readonly classes: number;
  readonly batchSize: number;
  /** The proof of each weight that is trained; others are left as they are. */
  readonly proofs: readonly WeightProof[];
  /** Nodes of the model that run in inference form: those that no trained weight has an influence on, where some are not trained. Default none. */
  readonly frozen?: ReadonlySet<Node>;
  /** Weights whose learning rates are `pretrainedRate` times those of the others. Default none. */
  readonly pretrained?: ReadonlySet<string>;
  readonly pretrainedRate?: number;
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
  /** See `LowerOptions`. */
  readonly channelBlock?: number | undefined;
  /** See `LowerOptions`. */
  readonly costs?: Costs | undefined;
}

/** A training step as one ONNX graph, with everything that its runner must know. */
export interface CompiledStep {
  readonly graph: Graph;
  readonly opsets: ReadonlyMap<string, number>;
  readonly inputs: {
    readonly records: { readonly name: string; readonly shape: readonly number[] };
    readonly targets: { readonly name: string; readonly shape: readonly number[] };
    /** float32 scalars: `elr`, `lr`, and those that {@link CompiledStep.scalars} gives. */
    readonly scalars: readonly string[];
    readonly masks: readonly { readonly name: string; readonly shape: readonly number[] }[];
  };
  readonly state: readonly StateTensor[];
  /** Scalars, apart from the learning rates, that depend on the step: the optimizer's and the moving average's. */
  scalars(step: number): Record<string, number>;
  /** Dropout masks of a step, by input name. */
  masks(step: number): Record<string, Float32Array>;
}

/**
 * Compiles model, loss, gradients, optimizer and fixed-norm update into one graph: the whole of one training step, from a raw batch to
 * new weights. Nodes are named after what they are there for: `model/` and the model's node, `gradient/` and the node that it is the gradient of, `update/` and the weight,
 * `input/` and `loss/`.
 *
 * @param model - in inference form, with its initial weights as initializers and the output `logits`
 * @throws ISO_AUTODIFF_NO_RULE, ISO_GRAPH_SHAPE, ISO_NORM_ZERO naming node or weight
 */
export function compileStep(model: Model, options: StepOptions): CompiledStep {
  const { input, batchSize, classes, optimizer, ema } = options;
  const b = new GraphBuilder({ opsets: model.opsets });
  const state: StateTensor[] = [];
  /** Declares a state tensor: an input now, and an output once {@link carry} says what follows. */
  const declare = (name: string, role: StateRole, weight: string, initial: Tensor): Value => {
    state.push({ name, role, weight, updated: role !== "norm0", initial });
    return b.input(name, "float32", initial.shape);
  };
  const carry = (name: string, next: Value): void => b.within("update", () => b.output(nextName(name), next));

  // 1. The batch: raw records become the network's input.
  const recordsShape = [batchSize, ...recordShape(input)];
  const records = b.input("records", input.kind === "image" ? "uint8" : "float32", recordsShape);
  const targets = b.input("targets", "float32", [batchSize, classes]);
  const batch = b.within("input", () => preprocessRecords(b, records, input, options.statistics));
  const bindings = new Map([[model.graph.inputs[0]!.name, batch]]);

  // 2. Weights and running statistics are state: they come in, and go out changed.
  for (const { name } of options.proofs) bindings.set(name, declare(name, "weight", name, initializer(model, name)));
  const network = { ...model, graph: expandScaleInvariantLinear(model.graph) };
  const trains = (node: Node): boolean => !options.frozen?.has(node);
  for (const name of runningStatistics(model.graph, model.graph.nodes.filter(trains)))
    bindings.set(name, declare(name, "statistic", name, initializer(model, name)));

  // 3. Forward pass in training form, and the loss.
  const form = new TrainingForm();
  const values = inline(b, network, bindings, {
    prefix: "model/",
    replace: (node, inputs) => (trains(node) ? b.within("model", () => form.replace(b, node, inputs)) : undefined),
  });
  const { loss, correct } = b.within("loss", () => softmaxCrossEntropy(b, values.get("logits")!, targets));
  for (const { name, next } of b.within("update/statistics", () => form.moveStatistics(b))) carry(name, next);

  // 4. Gradients.
  const wanted = options.proofs.map(({ name }) => b.value(name));
  let gradients = differentiate(b, loss, wanted);
  const health: Value[] = [];
  if (options.clip !== undefined) {
    const { clip } = options;
    const clipped = b.within("update/clip", () => clipByGlobalNorm(b, gradients, clip));
    gradients = clipped.gradients;
    if (clipped.norm) health.push(clipped.norm);
  }

  // 5. New weights: the optimizer's direction, the effective learning rate, the fixed norm.
  const rates = { elr: b.input("elr", "float32", []), lr: b.input("lr", "float32", []) };
  const { pretrained = new Set(), pretrainedRate = 1 } = options;
  const factor = b.scalar(pretrainedRate);
  const slower = pretrainedRate === 1 ? rates : { elr: b.times(rates.elr, factor), lr: b.times(rates.lr, factor) };
  const scalars = new Map(optimizer.scalars.map(({ name }) => [name, b.input(name, "float32", [])]));
  const remainder = ema === undefined ? undefined : b.input("averageRemainder", "float32", []);
  const updates = options.proofs.flatMap((proof, index): WeightUpdateInput[] => {
    const { name } = proof;
    const gradient = gradients[index];
    if (!gradient) {
      carry(name, b.value(name));
      return [];
    }
    const initial = initializer(model, name);
    const zeros = (): Tensor => ({
      dtype: "float32",
      shape: initial.shape,
      data: new Float32Array(initial.data.length),
    });
    const slots = optimizer.slots.map((slot) => declare(slotName(name, slot), "slot", name, zeros()));
    const { elr, lr } = pretrained.has(name) ? slower : rates;
    const fixed = fixedNormOf(proof, options.fixedNorm);
    const rule: FixedNormRule | PlainRule = fixed
      ? {
          kind: "fixedNorm",
          norm0: declare(
            norm0Name(name),
            "norm0",
            name,
            measureNorm(name, initial, fixed.granularity, fixed.channelAxis, fixed.parts),
          ),
          ...fixed,
          baseRule: options.baseRule,
          effectiveLearningRate: elr,
        }
      : { kind: "plain", learningRate: lr, weightDecay: options.weightDecay };
    return [{ weight: b.value(name), gradient, slots, scalars, optimizer, rule }];
  });
  const groups = b.within("update", () => groupUpdates(b, updates));
  for (const { members, update } of groups) {
    const weights = members.map(({ weight }) => weight);
    const names = weights.map(({ name }) => name);
    const scope = `update/${names.length === 1 ? names[0] : "small"}`;
    /** Carries what the group holds as one over to each of its members. */
    const carryEach = (nameOf: (weight: string) => string, next: Value): void => {
      const values = b.within(scope, () => unpack(b, next, weights));
      values.forEach((value, member) => {
        carry(nameOf(names[member]!), value);
      });
    };
    const next = b.within(scope, () => updateWeight(b, update));
    carryEach((name) => name, next.weight);
    optimizer.slots.forEach((slot, index) => {
      carryEach((name) => slotName(name, slot), next.slots[index]!);
    });
    health.push(next.health);
    if (remainder) {
      const averages = names.map((name) => declare(averageName(name), "average", name, initializer(model, name)));
      const { rule } = update;
      const average = b.within(scope, () => {
        const present = b.reshape(pack(b, averages), next.weight.shape);
        return movingAverage(b, present, next.weight, remainder, rule.kind === "fixedNorm" ? rule : undefined);
      });
      carryEach(averageName, average);
    }
  }

  // 6. What the caller reads, and the operators that are fast on the target.
  b.output("loss", loss);
  b.output("correct", correct);
  b.output("health", b.op("Sum", health, {}, { name: "update/health" }));
  const graph = eliminateCommonSubexpressions(eliminateDeadNodes(b.finish("training step")));
  const lowering = { opsets: model.opsets, channelBlock: options.channelBlock, costs: options.costs };
  return {
    // ONNX Runtime warns of every initializer that nothing reads any more.
    graph: pruneInitializers(lower(graph, options.target, lowering)),
    opsets: opsetsOf(lowering),
    inputs: {
      records: { name: "records", shape: recordsShape },
      targets: { name: "targets", shape: [batchSize, classes] },
      scalars: ["elr", "lr", ...scalars.keys(), ...(remainder ? ["averageRemainder"] : [])],
      masks: form.masks,
    },
    state,
    scalars: (step) => ({
      ...Object.fromEntries(optimizer.scalars.map(({ name, value }) => [name, value(step)])),
      ...(ema === undefined ? {} : { averageRemainder: averageRemainder(ema, step) }),
    }),
    masks: (step) => drawMasks(form.masks, options.seed, step),
  };
}

/**
 * How a weight's norm is kept: not at all unless it is proved scale-invariant; by channel only where each channel is so by itself, else matrix by
 * matrix, of which a tensor mostly holds one.
 */
function fixedNormOf(
  proof: WeightProof,
  asked: Granularity | "none",
): { granularity: Granularity; channelAxis: number; parts?: readonly number[] } | undefined {
  if (asked === "none" || !proof.scaleInvariant) return undefined;
  if (asked === "channel" && proof.perChannel) return { granularity: "channel", channelAxis: proof.channelAxis! };
  const { matrices } = proof;
  if (matrices) return { granularity: "channel", channelAxis: matrices.axis, parts: matrices.parts };
  return { granularity: "tensor", channelAxis: 0 };
}

function initializer(model: Model, name: string): Tensor {
  const tensor = model.graph.initializers.get(name);
  if (tensor) return tensor;
  throw new IsonormError(
    "ISO_GRAPH_INVALID",
    `the model has no initializer "${name}"`,
    "Name the weights as the model does",
  );
}
