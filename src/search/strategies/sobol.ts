import { deriveSeed } from "../../data/core.js";

/**
 * Sobol's low-discrepancy sequence (USSR Comp. Math. 7, 1967) with the direction numbers of Joe and Kuo, "Constructing Sobol sequences with better two-dimensional projections"
 * (SIAM J. Sci. Comput. 30, 2008; table new-joe-kuo-6), scrambled after Owen, "Randomly permuted (t,m,s)-nets and (t,s)-sequences" (1995): each binary digit is
 * flipped or not by a coin that depends on the seed, the dimension and all higher digits. Scrambling keeps the even spread and makes each point uniform.
 */

const bits = 32;

/** Per dimension from the second: degree and coefficients a of the primitive polynomial, initial direction numbers m. The first is van der Corput's sequence. */
const joeKuo: readonly { readonly degree: number; readonly a: number; readonly m: readonly number[] }[] = [
  { degree: 1, a: 0, m: [1] },
  { degree: 2, a: 1, m: [1, 3] },
  { degree: 3, a: 1, m: [1, 3, 1] },
  { degree: 3, a: 2, m: [1, 1, 1] },
  { degree: 4, a: 1, m: [1, 1, 3, 3] },
  { degree: 4, a: 4, m: [1, 3, 5, 13] },
];

/** Dimensions that the table serves. */
export const sobolDimensions = joeKuo.length + 1;

/** v_k = m_k 2^(32 - k) with m_k = 2 a_1 m_(k-1) ^ 4 a_2 m_(k-2) ^ ... ^ 2^s m_(k-s) ^ m_(k-s) (Joe and Kuo, equation 2). */
function directions(dimension: number): Uint32Array {
  const v = new Uint32Array(bits);
  if (dimension === 0) return v.map((_, k) => 2 ** (bits - 1 - k));
  const { degree, a, m } = joeKuo[dimension - 1]!;
  for (let k = 0; k < bits; k++) {
    if (k < degree) v[k] = m[k]! * 2 ** (bits - 1 - k);
    else {
      v[k] = v[k - degree]! ^ (v[k - degree]! >>> degree);
      for (let i = 1; i < degree; i++) if ((a >> (degree - 1 - i)) & 1) v[k]! ^= v[k - i]!;
    }
  }
  return v;
}

/**
 * Points 0 ... count - 1 of the sequence in the unit cube.
 *
 * @param seed - undefined leaves the sequence as it is: the first point is then 0 in all dimensions
 * @returns [count][dimensions], each in [0, 1)
 * @example
 * sobol(4, 2) // [[0, 0], [0.5, 0.5], [0.75, 0.25], [0.25, 0.75]]
 */
export function sobol(count: number, dimensions: number, seed?: number): number[][] {
  if (dimensions > sobolDimensions)
    throw new RangeError(`Sobol's sequence has ${sobolDimensions} dimensions here, not ${dimensions}`);
  const v = Array.from({ length: dimensions }, (_, dimension) => directions(dimension));
  const x = new Uint32Array(dimensions);
  return Array.from({ length: count }, (_, index) => {
    // Antonov and Saleev: in Gray-code order, point i differs from point i - 1 by the direction number of i's lowest set bit.
    if (index > 0) for (let d = 0; d < dimensions; d++) x[d]! ^= v[d]![31 - Math.clz32(index & -index)]!;
    return Array.from(x, (value, d) => (seed === undefined ? value : scrambled(value, d, seed)) / 2 ** bits);
  });
}

function scrambled(value: number, dimension: number, seed: number): number {
  let flips = 0;
  for (let digit = 0; digit < bits; digit++) {
    const higher = digit === 0 ? 0 : value >>> (bits - digit);
    if (deriveSeed(seed, "sobol", dimension, digit, higher) & 1) flips |= 1 << (bits - 1 - digit);
  }
  return (value ^ flips) >>> 0;
}
