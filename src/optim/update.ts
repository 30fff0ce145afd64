import { IsonormError } from "../errors.js";
import { type GraphBuilder, pack, unpack, type Value } from "../graph/index.js";
import { type BaseRule, directionLength, type Granularity, projectToNorm } from "../method/index.js";
import type { Optimizer } from "./optimizer.js";

/** The update of a scale-invariant weight: optimizer step, then back to the norm at the start. No weight decay. */
export interface FixedNormRule {
  readonly kind: "fixedNorm";
  /** Norm_0 from `measureNorm`: one number, or 1 everywhere but on the channel axis. */
  readonly norm0: Value;
  readonly granularity: Granularity;
  /** With granularity `channel`: the axis that the proof gives. Default 0. */
  readonly channelAxis?: number;
  /** With granularity `channel`: slices of one matrix share a norm, see `projectToNorm`. */
  readonly parts?: readonly number[];
  readonly baseRule: BaseRule;
  /** The layer's learning rate as `layerLearningRate` gives it, shaped like `norm0`. */
  readonly learningRate: Value;
}

/** The update of every other weight. */
export interface PlainRule {
  readonly kind: "plain";
  /** Learning rate times the schedule: scalar. */
  readonly learningRate: Value;
  /** For the baselines that the method is compared with; enters as the optimizer says. Default 0. */
  readonly weightDecay?: number;
}

/** Several weights that lie one behind the other in a vector: the optimizer's direction is one for all, and each takes its own step along it. */
export interface JointRule<Rule = FixedNormRule | PlainRule> {
  readonly kind: "joint";
  /** In order, with the elements of each; neighbours that take the same plain step may be one part. */
  readonly parts: readonly { readonly size: number; readonly rule: Rule }[];
}

export type UpdateRule = FixedNormRule | PlainRule | JointRule;

export interface WeightUpdateInput {
  readonly weight: Value;
  /** dL/dW: the weight's shape */
  readonly gradient: Value;
  readonly slots: readonly Value[];
  readonly scalars: ReadonlyMap<string, Value>;
  readonly optimizer: Optimizer;
  readonly rule: UpdateRule;
}

export interface WeightUpdate {
  readonly weight: Value;
  readonly slots: readonly Value[];
  /**
   * Numbers, one each, of which some are not finite where the new weight or a new slot is not, or where their squares overflow. The caller keeps the
   * old state for all weights when the sum of all of these, or the loss, is not finite.
   */
  readonly health: readonly Value[];
}

/**
 * The whole update of a weight, or of several in a vector.
 *
 * Fixed norm (patent CN114078195B; FixNorm, arXiv 2103.15345), n = Norm_0:
 *
 *   base rule `sgd`:      W' = W - ELR n^2 u
 *   base rule `angular`:  W' = W - ELR n u / ||u||      (Hyperball, arXiv 2606.16899)
 *   W_{i+1} = W' / ||W'|| * Norm_0
 *
 * The momentum stays as it is, also its part along W, as in the patent; AdamP (arXiv 2006.08217) takes that part away instead of
 * fixing the norm.
 *
 * Plain: W_{i+1} = W - lr u, with coupled decay d: u of the gradient g + d W; with decoupled decay: W_{i+1} = W - lr (u + d W).
 *
 * @throws ISO_ARGUMENT for base rule `sgd` with an optimizer whose direction does not scale with the gradient, and for weight decay in a joint rule
 *
 * @example
 * const { weight, slots, health } = updateWeight(b, {
 *   weight: w, gradient: dw, slots: [momentum], scalars: new Map(), optimizer: sgd(),
 *   rule: { kind: "fixedNorm", norm0, granularity: "tensor", baseRule: "sgd", learningRate: layerLearningRate(b, "sgd", elr, norm0) },
 * });
 */
export function updateWeight(b: GraphBuilder, input: WeightUpdateInput): WeightUpdate {
  const { weight, optimizer, rule } = input;
  for (const one of rule.kind === "joint" ? rule.parts.map((part) => part.rule) : [rule])
    requireRule(one, optimizer, rule.kind === "joint");
  const decay = rule.kind === "plain" && optimizer.weightDecay === "coupled" ? (rule.weightDecay ?? 0) : 0;
  const gradient = decay === 0 ? input.gradient : b.plus(input.gradient, b.times(weight, b.scalar(decay)));
  const { direction, slots, health } = optimizer.direction(b, { ...input, gradient });
  const sound = health ? [health] : [];
  const next = eachPart(b, rule, [weight, direction], ([w, u], part) => {
    const step = part.kind === "fixedNorm" ? fixedNormStep(b, w!, u!, part) : plainStep(b, w!, u!, part, optimizer);
    sound.push(...step.health);
    return step.weight;
  });
  return { weight: next, slots, health: sound };
}

/** `step` of vectors part by part, where the rule has parts: what it makes of them, one behind the other. */
export function eachPart<Rule extends { readonly kind: "fixedNorm" | "plain" }>(
  b: GraphBuilder,
  rule: Rule | JointRule<Rule>,
  vectors: readonly Value[],
  step: (parts: readonly Value[], rule: Rule) => Value,
): Value {
  if (rule.kind !== "joint") return step(vectors, rule);
  const shapes = rule.parts.map(({ size }) => [size]);
  const pieces = vectors.map((vector) => unpack(b, vector, shapes));
  const results = rule.parts.map((part, index) =>
    step(
      pieces.map((list) => list[index]!),
      part.rule,
    ),
  );
  return pack(b, results);
}

interface Step {
  readonly weight: Value;
  readonly health: readonly Value[];
}

function fixedNormStep(b: GraphBuilder, weight: Value, direction: Value, rule: FixedNormRule): Step {
  const { norm0, granularity, channelAxis = 0, parts, baseRule, learningRate } = rule;
  const rate =
    baseRule === "sgd"
      ? learningRate
      : b.over(learningRate, directionLength(b, direction, granularity, channelAxis, parts));
  const stepped = b.minus(weight, b.times(direction, rate));
  const { weight: projected, norm, factor } = projectToNorm(b, stepped, norm0, granularity, channelAxis, parts);
  // ||W'|| tells of overflow and NaN, Norm_0 / ||W'|| of a norm that came out as zero.
  return {
    weight: projected,
    health: granularity === "channel" ? [b.sum(b.plus(norm, factor))] : [norm, factor],
  };
}

function plainStep(b: GraphBuilder, weight: Value, direction: Value, rule: PlainRule, optimizer: Optimizer): Step {
  const { learningRate, weightDecay = 0 } = rule;
  const decay = optimizer.weightDecay === "decoupled" ? weightDecay : 0;
  const total = decay === 0 ? direction : b.plus(direction, b.times(weight, b.scalar(decay)));
  const next = b.minus(weight, b.times(total, learningRate));
  return { weight: next, health: b.abstract("SumOfSquares", [next]) };
}

function requireRule(rule: FixedNormRule | PlainRule, optimizer: Optimizer, joint: boolean): void {
  if (rule.kind === "fixedNorm") {
    if (rule.baseRule === "angular" || optimizer.gradientDegree === 1) return;
    throw new IsonormError(
      "ISO_ARGUMENT",
      `base rule sgd needs an update that grows with the gradient, which ${optimizer.name}'s does not`,
      "Use base rule angular, whose effective learning rate is in radians a step",
    );
  }
  const { weightDecay = 0 } = rule;
  if (!(weightDecay >= 0 && Number.isFinite(weightDecay)))
    throw new IsonormError("ISO_ARGUMENT", `weight decay is ${weightDecay}`, "Give a number of at least 0");
  if (joint && weightDecay > 0)
    throw new IsonormError(
      "ISO_ARGUMENT",
      `weight decay is ${weightDecay} among weights that keep their norms`,
      "Update weights that decay by themselves",
    );
}
