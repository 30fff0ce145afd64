import { int, ints } from "../../onnx/types.js";
import { attributeFloat, attributeInt, attributeInts } from "../attributes.js";
import { afterQuery, attend, continued, join, repeated, type Scores, split } from "./attention.js";
import { Composition } from "./composition.js";
import { rotaryPositions, rotated } from "./rotary.js";
import type { Rule } from "./rules.js";

// Attention of domain com.microsoft. Shapes: B batch, N heads, S queries, T keys, P past keys, D numbers a head.

/**
 * MultiHeadAttention of query [B, S, N D], key [B, T, N D] and value [B, T, N V], or of keys and values split by head [B, N, T, D], or with three in one [B, S, N, 3, D] or
 * keys and values in one [B, T, N, 2, D]; with a bias of the three projections in one row [N D + N D + N V], a mask and an attention bias, and past keys and values
 * [B, N, P, D].
 */
const multiHeadAttention: Rule = (node, surroundings) => {
  const [q, k, v, bias, padding, attentionBias, pastKeys, pastValues, ...more] = node.inputs as [
    string,
    ...(string | undefined)[],
  ];
  const [y, presentKeys, presentValues, raw] = node.outputs as [string, ...(string | undefined)[]];
  const rankOf = (name: string | undefined) => (name ? surroundings.typeOf(name).shape?.length : 0);
  const form = [q, k, v].map(rankOf).join();
  const sizes = [q, q, v].map((name) => (name ? surroundings.typeOf(name).shape?.at(-1) : undefined));
  if (more.some(Boolean) || raw || !pastKeys !== !pastValues) return undefined;
  if (!["3,3,3", "5,0,0", "3,5,0", "3,4,4"].includes(form)) return undefined;
  if (bias && (form !== "3,3,3" || sizes.some((size) => typeof size !== "number"))) return undefined;
  const heads = attributeInt(node.attributes, "num_heads", 1);
  const c = new Composition(node, surroundings);

  const biases = bias
    ? c.several("Split", [bias, c.integers("sizes", sizes.map(Number))], { axis: int(0) }, [
        undefined,
        undefined,
        undefined,
      ])
    : [];
  const apart = (x: string, index: number) => split(c, biases[index] ? c.op("Add", [x, biases[index]]) : x, heads);
  /** [B, T, N, parts, D] to its parts [B, N, T, D] */
  const unpacked = (x: string, parts: number) =>
    Array.from({ length: parts }, (_, part) => {
      const one = c.op("Gather", [x, c.integer("part", part)], { axis: int(3) });
      return c.op("Transpose", [one], { perm: ints([0, 2, 1, 3]) });
    });
  const [queries, newKeys, newValues] = (
    form === "5,0,0"
      ? unpacked(q, 3)
      : form === "3,5,0"
        ? [apart(q, 0), ...unpacked(k!, 2)]
        : form === "3,4,4"
          ? [apart(q, 0), k, v]
          : [apart(q, 0), apart(k!, 1), apart(v!, 2)]
  ) as [string, string, string];
  const keys = continued(c, pastKeys, newKeys, presentKeys);
  const values = continued(c, pastValues, newValues, presentValues);
  const settings = fusedSettings(c, keys, q, padding, attentionBias, pastKeys);
  if (!settings) return undefined;
  join(c, attend(c, queries, keys, values, settings), y);
  return c.nodes;
};

/**
 * Attention of com.microsoft: query, key and value are parts of input [B, S, E] times weights [E, 3 N D] plus bias; past keys and values are in one tensor
 * [2, B, N, P, D].
 */
const packedAttention: Rule = (node, surroundings) => {
  const [input, weights, bias = "", mask, past, attentionBias, ...more] = node.inputs as [string, string, ...string[]];
  const [y, present, raw] = node.outputs as [string, ...(string | undefined)[]];
  const { attributes } = node;
  const shared = ["past_present_share_buffer", "do_rotary"].some((name) => attributeInt(attributes, name, 0) !== 0);
  if (more.some(Boolean) || raw || shared) return undefined;
  const c = new Composition(node, surroundings);
  const product = c.op("MatMul", [input, weights]);
  const sizes = attributeInts(attributes, "qkv_hidden_sizes");
  const parts = sizes ? [c.integers("sizes", sizes)] : [];
  const projections = c.several(
    "Split",
    [bias ? c.op("Add", [product, bias]) : product, ...parts],
    { axis: int(-1), ...(sizes ? {} : { num_outputs: int(3) }) },
    [undefined, undefined, undefined],
  );
  const heads = attributeInt(attributes, "num_heads", 1);
  const [q, k, v] = projections.map((x) => split(c, x, heads)) as [string, string, string];
  const [pastKeys, pastValues] = [0, 1].map((part) =>
    past ? c.op("Gather", [past, c.integer("part", part)], { axis: int(0) }) : undefined,
  );
  const [keys, values] = [continued(c, pastKeys, k, undefined), continued(c, pastValues, v, undefined)];
  if (present) {
    const stacked = [keys, values].map((x) => c.op("Unsqueeze", [x, c.integers("first", [0])]));
    c.op("Concat", stacked, { axis: int(0) }, present);
  }
  const settings = fusedSettings(c, keys, input, mask, attentionBias, pastKeys);
  if (!settings) return undefined;
  join(c, attend(c, q, keys, values, settings), y);
  return c.nodes;
};

/**
 * GroupQueryAttention without past keys: query [B, S, N D], key and value [B, S, K D], or all in one [B, S, (N + 2 K) D]; causal. Of rows that are padded at their end
 * (seqlens_k) the padding's results differ, which nothing reads: what is before it does not see it. With do_rotary queries and keys are turned by their
 * positions first; of position_ids [B, S] the kernels read the first number alone, for the whole batch, where there are no past keys.
 */
const groupQueryAttention: Rule = (node, surroundings) => {
  const [q, k, v, pastKeys, pastValues, , , cosines, sines, positions, bias, ...more] = node.inputs as [
    string,
    ...(string | undefined)[],
  ];
  const [y, presentKeys, presentValues, raw] = node.outputs as [string, ...(string | undefined)[]];
  const { attributes } = node;
  const empty = (name: string | undefined) => !name || surroundings.typeOf(name).shape?.[2] === 0;
  const odd = ["smooth_softmax", "qk_output"].some((name) => attributeInt(attributes, name, 0) > 0);
  const windowed = attributeInt(attributes, "local_window_size", -1) > 0;
  if (!empty(pastKeys) || !empty(pastValues) || odd || windowed || raw || bias || more.some(Boolean)) return undefined;
  const [heads, keyHeads] = ["num_heads", "kv_num_heads"].map((name) => attributeInt(attributes, name, 1)) as [
    number,
    number,
  ];
  if (heads % keyHeads !== 0) return undefined;
  const c = new Composition(node, surroundings);
  const byHead = (x: string, count: number) => c.op("Reshape", [x, c.integers("heads", [0, 0, count, -1])]);
  let [queries, keys, values] = (
    k && v
      ? [byHead(q, heads), byHead(k, keyHeads), byHead(v, keyHeads)]
      : c.several(
          "Split",
          [byHead(q, heads + 2 * keyHeads), c.integers("sizes", [heads, keyHeads, keyHeads])],
          { axis: int(2) },
          [undefined, undefined, undefined],
        )
  ) as [string, string, string];
  if (attributeInt(attributes, "do_rotary", 0) !== 0) {
    const width = surroundings.typeOf(cosines ?? "").shape?.at(-1);
    const row = surroundings.typeOf(q).shape?.at(-1);
    if (!cosines || !sines || typeof width !== "number" || typeof row !== "number") return undefined;
    const size = row / (k ? heads : heads + 2 * keyHeads);
    const counted = rotaryPositions(c, queries);
    const places = positions ? c.op("Add", [counted, firstOf(c, positions)]) : counted;
    const options = {
      interleaved: attributeInt(attributes, "rotary_interleaved", 0) !== 0,
      turned: 2 * width === size ? 0 : 2 * width,
    };
    [queries, keys] = [queries, keys].map((x) => rotated(c, x, cosines, sines, places, options)) as [string, string];
  }
  const front = (x: string, output?: string) =>
    c.op("Transpose", [x], { perm: ints([0, 2, 1, 3]) }, output || undefined);
  [queries, keys, values] = [front(queries), front(keys, presentKeys), front(values, presentValues)];
  const times = heads / keyHeads;
  const softcap = attributeFloat(attributes, "softcap", 0);
  const settings = { ...scaleOf(c), hiddenFrom: afterQuery(c), softcap: softcap === 0 ? undefined : softcap };
  join(c, attend(c, queries, repeated(c, keys, times), repeated(c, values, times), settings), y);
  return c.nodes;
};

/** The first number of a tensor, as a scalar. */
function firstOf(c: Composition, x: string): string {
  return c.op("Gather", [c.op("Reshape", [x, c.integers("row", [-1])]), c.integer("first", 0)]);
}

/** The scores' scale; 0 stands for the default. */
function scaleOf(c: Composition): { readonly scale: number | undefined } {
  const scale = attributeFloat(c.replaced.attributes, "scale", 0);
  return { scale: scale === 0 ? undefined : scale };
}

/**
 * What is added to the scores of keys [B, N, T, D]: the attention bias, and mask_filter_value where the mask is 0. A mask is [B, T], [B, S, T], or the
 * number of keys of each row of the batch [B]. Undefined for masks of other forms.
 */
function fusedSettings(
  c: Composition,
  keys: string,
  query: string,
  mask: string | undefined,
  attentionBias: string | undefined,
  past: string | undefined,
): Scores | undefined {
  const bias = mask ? maskBias(c, keys, query, mask) : undefined;
  if (mask && !bias) return undefined;
  const both = bias && attentionBias ? c.op("Add", [attentionBias, bias]) : bias || attentionBias || undefined;
  const causal = attributeInt(c.replaced.attributes, "unidirectional", 0) !== 0;
  return { ...scaleOf(c), bias: both, hiddenFrom: causal ? afterQuery(c, past) : undefined };
}

/** (1 - mask) mask_filter_value as [B, 1, S or 1, T] */
function maskBias(c: Composition, keys: string, query: string, mask: string): string | undefined {
  const { surroundings } = c;
  const counted = surroundings.makerOf(mask)?.op === "EmbedLayerNormalization";
  const shape = surroundings.typeOf(mask).shape;
  const rank = counted ? 1 : shape?.length;
  // A row of numbers may also be ends and beginnings, twice the batch.
  if (rank === 1 && !counted && shape?.[0] !== surroundings.typeOf(query).shape?.[0]) return undefined;
  let seen: string;
  if (rank === 1) {
    const length = c.op("Reshape", [c.op("Shape", [keys], { start: int(2), end: int(3) }), c.integers("scalar", [])]);
    const places = c.op("Range", [c.integer("first", 0), length, c.integer("step", 1)]);
    const counts = c.op("Unsqueeze", [mask, c.integers("axes", [1, 2, 3])]);
    seen = c.op("Less", [c.op("CastLike", [places, counts]), counts]);
  } else if (rank === 2) seen = c.op("Unsqueeze", [mask, c.integers("axes", [1, 2])]);
  else if (rank === 3) seen = c.op("Unsqueeze", [mask, c.integers("axes", [1])]);
  else return undefined;
  const value = attributeFloat(c.replaced.attributes, "mask_filter_value", -10000);
  const hidden = c.op("Sub", [c.scalar("one", 1), c.op("CastLike", [seen, query])]);
  return c.op("Mul", [hidden, c.scalar("filter", value)]);
}

/** RotaryEmbedding of com.microsoft, whose positions are [B, S] or the first one [1]. */
const rotaryEmbedding: Rule = (node, surroundings) => {
  const { attributes } = node;
  const [input, positions, cosines, sines] = node.inputs as [string, string, string, string];
  const shape = surroundings.typeOf(input).shape;
  const width = surroundings.typeOf(cosines).shape?.at(-1);
  const first = surroundings.typeOf(positions).shape?.length;
  const packed = attributeInt(attributes, "is_packed_batching", 0) !== 0;
  if (!shape || typeof width !== "number" || !first || packed) return undefined;
  const turned = attributeInt(attributes, "rotary_embedding_dim", 0);
  const heads = attributeInt(attributes, "num_heads", 0);
  if (shape.length === 3 && turned !== 0 && heads === 0) return undefined;
  const c = new Composition(node, surroundings);
  const flat = shape.length === 3;
  const swap = { perm: ints([0, 2, 1, 3]) };
  const size = heads > 0 ? [heads, -1] : [-1, 2 * width];
  const x = flat ? c.op("Reshape", [input, c.integers("heads", [0, 0, ...size])]) : c.op("Transpose", [input], swap);
  const places = first === 1 ? c.op("Add", [rotaryPositions(c, x), positions]) : positions;
  const options = { interleaved: attributeInt(attributes, "interleaved", 0) !== 0, turned };
  const y = rotated(c, x, cosines, sines, places, options);
  if (flat) c.op("Reshape", [y, c.integers("joined", [0, 0, -1])], {}, node.outputs[0]);
  else c.op("Transpose", [y], swap, node.outputs[0]);
  return c.nodes;
};

export const fusedAttention: ReadonlyMap<string, Rule> = new Map([
  ["MultiHeadAttention", multiHeadAttention],
  ["Attention", packedAttention],
  ["GroupQueryAttention", groupQueryAttention],
  ["RotaryEmbedding", rotaryEmbedding],
]);
