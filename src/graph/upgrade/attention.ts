import { int, ints, type Node, type Tensor } from "../../onnx/types.js";
import { attributeFloat, attributeInt, attributeInts } from "../attributes.js";
import { Composition } from "./composition.js";
import type { Rule, Surroundings } from "./rules.js";

// Attention as matrix products and a softmax. Shapes: B batch, N heads, S queries, T keys, D numbers a head.

interface Scores {
  /** Added to the scores; broadcasts to [B, N, S, T]. */
  readonly bias?: string | undefined;
  /** True where a key may be seen. */
  readonly visible?: string | undefined;
  readonly causal: boolean;
  /** 1 / sqrt(D) by default. */
  readonly scale?: number | undefined;
  /** Where given, scores x are bent to softcap tanh(x / softcap). */
  readonly softcap?: number | undefined;
}

/** softmax(scale q k' + bias) v for q [B, N, S, D], k [B, N, T, D], v [B, N, T, V]; causal hides the keys after the query. */
function attend(
  c: Composition,
  q: string,
  k: string,
  v: string,
  { bias, visible, causal, scale, softcap }: Scores,
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
  if (causal) {
    const all = c.op("ConstantOfShape", [c.op("Shape", [scores], { start: int(-2) })], { value: hidden });
    scores = c.op("Add", [scores, c.op("CastLike", [c.op("Trilu", [all, c.integers("above", [1])]), scores])]);
  }
  return c.op("MatMul", [c.op("Softmax", [scores], { axis: int(-1) }), v], {}, y);
}

const hidden: { kind: "tensor"; value: Tensor } = {
  kind: "tensor",
  value: { dtype: "float32", shape: [1], data: Float32Array.of(Number.NEGATIVE_INFINITY) },
};

/** [B, S, N D] -> [B, N, S, D] */
function split(c: Composition, x: string, heads: number): string {
  return c.op("Transpose", [c.op("Reshape", [x, c.integers("heads", [0, 0, heads, -1])])], {
    perm: ints([0, 2, 1, 3]),
  });
}

/** [B, N, S, D] -> [B, S, N D] */
function join(c: Composition, x: string, y: string): string {
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
function repeated(c: Composition, x: string, times: number): string {
  if (times === 1) return x;
  const many = c.op("Expand", [
    c.op("Unsqueeze", [x, c.integers("axis", [2])]),
    c.integers("times", [1, 1, times, 1, 1]),
  ]);
  const shape = (start: number, end: number) => c.op("Shape", [x], { start: int(start), end: int(end) });
  return c.op("Reshape", [many, c.op("Concat", [shape(0, 1), c.integers("all", [-1]), shape(2, 4)], { axis: int(0) })]);
}

/**
 * Attention of operator set 23: q, k and v with three axes and the numbers of heads as attributes, or with four. Past keys and outputs but the first are
 * left as they are.
 */
export const onnxAttention: Rule = (node, surroundings) => {
  const { attributes } = node;
  const [q, k, v, mask, ...past] = node.inputs as [string, string, string, string?, ...string[]];
  const heads = attributeInt(attributes, "q_num_heads");
  const times =
    heads === undefined
      ? queriesForEachKey(surroundings, q, k)
      : heads / attributeInt(attributes, "kv_num_heads", heads);
  const type = mask ? surroundings.typeOf(mask).dtype : undefined;
  if (!Number.isInteger(times) || past.some(Boolean) || node.outputs.slice(1).some(Boolean)) return undefined;
  if (mask && !type) return undefined;
  const softcap = attributeFloat(attributes, "softcap", 0);
  const settings: Scores = {
    bias: type === "bool" ? undefined : mask,
    visible: type === "bool" ? mask : undefined,
    causal: attributeInt(attributes, "is_causal", 0) !== 0,
    scale: attributeFloat(attributes, "scale"),
    softcap: softcap === 0 ? undefined : softcap,
  };
  const c = new Composition(node, surroundings);
  if (heads === undefined) {
    const [keys, values] = [repeated(c, k, times), repeated(c, v, times)];
    attend(c, q, keys, values, settings, node.outputs[0]);
  } else {
    const [keys, values] = [k, v].map((x) => repeated(c, split(c, x, heads / times), times)) as [string, string];
    join(c, attend(c, split(c, q, heads), keys, values, settings), node.outputs[0]!);
  }
  return c.nodes;
};

/** Query heads for each key head; one key head serves all as it is. Where the file does not say, a product of other numbers is refused by its shapes. */
function queriesForEachKey(surroundings: Surroundings, q: string, k: string): number {
  const [ofQuery, ofKey] = [q, k].map((name) => surroundings.typeOf(name).shape?.[1]);
  return typeof ofQuery !== "number" || typeof ofKey !== "number" || ofKey === 1 ? 1 : ofQuery / ofKey;
}

/**
 * MultiHeadAttention of query [B, S, N D], key [B, T, N D] and value [B, T, N V], with a bias of the three projections in one row [N D + N D + N V], and
 * an attention bias or a mask [B, T] of ones and zeros, as below.
 */
const multiHeadAttention: Rule = (node, surroundings) => {
  const [q, k, v, bias, padding, attentionBias, ...past] = node.inputs as [string, string?, string?, ...string[]];
  const separate = [q, k, v].every((name) => name && surroundings.typeOf(name).shape?.length === 3);
  const sizes = [q, q, v].map((name) => (name ? surroundings.typeOf(name).shape?.at(-1) : undefined));
  const known = sizes.every((size) => typeof size === "number");
  const masked = padding ? surroundings.typeOf(padding).shape?.length === 2 && !attentionBias : true;
  if (!separate || (bias && !known) || !masked || past.some(Boolean) || node.outputs.slice(1).some(Boolean))
    return undefined;
  const heads = attributeInt(node.attributes, "num_heads", 1);
  const c = new Composition(node, surroundings);
  const settings = fusedSettings(node, padding ? maskBias(c, padding, q) : attentionBias);
  const biases = bias
    ? c.several("Split", [bias, c.integers("sizes", sizes.map(Number))], { axis: int(0) }, [
        undefined,
        undefined,
        undefined,
      ])
    : [];
  const [queries, keys, values] = [q, k!, v!].map((x, index) =>
    split(c, biases[index] ? c.op("Add", [x, biases[index]]) : x, heads),
  ) as [string, string, string];
  join(c, attend(c, queries, keys, values, settings), node.outputs[0]!);
  return c.nodes;
};

/**
 * Attention of com.microsoft: query, key and value are parts of input [B, S, E] times weights [E, 3 N D] plus bias. A mask [B, T] of ones and zeros adds
 * mask_filter_value where it is 0.
 */
const packedAttention: Rule = (node, surroundings) => {
  const [input, weights, bias = "", mask, past, attentionBias, ...more] = node.inputs as [string, string, ...string[]];
  const masked = mask ? surroundings.typeOf(mask).shape?.length === 2 : true;
  if (!masked || past || more.some(Boolean) || node.outputs.slice(1).some(Boolean) || (mask && attentionBias))
    return undefined;
  const c = new Composition(node, surroundings);
  const product = c.op("MatMul", [input, weights]);
  const sizes = attributeInts(node.attributes, "qkv_hidden_sizes");
  const parts = sizes ? [c.integers("sizes", sizes)] : [];
  const [q, k, v] = c.several(
    "Split",
    [bias ? c.op("Add", [product, bias]) : product, ...parts],
    { axis: int(-1), ...(sizes ? {} : { num_outputs: int(3) }) },
    [undefined, undefined, undefined],
  ) as [string, string, string];
  const heads = attributeInt(node.attributes, "num_heads", 1);
  const settings = fusedSettings(node, mask ? maskBias(c, mask, input) : attentionBias);
  join(c, attend(c, split(c, q, heads), split(c, k, heads), split(c, v, heads), settings), node.outputs[0]!);
  return c.nodes;
};

/** (1 - mask) mask_filter_value as [B, 1, 1, T] */
function maskBias(c: Composition, mask: string, like: string): string {
  const seen = c.op("CastLike", [c.op("Unsqueeze", [mask, c.integers("axes", [1, 2])]), like]);
  const value = attributeFloat(c.replaced.attributes, "mask_filter_value", -10000);
  return c.op("Mul", [c.op("Sub", [c.scalar("one", 1), seen]), c.scalar("filter", value)]);
}

function fusedSettings({ attributes }: Node, bias: string | undefined): Scores {
  const scale = attributeFloat(attributes, "scale", 0);
  return {
    bias: bias || undefined,
    causal: attributeInt(attributes, "unidirectional", 0) !== 0,
    // 0 stands for the default.
    scale: scale === 0 ? undefined : scale,
  };
}

export const fusedAttention: ReadonlyMap<string, Rule> = new Map([
  ["MultiHeadAttention", multiHeadAttention],
  ["Attention", packedAttention],
]);
