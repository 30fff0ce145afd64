import { type GraphBuilder, pack, type Value } from "../graph/index.js";
import { elementCount } from "../onnx/types.js";
import type { WeightUpdateInput } from "./update.js";

/** Weights that are updated as one. */
export interface UpdateGroup {
  readonly members: readonly WeightUpdateInput[];
  /** The members' weights, gradients and slots as one vector each; a lone member as it is. */
  readonly update: WeightUpdateInput;
}

/** Larger weights are not moved into a vector: that costs more than their nodes do. */
const small = 4096;

/**
 * Puts small weights with the same plain rule into one vector: a network has many of them (scales and biases), and a node of the graph costs as much as some thousand elements.
 * Weights that keep a norm each stay by themselves.
 */
export function groupUpdates(b: GraphBuilder, updates: readonly WeightUpdateInput[]): readonly UpdateGroup[] {
  const alone: UpdateGroup[] = [];
  const together = new Map<string, WeightUpdateInput[]>();
  for (const update of updates) {
    const { rule, weight } = update;
    if (rule.kind !== "plain" || elementCount(weight.shape) > small) {
      alone.push({ members: [update], update });
      continue;
    }
    const key = `${rule.learningRate.name} ${rule.weightDecay ?? 0}`;
    together.set(key, [...(together.get(key) ?? []), update]);
  }
  return [...alone, ...[...together.values()].map((members) => ({ members, update: packed(b, members) }))];
}

function packed(b: GraphBuilder, members: readonly WeightUpdateInput[]): WeightUpdateInput {
  const [first] = members as readonly [WeightUpdateInput];
  const all = (value: (member: WeightUpdateInput) => Value): Value => pack(b, members.map(value));
  return {
    ...first,
    weight: all(({ weight }) => weight),
    gradient: all(({ gradient }) => gradient),
    slots: first.slots.map((_, slot) => all(({ slots }) => slots[slot]!)),
  };
}
