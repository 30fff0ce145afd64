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
  unpack,
  type Value,
} from "../graph/index.js";
import { type Costs, lower, opsetsOf, type Target } from "../lowering/index.js";
import {
  type BaseRule,
  type Granularity,
  isScaleInvariantLinear,
  layerLearningRate,
  measureNorm,
  type WeightProof,
} from "../method/index.js";
import { elementCount, type Graph, type Model, type Node, type Tensor } from "../onnx/types.js";
import {
  averageRemainder,
  clipByGlobalNorm,
  type FixedNormRule,
  movingAverage,
  type Optimizer,
  type PlainRule,
  type UpdateRule,
  updateWeight,
} from "../optim/index.js";
import { carryState, type DeclaredState, declareState } from "./declareState.js";
import { softmaxCrossEntropy } from "./loss.js";
import { averageName, norm0Name, type StateInput, type StateRole, type StateTensor, slotName } from "./state.js";
import { formsOf, holdInBlocks } from "./stateOrder.js";
import { drawMasks, runningStatistics, TrainingForm } from "./trainingForm.js";
import { type GroupedWeight, groupNorms, groupWeights } from "./weightGroups.js";

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
  /** Every state tensor, by the name that it is known by outside of the graph. */
  readonly state: readonly StateTensor[];
  /** The graph's inputs that hold them. */
  readonly stateInputs: readonly StateInput[];
  /** Scalars, apart from the learning rates, that depend on the step: the optimizer's and the moving average's. */
  scalars(step: number): Record<string, number>;
  /** Dropout masks of a step, by input name. */
  masks(step: number): Record<string, Float32Array>;
}

/**
 * Compiles model, loss, gradients, optimizer and fixed-norm update into one graph: the whole of one training step, from a raw batch to
 * new weights. Nodes are named after what they are there for: `model/` and the model's node, `gradient/` and the node that it is the gradient of, `update/` and the weight,
 * `input/`, `loss/`, and `state/` for what takes the state apart and puts it together.
 *
 * @param model - in inference form, with its initial weights as initializers and the output `logits`
 * @throws ISO_AUTODIFF_NO_RULE, ISO_GRAPH_SHAPE, ISO_NORM_ZERO naming node or weight
 */
export function compileStep(model: Model, options: StepOptions): CompiledStep {
  const { input, batchSize, classes, optimizer, ema } = options;
  const b = new GraphBuilder({ opsets: model.opsets });
  const stateInputs: StateInput[] = [];
  const first = (name: string): Tensor => initializer(model, name);
  // On a graphics processor each tensor has a buffer of its own: evaluation reads single ones, and a part of a buffer is none there.
  const together = options.target === "cpu";
  /** Declares one kind of state of weights that are moved as one: inputs now, and outputs once {@link carry} says what follows. */
  const declare = (
    role: StateRole,
    { name, weights }: { readonly name: string; readonly weights: readonly { readonly name: string }[] },
    nameOf = (weight: string): string => weight,
    initialOf = first,
  ): DeclaredState => {
    const tensors = weights.map(
      ({ name: weight }): StateTensor => ({
        name: nameOf(weight),
        role,
        weight,
        updated: role !== "norm0",
        initial: initialOf(weight),
      }),
    );
    const state = b.within("state", () => declareState(b, nameOf(name), tensors, together));
    stateInputs.push(...state.inputs);
    return state;
  };
  const carry = (state: DeclaredState, next: Value): void => b.within("state", () => carryState(b, state, next));

  // 1. The batch: raw records become the network's input.
  const recordsShape = [batchSize, ...recordShape(input)];
  const records = b.input("records", input.kind === "image" ? "uint8" : "float32", recordsShape);
  const targets = b.input("targets", "float32", [batchSize, classes]);
  const batch = b.within("input", () => preprocessRecords(b, records, input, options.statistics));
  const bindings = new Map([[model.graph.inputs[0]!.name, batch]]);

  // 2. Weights and running statistics are state: they come in, and go out changed. Those that are moved as one come as one.
  const { pretrained = new Set(), pretrainedRate = 1 } = options;
  const bind = (names: readonly string[], { parts }: DeclaredState): void => {
    for (const [index, name] of names.entries()) bindings.set(name, parts[index]!);
  };
  const slow = pretrainedRate === 1 ? new Set<string>() : pretrained;
  const groups = groupWeights(options.proofs, options.fixedNorm, slow, together).map((group) => ({
    group,
    weight: declare("weight", group),
  }));
  for (const { group, weight } of groups)
    bind(
      group.weights.map(({ name }) => name),
      weight,
    );
  const trains = (node: Node): boolean => !options.frozen?.has(node);
  const statistics = runningStatistics(model.graph, model.graph.nodes.filter(trains));
  const running =
    statistics.length > 0
      ? declare("statistic", { name: "running statistics", weights: statistics.map((name) => ({ name })) })
      : undefined;
  if (running) bind(statistics, running);

  // 3. Forward pass in training form, and the loss.
  const form = new TrainingForm();
  const values = inline(b, model, bindings, {
    prefix: "model/",
    replace: (node, inputs) =>
      // The scale-invariant layer has no other form in a step.
      trains(node) || isScaleInvariantLinear(node) ? b.within("model", () => form.replace(b, node, inputs)) : undefined,
  });
  const { loss, correct } = b.within("loss", () => softmaxCrossEntropy(b, values.get("logits")!, targets));
  if (running) {
    const moved = b.within("update/statistics", () => form.moveStatistics(b, running.whole, statistics));
    carry(running, moved);
  }

  // 4. Gradients.
  const weights = options.proofs.map(({ name }) => bindings.get(name)!);
  let gradients = differentiate(b, loss, weights);
  const health: Value[] = [];
  if (options.clip !== undefined) {
    const { clip } = options;
    const clipped = b.within("update/clip", () => clipByGlobalNorm(b, gradients, clip));
    gradients = clipped.gradients;
    if (clipped.norm) health.push(clipped.norm);
  }
  const gradientOf = new Map(weights.map((weight, index) => [weight, gradients[index]]));

  // 5. New weights: the optimizer's direction, the effective learning rate, the fixed norm.
  const rates = { elr: b.input("elr", "float32", []), lr: b.input("lr", "float32", []) };
  const factor = b.scalar(pretrainedRate);
  const slower = pretrainedRate === 1 ? rates : { elr: b.times(rates.elr, factor), lr: b.times(rates.lr, factor) };
  const scalars = new Map(optimizer.scalars.map(({ name }) => [name, b.input(name, "float32", [])]));
  const remainder = ema === undefined ? undefined : b.input("averageRemainder", "float32", []);
  const moved = groups.flatMap(({ group, weight }) => {
    const gradient = b.within(`update/${group.name}`, () => joinGradients(b, weight.parts, gradientOf));
    if (gradient) return [{ group, weight, gradient }];
    carry(weight, weight.whole);
    return [];
  });
  // Norm_0 of several weights and the learning rates by them are one vector each: so many numbers cost as much as one.
  const layers = new Map<string, Pick<FixedNormRule, "norm0" | "learningRate">>();
  const movedGroups = moved.map(({ group }) => group);
  for (const { name, weights, pretrained } of groupNorms(movedGroups, together)) {
    const { granularity, channelAxis, parts } = weights[0]!.kept!;
    const measure = (weight: string): Tensor => measureNorm(weight, first(weight), granularity, channelAxis, parts);
    const { whole } = declare("norm0", { name, weights }, norm0Name, measure);
    b.within(`update/${name}`, () => {
      const { elr } = pretrained ? slower : rates;
      const learningRates = elements(b, layerLearningRate(b, options.baseRule, elr, whole), weights.length);
      for (const [index, norm0] of elements(b, whole, weights.length).entries())
        layers.set(weights[index]!.name, { norm0, learningRate: learningRates[index]! });
    });
  }
  for (const { group, weight, gradient } of moved) {
    const scope = `update/${group.name}`;
    const slots = optimizer.slots.map((slot) =>
      declare(
        "slot",
        group,
        (name) => slotName(name, slot),
        (name) => zerosOf(first(name).shape),
      ),
    );
    const { lr } = group.pretrained ? slower : rates;
    const plain: PlainRule = { kind: "plain", learningRate: lr, weightDecay: options.weightDecay };
    const rule = jointRule(group.weights, plain, ({ name, kept }) => ({
      kind: "fixedNorm",
      ...layers.get(name)!,
      ...kept!,
      baseRule: options.baseRule,
    }));
    const present = { weight: weight.whole, gradient, slots: slots.map(({ whole }) => whole) };
    const next = b.within(scope, () => updateWeight(b, { ...present, scalars, optimizer, rule }));
    carry(weight, next.weight);
    for (const [index, slot] of slots.entries()) carry(slot, next.slots[index]!);
    health.push(...next.health);
    if (remainder) {
      const average = declare("average", group, averageName);
      carry(
        average,
        b.within(scope, () => movingAverage(b, average.whole, next.weight, remainder, rule)),
      );
    }
  }

  // 6. What the caller reads, and the operators that are fast on the target.
  b.output("loss", loss);
  b.output("correct", correct);
  b.output("health", b.op("Sum", health, {}, { name: "update/health" }));
  const graph = eliminateCommonSubexpressions(eliminateDeadNodes(b.finish("training step")));
  const lowering = { opsets: model.opsets, channelBlock: options.channelBlock, costs: options.costs };
  const weightGroups = groups.map(({ group }) => group);
  const held = together ? holdInBlocks(graph, stateInputs, weightGroups, lowering) : stateInputs;
  return {
    graph: lower(graph, options.target, { ...lowering, forms: formsOf(held) }),
    opsets: opsetsOf(lowering),
    inputs: {
      records: { name: "records", shape: recordsShape },
      targets: { name: "targets", shape: [batchSize, classes] },
      scalars: ["elr", "lr", ...scalars.keys(), ...(remainder ? ["averageRemainder"] : [])],
      masks: form.masks,
    },
    stateInputs: held,
    state: stateInputs.flatMap(({ tensors }) => tensors),
    scalars: (step) => ({
      ...Object.fromEntries(optimizer.scalars.map(({ name, value }) => [name, value(step)])),
      ...(ema === undefined ? {} : { averageRemainder: averageRemainder(ema, step) }),
    }),
    masks: (step) => drawMasks(form.masks, options.seed, step),
  };
}

/**
 * The gradient of weights that are updated as one: shaped as they are together. A weight that the loss does not depend on, among others that it does, has zeros; where all are so there is none.
 */
function joinGradients(
  b: GraphBuilder,
  weights: readonly Value[],
  gradientOf: ReadonlyMap<Value, Value | undefined>,
): Value | undefined {
  const gradients = weights.map((weight) => gradientOf.get(weight));
  if (gradients.every((gradient) => gradient === undefined)) return undefined;
  if (gradients.length === 1) return gradients[0];
  const zeros = ({ shape }: Value): Value => b.constant(zerosOf(shape));
  return pack(
    b,
    gradients.map((gradient, index) => gradient ?? zeros(weights[index]!)),
  );
}

/** How weights that are moved as one are moved: a lone one by its own rule; where some of several keep their norms, these by rules of their own and the others, which come first, by one. */
function jointRule(
  weights: readonly GroupedWeight[],
  plain: PlainRule,
  fixedNorm: (weight: GroupedWeight) => FixedNormRule,
): UpdateRule {
  const kept = weights.filter((weight) => weight.kept);
  if (kept.length === 0) return plain;
  if (weights.length === 1) return fixedNorm(kept[0]!);
  const size = (list: readonly GroupedWeight[]) => list.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const others = weights.filter((weight) => !weight.kept);
  const first = others.length === 0 ? [] : [{ size: size(others), rule: plain }];
  return { kind: "joint", parts: [...first, ...kept.map((one) => ({ size: size([one]), rule: fixedNorm(one) }))] };
}

/** The elements of a vector of so many, [1] each; what is for one weight alone as it is. */
function elements(b: GraphBuilder, values: Value, count: number): readonly Value[] {
  return count === 1 ? [values] : unpack(b, values, new Array<readonly number[]>(count).fill([1]));
}

function zerosOf(shape: readonly number[]): Tensor {
  return { dtype: "float32", shape, data: new Float32Array(elementCount(shape)) };
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
