import { int, ints } from "../../onnx/types.js";
import { attributeInt } from "../attributes.js";
import { Composition } from "./composition.js";
import type { Rule } from "./rules.js";

/**
 * RotaryEmbedding of operator set 23 (Su et al. 2021, arXiv 2104.09864). X is [B, N, S, D] or, with `num_heads`, [B, S, N D]; the caches are [B, S, R / 2], or
 * [positions, R / 2] read at position_ids [B, S].
 */
export const rotaryEmbedding: Rule = (node, surroundings) => {
  const { attributes } = node;
  const [input, cosines, sines, positions] = node.inputs as [string, string, string, string?];
  const rank = surroundings.typeOf(input).shape?.length;
  const heads = attributeInt(attributes, "num_heads", 0);
  if (rank !== 4 && heads === 0) return undefined;
  const flat = rank !== 4;
  const c = new Composition(node, surroundings);
  const swap = { perm: ints([0, 2, 1, 3]) };
  const x = flat ? c.op("Reshape", [input, c.integers("heads", [0, 0, heads, -1])]) : c.op("Transpose", [input], swap);
  const y = rotated(c, x, cosines, sines, positions, {
    interleaved: attributeInt(attributes, "interleaved", 0) !== 0,
    turned: attributeInt(attributes, "rotary_embedding_dim", 0),
  });
  if (flat) c.op("Reshape", [y, c.integers("joined", [0, 0, -1])], {}, node.outputs[0]);
  else c.op("Transpose", [y], swap, node.outputs[0]);
  return c.nodes;
};

/** The positions 0, 1, ... of x [B, S, N, D], as [1, S]. */
export function rotaryPositions(c: Composition, x: string): string {
  const length = c.op("Reshape", [c.op("Shape", [x], { start: int(1), end: int(2) }), c.integers("scalar", [])]);
  const places = c.op("Range", [c.integer("first", 0), length, c.integer("step", 1)]);
  return c.op("Unsqueeze", [places, c.integers("axis", [0])]);
}

/**
 * Of each head's numbers of x [B, S, N, D] the first R (`turned`; 0: all), in pairs (u, v) as halves or, interleaved, neighbours, are turned by an angle that the caches hold
 * the cosine c and sine s of:
 *
 *   u' = c u - s v,  v' = s u + c v
 *
 * @param positions - [B, S] or [1, S], where the caches are [positions, R / 2]; absent where they are [B, S, R / 2]
 */
export function rotated(
  c: Composition,
  x: string,
  cosines: string,
  sines: string,
  positions: string | undefined,
  { interleaved, turned }: { readonly interleaved: boolean; readonly turned: number },
): string {
  const cut = (value: string, start: number, end: number, step = 1) =>
    c.op("Slice", [
      value,
      c.integers("start", [start]),
      c.integers("end", [end]),
      c.integers("last", [-1]),
      c.integers("step", [step]),
    ]);
  const far = Number.MAX_SAFE_INTEGER;
  const part = turned === 0 ? x : cut(x, 0, turned);
  const halves = () => c.several("Split", [part], { axis: int(-1), num_outputs: int(2) }, [undefined, undefined]);
  const [u, v] = (interleaved ? [cut(part, 0, far, 2), cut(part, 1, far, 2)] : halves()) as [string, string];
  const wave = (cache: string) =>
    c.op("Unsqueeze", [positions ? c.op("Gather", [cache, positions]) : cache, c.integers("axis", [2])]);
  const [cosine, sine] = [wave(cosines), wave(sines)];
  const product = (a: string, b: string) => c.op("Mul", [a, b]);
  const pair = [
    c.op("Sub", [product(cosine, u), product(sine, v)]),
    c.op("Add", [product(sine, u), product(cosine, v)]),
  ];
  const whole = interleaved
    ? c.op("Reshape", [
        c.op(
          "Concat",
          pair.map((each) => c.op("Unsqueeze", [each, c.integers("axis", [-1])])),
          { axis: int(-1) },
        ),
        c.integers("together", [0, 0, 0, -1]),
      ])
    : c.op("Concat", pair, { axis: int(-1) });
  return turned === 0 ? whole : c.op("Concat", [whole, cut(x, turned, far)], { axis: int(-1) });
}
