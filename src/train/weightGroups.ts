import type { Target } from "../lowering/index.js";
import type { Granularity, WeightProof } from "../method/index.js";
import { elementCount } from "../onnx/types.js";

/** How a weight's norm is kept; as `FixedNormRule` has it. */
export interface KeptNorm {
  readonly granularity: Granularity;
  readonly channelAxis: number;
  readonly parts?: readonly number[];
}

/** A weight among those that a step updates as one. */
export interface GroupedWeight {
  readonly name: string;
  readonly shape: readonly number[];
  /** How its norm is kept; undefined where the plain step is taken. */
  readonly kept: KeptNorm | undefined;
}

/** Weights that a step updates as one: a weight by itself, or small ones. Those that take the plain step come first. */
export interface WeightGroup {
  /** A lone weight's own. */
  readonly name: string;
  readonly weights: readonly GroupedWeight[];
  /** Whether its learning rates are those of pretrained weights. */
  readonly pretrained: boolean;
}

/** Larger weights stay by themselves: to lay them side by side costs more than their nodes do. */
const small = 4096;

/**
 * A network has many small weights (scales, biases, kernels of few channels), and a node of the graph costs as much as some thousand elements, a tensor that comes in and goes out as two nodes.
 *
 * @param fixedNorm - what is asked for; "none": every weight takes the plain step
 * @param pretrained - weights with learning rates of their own
 * @param target - on a graphics processor weights that keep their norms stay by themselves: each tensor has a buffer of its own there
 */
export function groupWeights(
  proofs: readonly WeightProof[],
  fixedNorm: Granularity | "none",
  pretrained: ReadonlySet<string>,
  target: Target,
): readonly WeightGroup[] {
  const alone: WeightGroup[] = [];
  const together = { old: [] as GroupedWeight[], fresh: [] as GroupedWeight[] };
  for (const proof of proofs) {
    const { name, shape } = proof;
    const weight = { name, shape, kept: keptNorm(proof, fixedNorm) };
    const old = pretrained.has(name);
    const joins = elementCount(shape) <= small && (!weight.kept || (target === "cpu" && hasOneNorm(weight)));
    if (joins) together[old ? "old" : "fresh"].push(weight);
    else alone.push({ name, weights: [weight], pretrained: old });
  }
  const group = (name: string, weights: readonly GroupedWeight[], pretrained: boolean): readonly WeightGroup[] => {
    if (weights.length === 0) return [];
    const ordered = [...weights.filter(({ kept }) => !kept), ...weights.filter(({ kept }) => kept)];
    return [{ name: weights.length === 1 ? weights[0]!.name : name, weights: ordered, pretrained }];
  };
  return [
    ...alone,
    ...group("small weights", together.fresh, false),
    ...group("small pretrained weights", together.old, true),
  ];
}

/** Weights whose Norm_0 lie one behind the other, and have the same learning rate to multiply by. */
export interface NormGroup {
  /** A lone weight's own. */
  readonly name: string;
  readonly weights: readonly [GroupedWeight, ...GroupedWeight[]];
  readonly pretrained: boolean;
}

/** All weights that keep their norms, together where each has one number. On a graphics processor each tensor has a buffer of its own. */
export function groupNorms(groups: readonly WeightGroup[], target: Target): readonly NormGroup[] {
  const alone: NormGroup[] = [];
  const together = { old: [] as GroupedWeight[], fresh: [] as GroupedWeight[] };
  for (const { weights, pretrained } of groups)
    for (const weight of weights) {
      if (!weight.kept) continue;
      if (target === "cpu" && hasOneNorm(weight)) together[pretrained ? "old" : "fresh"].push(weight);
      else alone.push({ name: weight.name, weights: [weight], pretrained });
    }
  const group = (name: string, [first, ...others]: readonly GroupedWeight[], pretrained: boolean): NormGroup[] =>
    first ? [{ name: others.length === 0 ? first.name : name, weights: [first, ...others], pretrained }] : [];
  return [...alone, ...group("norms", together.fresh, false), ...group("pretrained norms", together.old, true)];
}

/** A number of a vector is [1], and would make [1] of a weight that is a scalar. */
const hasOneNorm = ({ kept, shape }: GroupedWeight): boolean => kept?.granularity === "tensor" && shape.length > 0;

/**
 * How a weight's norm is kept: not at all unless it is proved scale-invariant; by channel only where each channel is so by itself, else matrix by
 * matrix, of which a tensor mostly holds one.
 */
function keptNorm(proof: WeightProof, asked: Granularity | "none"): KeptNorm | undefined {
  if (asked === "none" || !proof.scaleInvariant) return undefined;
  if (asked === "channel" && proof.perChannel) return { granularity: "channel", channelAxis: proof.channelAxis! };
  const { matrices } = proof;
  if (matrices) return { granularity: "channel", channelAxis: matrices.axis, parts: matrices.parts };
  return { granularity: "tensor", channelAxis: 0 };
}
