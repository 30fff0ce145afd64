import type { Target } from "../lowering/index.js";
import type { Granularity, WeightProof } from "../method/index.js";
import { elementCount } from "../onnx/types.js";

/** How a weight's norm is kept; as `FixedNormRule` has it. */
export interface KeptNorm {
  readonly granularity: Granularity;
  readonly channelAxis: number;
  readonly parts?: readonly number[];
}

/** Weights that a step updates as one: a weight by itself, or small ones that take the same plain step. */
export interface WeightGroup {
  /** A lone weight's own. */
  readonly name: string;
  readonly weights: readonly string[];
  /** How the norm of a lone weight is kept; undefined where the plain step is taken. */
  readonly kept: KeptNorm | undefined;
  /** Whether its learning rates are those of pretrained weights. */
  readonly pretrained: boolean;
}

/** Larger weights stay by themselves: to lay them side by side costs more than their nodes do. */
const small = 4096;

/**
 * A network has many small weights (scales, biases), and a node of the graph costs as much as some thousand elements. Those that keep a norm each stay by themselves too.
 *
 * @param fixedNorm - what is asked for; "none": every weight takes the plain step
 * @param pretrained - weights with learning rates of their own
 */
export function groupWeights(
  proofs: readonly WeightProof[],
  fixedNorm: Granularity | "none",
  pretrained: ReadonlySet<string>,
): readonly WeightGroup[] {
  const alone: WeightGroup[] = [];
  const together = { old: [] as string[], fresh: [] as string[] };
  for (const proof of proofs) {
    const { name, shape } = proof;
    const kept = keptNorm(proof, fixedNorm);
    const old = pretrained.has(name);
    if (kept || elementCount(shape) > small) alone.push({ name, weights: [name], kept, pretrained: old });
    else together[old ? "old" : "fresh"].push(name);
  }
  const group = (name: string, weights: readonly string[], pretrained: boolean): readonly WeightGroup[] =>
    weights.length === 0
      ? []
      : [{ name: weights.length === 1 ? weights[0]! : name, weights, kept: undefined, pretrained }];
  return [
    ...alone,
    ...group("small weights", together.fresh, false),
    ...group("small pretrained weights", together.old, true),
  ];
}

/** A group whose one weight keeps its norm. */
export type KeptGroup = WeightGroup & { readonly kept: KeptNorm };

/**
 * Those groups that keep norms, together where their Norm_0 may lie one behind the other: one number each, and the same learning rate to multiply by. On a graphics processor each tensor has a
 * buffer of its own.
 */
export function groupNorms(
  groups: readonly WeightGroup[],
  shapeOf: (weight: string) => readonly number[],
  target: Target,
): readonly (readonly [KeptGroup, ...KeptGroup[]])[] {
  const alone: KeptGroup[] = [];
  const together = { old: [] as KeptGroup[], fresh: [] as KeptGroup[] };
  for (const group of groups) {
    if (!keepsNorm(group)) continue;
    // A number of a vector is [1], and would make [1] of a weight that is a scalar.
    const joins = target === "cpu" && group.kept.granularity === "tensor" && shapeOf(group.name).length > 0;
    (joins ? together[group.pretrained ? "old" : "fresh"] : alone).push(group);
  }
  return [...alone.map((group) => [group]), together.fresh, together.old].filter(
    (list): list is [KeptGroup, ...KeptGroup[]] => list.length > 0,
  );
}

const keepsNorm = (group: WeightGroup): group is KeptGroup => group.kept !== undefined;

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
