import { IsonormError } from "../errors.js";
import type { GraphBuilder, Value } from "../graph/index.js";
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

export interface WeightUpdateInput {
  readonly weight: Value;
  /** dL/dW: the weight's shape */
  readonly gradient: Value;
  readonly slots: readonly Value[];
  readonly scalars: ReadonlyMap<string, Value>;
  readonly optimizer: Optimizer;
  readonly rule: FixedNormRule | PlainRule;
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
 * One weight's whole update.
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
 * @throws ISO_ARGUMENT for base rule `sgd` with an optimizer whose direction does not scale with the gradient
 *
 * @example
 * const { weight, slots, health } = updateWeight(b, {
 *   weight: w, gradient: dw, slots: [momentum], scalars: new Map(), optimizer: sgd(),
 *   rule: { kind: "fixedNorm", norm0, granularity: "tensor", baseRule: "sgd", learningRate: layerLearningRate(b, "sgd", elr, norm0) },
 * });
 */
export function updateWeight(b: GraphBuilder, input: WeightUpdateInput): WeightUpdate {
  return input.rule.kind === "fixedNorm" ? fixedNormUpdate(b, input, input.rule) : plainUpdate(b, input, input.rule);
}

function fixedNormUpdate(b: GraphBuilder, input: WeightUpdateInput, rule: FixedNormRule): WeightUpdate {
  const { weight, optimizer } = input;
  const { norm0, granularity, channelAxis = 0, parts, baseRule, learningRate } = rule;
  if (baseRule === "sgd" && optimizer.gradientDegree !== 1)
    throw new IsonormError(
      "ISO_ARGUMENT",
      `base rule sgd needs an update that grows with the gradient, which ${optimizer.name}'s does not`,
      "Use base rule angular, whose effective learning rate is in radians a step",
    );
  const { direction, slots, health } = optimizer.direction(b, input);
  const rate =
    baseRule === "sgd"
      ? learningRate
      : b.over(learningRate, directionLength(b, direction, granularity, channelAxis, parts));
  const stepped = b.minus(weight, b.times(direction, rate));
  const { weight: projected, norm, factor } = projectToNorm(b, stepped, norm0, granularity, channelAxis, parts);
  // ||W'|| tells of overflow and NaN, Norm_0 / ||W'|| of a norm that came out as zero.
  const sound = granularity === "channel" ? [b.sum(b.plus(norm, factor))] : [norm, factor];
  return { weight: projected, slots, health: health ? [...sound, health] : sound };
}

function plainUpdate(b: GraphBuilder, input: WeightUpdateInput, rule: PlainRule): WeightUpdate {
  const { weight, optimizer } = input;
  const { learningRate, weightDecay = 0 } = rule;
  if (!(weightDecay >= 0 && Number.isFinite(weightDecay)))
    throw new IsonormError("ISO_ARGUMENT", `weight decay is ${weightDecay}`, "Give a number of at least 0");
  const decayed = (to: Value) => (weightDecay === 0 ? to : b.plus(to, b.times(weight, b.scalar(weightDecay))));
  const coupled = optimizer.weightDecay === "coupled";
  const gradient = coupled ? decayed(input.gradient) : input.gradient;
  const { direction, slots, health } = optimizer.direction(b, { ...input, gradient });
  const total = coupled ? direction : decayed(direction);
  const next = b.minus(weight, b.times(total, learningRate));
  const sound = b.abstract("SumOfSquares", [next]);
  return { weight: next, slots, health: health ? [...sound, health] : sound };
}
