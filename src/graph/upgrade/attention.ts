import { int, ints, type Tensor } from "../../onnx/types.js";
import { attributeFloat, attributeInt } from "../attributes.js";
import { Composition } from "./composition.js";
import type { Rule, Surroundings } from "./rules.js";

// Attention as matrix products and a softmax. Shapes: B batch, N heads, S queries, T keys, D numbers a head.

export interface Scores {
  /** Added to the scores; broadcasts to [B, N, S, T]. */
  readonly bias?: string | undefined;
  /** True where a key may be seen. */
  readonly visible?: string | undefined;
  /** The name of one int64: scores from that diagonal on (1: keys after the query) are hidden. Absent where every key may be seen. */
  readonly hiddenFrom?: string | undefined;
  /** 1 / sqrt(D) by default. */
  readonly scale?: number | undefined;
  /** Where given, scores x are bent to softcap tanh(x / softcap). */
  readonly softcap?: number | undefined;
}

/** softmax(scale q k' + bias) v for q [B, N, S, D], k [B, N, T, D], v [B, N, T, V]. */
export function attend(
  c: Composition,
  q: string,
  k: string,
  v: string,
  { bias, visible, hiddenFrom, scale, softcap }: Scores,
  y?: string,
) {
  const raw = c.op("MatMul", [q, c.op("Transpose", [k], { perm: ints([0, 1, 3, 2]) })]);
  const size = () => c.op("CastLike", [c.op("Shape", [q], { start: int(-1) }), q]);
  let scores =
    scale === undefined ? c.op("Div", [raw, c.op("Sqrt", [size()])]) : c.op("Mul", [raw, c.scalar("scale", scale)]);
  if (softcap !== undefined) {
    const cap = c.scalar("softcap", softcap);
    scores = c.op("Mul", [c.op("Tanh", [c.op("Div", [scores, cap])]), cap]);
  }
  if (bias) scores = c.op("Add", [scores, bias]);
  if (visible) scores = c.op("Where", [visible, scores, c.scalar("hidden", Number.NEGATIVE_INFINITY)]);
  if (hiddenFrom) {
    const all = c.op("ConstantOfShape", [c.op("Shape", [scores], { start: int(-2) })], { value: hidden });
    scores = c.op("Add", [scores, c.op("CastLike", [c.op("Trilu", [all, hiddenFrom]), scores])]);
  }
  return c.op("MatMul", [c.op("Softmax", [scores], { axis: int(-1) }), v], {}, y);
}

const hidden: { kind: "tensor"; value: Tensor } = {
  kind: "tensor",
  value: { dtype: "float32", shape: [1], data: Float32Array.of(Number.NEGATIVE_INFINITY) },
};

/** [B, S, N D] -> [B, N, S, D] */
export function split(c: Composition, x: string, heads: number): string {
  return c.op("Transpose", [c.op("Reshape", [x, c.integers("heads", [0, 0, heads, -1])])], {
    perm: ints([0, 2, 1, 3]),
  });
}

/** [B, N, S, D] -> [B, S, N D] */
export function join(c: Composition, x: string, y: string): string {
  return c.op(
    "Reshape",
    [c.op("Transpose", [x], { perm: ints([0, 2, 1, 3]) }), c.integers("joined", [0, 0, -1])],
    {},
    y,
  );
}

/**
 * [B, K, T, D] to [B, K times, T, D]: each key head beside itself, so that the first `times` query heads see the first key head (grouped-query attention, Ainslie
 * et al. 2023).
 */
export function repeated(c: Composition, x: string, times: number): string {
  if (times === 1) return x;
  const many = c.op("Expand", [
    c.op("Unsqueeze", [x, c.integers("axis", [2])]),
    c.integers("times", [1, 1, times, 1, 1]),
  ]);
  const shape = (start: number, end: number) => c.op("Shape", [x], { start: int(start), end: int(end) });
  return c.op("Reshape", [many, c.op("Concat", [shape(0, 1), c.integers("all", [-1]), shape(2, 4)], { axis: int(0) })]);
}

/** The first key after a query's own, where the keys begin with `past`'s [B, N, P, D]: diagonal P + 1. */
export function afterQuery(c: Composition, past?: string): string {
  const one = c.integers("one", [1]);
  return past ? c.op("Add", [c.op("Shape", [past], { start: int(2), end: int(3) }), one]) : one;
}

/** Past keys or values [B, N, P, D] before those of now, under the name of the output that holds them, where there is one. */
export function continued(c: Composition, past: string | undefined, now: string, present: string | undefined): string {
  if (past) return c.op("Concat", [past, now], { axis: int(2) }, present || undefined);
  return present ? c.op("Identity", [now], {}, present) : now;
}

/**
 * Attention of operator set 23: q, k and v with three axes and the numbers of heads as attributes, or with four; past keys and values come before them. A fourth
 * output, the scores, and lengths of padded keys (operator set 24) are left as they are.
 */
export const onnxAttention: Rule = (node, surroundings) => {
  const { attributes } = node;
  const [q, k, v, mask, pastKeys, pastValues, lengths] = node.inputs as [
    string,
    string,
    string,
    ...(string | undefined)[],
  ];
  const [y, presentKeys, presentValues, raw] = node.outputs as [string, ...(string | undefined)[]];
  const heads = attributeInt(attributes, "q_num_heads");
  const times =
    heads === undefined
      ? queriesForEachKey(surroundings, q, k)
      : heads / attributeInt(attributes, "kv_num_heads", heads);
  const type = mask ? surroundings.typeOf(mask).dtype : undefined;
  if (!Number.isInteger(times) || lengths || raw || !pastKeys !== !pastValues) return undefined;
  if (mask && !type) return undefined;
  const softcap = attributeFloat(attributes, "softcap", 0);
  const c = new Composition(node, surroundings);
  const settings: Scores = {
    bias: type === "bool" ? undefined : mask,
    visible: type === "bool" ? mask : undefined,
    hiddenFrom: attributeInt(attributes, "is_causal", 0) === 0 ? undefined : afterQuery(c, pastKeys),
    scale: attributeFloat(attributes, "scale"),
    softcap: softcap === 0 ? undefined : softcap,
  };
  const apart = (x: string, count: number | undefined) => (count === undefined ? x : split(c, x, count));
  const ofKeys = heads === undefined ? undefined : heads / times;
  const keys = repeated(c, continued(c, pastKeys, apart(k, ofKeys), presentKeys), times);
  const values = repeated(c, continued(c, pastValues, apart(v, ofKeys), presentValues), times);
  if (heads === undefined) attend(c, q, keys, values, settings, y);
  else join(c, attend(c, split(c, q, heads), keys, values, settings), y);
  return c.nodes;
};

/** Query heads for each key head; one key head serves all as it is. Where the file does not say, a product of other numbers is refused by its shapes. */
function queriesForEachKey(surroundings: Surroundings, q: string, k: string): number {
  const [ofQuery, ofKey] = [q, k].map((name) => surroundings.typeOf(name).shape?.[1]);
  return typeof ofQuery !== "number" || typeof ofKey !== "number" || ofKey === 1 ? 1 : ofQuery / ofKey;
}
