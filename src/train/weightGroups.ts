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
  /** Whether its learning rates are those of pretrained weights. */
  readonly pretrained: boolean;
}

/** One weight, or several with the same learning rates. */
export interface WeightGroup {
  /** A lone weight's own. */
  readonly name: string;
  readonly weights: readonly GroupedWeight[];
  readonly pretrained: boolean;
}

/** Larger weights stay by themselves: to lay them side by side costs more than their nodes do. */
const small = 4096;

/**
 * Weights that a step updates as one: a weight by itself, or small ones, of which those that take the plain step come first. A network has many small weights (scales, biases, kernels of few
 * channels), and a node of the graph costs as much as some thousand elements, a tensor that comes in and goes out as two nodes.
 *
 * @param fixedNorm - what is asked for; "none": every weight takes the plain step
 * @param pretrained - weights with learning rates of their own
 * @param together - whether state of several weights may lie in one tensor; see `declareState`
 */
export function groupWeights(
  proofs: readonly WeightProof[],
  fixedNorm: Granularity | "none",
  pretrained: ReadonlySet<string>,
  together: boolean,
): readonly WeightGroup[] {
  const weights = proofs.map((proof): GroupedWeight => {
    const { name, shape } = proof;
    return { name, shape, kept: keptNorm(proof, fixedNorm), pretrained: pretrained.has(name) };
  });
  const joins = (weight: GroupedWeight): boolean =>
    elementCount(weight.shape) <= small && (!weight.kept || (together && hasOneNorm(weight)));
  const ordered = [...weights.filter(({ kept }) => !kept), ...weights.filter(({ kept }) => kept)];
  return [...alone(weights.filter((weight) => !joins(weight))), ...joined("weights", "small", ordered.filter(joins))];
}

/** Weights that keep their norms, in groups whose Norm_0 may lie in one tensor: of those that have one number each. Parameters as of {@link groupWeights}. */
export function groupNorms(groups: readonly WeightGroup[], together: boolean): readonly WeightGroup[] {
  const weights = groups.flatMap((group) => group.weights).filter(({ kept }) => kept);
  const joins = (weight: GroupedWeight): boolean => together && hasOneNorm(weight);
  return [...alone(weights.filter((weight) => !joins(weight))), ...joined("norms", "", weights.filter(joins))];
}

const alone = (weights: readonly GroupedWeight[]): readonly WeightGroup[] =>
  weights.map((weight) => ({ name: weight.name, weights: [weight], pretrained: weight.pretrained }));

/** Weights with the same learning rates as one group. */
function joined(what: string, kind: string, weights: readonly GroupedWeight[]): readonly WeightGroup[] {
  return [false, true].flatMap((pretrained): readonly WeightGroup[] => {
    const alike = weights.filter((weight) => weight.pretrained === pretrained);
    const name = [kind, pretrained ? "pretrained" : "", what].filter(Boolean).join(" ");
    return alike.length > 1 ? [{ name, weights: alike, pretrained }] : alone(alike);
  });
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
