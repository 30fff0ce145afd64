/**
 * Randomness as a pure function of where it is used: (seed, purpose, epoch, example, ...), never of how often something was drawn before. A
 * resumed run, a run with other threads and a run that skips ahead therefore draw the same numbers.
 *
 * Keys come from MurmurHash3 (Austin Appleby, public domain), numbers from Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011). Both are fixed for ever: every seed in every run.json depends on them.
 */

import { philoxBlocks } from "./philoxBlocks.js";

/** A part of a seed: a word that names the purpose, or a number (a seed, an epoch, an index). */
export type SeedPart = string | number;

const encoder = new TextEncoder();

/** The parts as bytes, each with a tag (and strings with their length) so that ("ab", "c") and ("a", "bc") differ. */
function seedBytes(parts: readonly SeedPart[]): Uint8Array {
  const chunks = parts.map((part) => {
    const text = typeof part === "string" ? encoder.encode(part) : undefined;
    const chunk = new Uint8Array(text ? 5 + text.length : 9);
    const view = new DataView(chunk.buffer);
    if (text) {
      view.setUint8(0, 2);
      view.setUint32(1, text.length, true);
      chunk.set(text, 5);
    } else {
      view.setUint8(0, 1);
      view.setFloat64(1, (part as number) + 0, true);
    }
    return chunk;
  });
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** MurmurHash3_x86_32 of the bytes. Returns an integer in [0, 2^32). */
export function murmur3(bytes: Uint8Array, seed: number): number {
  const scramble = (k: number): number => {
    const mixed = Math.imul(k, 0xcc9e2d51);
    return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
  };
  let h = seed | 0;
  const blocks = bytes.length >>> 2;
  for (let block = 0; block < blocks; block++) {
    const i = block * 4;
    h ^= scramble(bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  const tail = blocks * 4;
  let k = 0;
  for (let i = bytes.length - 1; i >= tail; i--) k = (k << 8) | bytes[i]!;
  if (bytes.length > tail) h ^= scramble(k);
  h ^= bytes.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * A seed for one purpose, from the parts that name it.
 *
 * @returns an integer in [0, 2^32)
 * @example
 * deriveSeed(0, "trial", 3) // 2719094236
 */
export function deriveSeed(...parts: SeedPart[]): number {
  return murmur3(seedBytes(parts), 0);
}

/**
 * Ten rounds of Philox4x32: encrypts the counter [4] under the key, into `out` [4]. The high half of each 32 x 32 bit product is put together from
 * 16-bit halves, since JavaScript has no 64-bit integer that is fast.
 */
export function philox(counter: Uint32Array, key0: number, key1: number, out: Uint32Array): void {
  let c0 = counter[0]! | 0;
  let c1 = counter[1]! | 0;
  let c2 = counter[2]! | 0;
  let c3 = counter[3]! | 0;
  let k0 = key0 | 0;
  let k1 = key1 | 0;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd251, 0x1f53, c0);
    const low0 = Math.imul(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e, 0x8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** The upper 32 bits of (aHigh * 2^16 + aLow) * b, all unsigned. */
function multiplyHigh(aHigh: number, aLow: number, b: number): number {
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  // Neither sum passes 2^32: (2^16 - 1)^2 + 2^16 - 1 = 2^32 - 2^16.
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const cross = (Math.imul(aLow, bHigh) + (middle & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (cross >>> 16)) | 0;
}

/** A multiple of 2^-53 in [0, 1), from the upper 27 and 26 bits of two random numbers. */
const toUniform = (high: number, low: number): number => ((high >>> 5) * 0x4000000 + (low >>> 6)) / 0x20000000000000;

/** A stream that has drawn so many blocks one by one draws more at a time. */
const shortStream = 16;
const blocksAtOnce = 64;

/** A stream of random numbers under one key; `at` moves to the start of one of its 2^64 streams, which costs next to nothing. */
export class Random {
  readonly #key0: number;
  readonly #key1: number;
  readonly #counter = new Uint32Array(4);
  /** Numbers drawn and not yet given out: those from `#next` to `#end`. */
  #words = new Uint32Array(4);
  #next = 0;
  #end = 0;
  /** Blocks drawn one by one since the stream's start. */
  #single = 0;
  #spare: number | undefined;

  /** @param parts - what the numbers are for, for instance (seed, "augment") */
  constructor(...parts: SeedPart[]) {
    const bytes = seedBytes(parts);
    this.#key0 = murmur3(bytes, 0);
    this.#key1 = murmur3(bytes, 0x9e3779b9);
  }

  /**
   * Starts the stream of those two numbers (integers in [0, 2^32)), for instance of an epoch and an example.
   *
   * @example
   * const random = new Random(seed, "augment");
   * random.at(epoch, example).uniform(); // the same number whenever it is asked for
   */
  at(major: number, minor = 0): this {
    this.#counter[0] = 0;
    this.#counter[1] = 0;
    this.#counter[2] = major;
    this.#counter[3] = minor;
    this.#next = this.#end;
    this.#single = 0;
    this.#spare = undefined;
    return this;
  }

  /** An integer in [0, 2^32). */
  uint32(): number {
    if (this.#next === this.#end) this.#draw();
    return this.#words[this.#next++]!;
  }

  #draw(): void {
    const many = this.#single < shortStream ? null : philoxBlocks();
    const count = many ? blocksAtOnce : 1;
    if (this.#words.length < 4 * count) this.#words = new Uint32Array(4 * count);
    if (many) this.#words.set(many(count, this.#counter, this.#key0, this.#key1));
    else philox(this.#counter, this.#key0, this.#key1, this.#words);
    const before = this.#counter[0]!;
    this.#counter[0]! += count;
    if (this.#counter[0]! < before) this.#counter[1]!++;
    this.#single++;
    this.#next = 0;
    this.#end = 4 * count;
  }

  /** A multiple of 2^-53 in [0, 1). */
  uniform(): number {
    const high = this.uint32();
    return toUniform(high, this.uint32());
  }

  /** An integer in [0, n), each equally likely; 1 <= n <= 2^32. */
  int(n: number): number {
    const limit = 0x100000000 - (0x100000000 % n);
    let drawn = this.uint32();
    while (drawn >= limit) drawn = this.uint32();
    return drawn % n;
  }

  /**
   * A standard normal number, by Marsaglia's polar method (SIAM Review 6, 1964): of the functions that JavaScript leaves to the engine it needs only the
   * logarithm, so engines can differ in the last bit of a value but never in how many numbers they draw.
   */
  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    for (;;) {
      if (this.#next === this.#end) this.#draw();
      const [words, next] = [this.#words, this.#next];
      let u: number;
      let v: number;
      if (this.#end - next >= 4) {
        // Two uniform numbers at once.
        this.#next = next + 4;
        u = 2 * toUniform(words[next]!, words[next + 1]!) - 1;
        v = 2 * toUniform(words[next + 2]!, words[next + 3]!) - 1;
      } else {
        u = 2 * this.uniform() - 1;
        v = 2 * this.uniform() - 1;
      }
      const square = u * u + v * v;
      if (square >= 1 || square === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      this.#spare = v * factor;
      return u * factor;
    }
  }

  /**
   * The natural logarithm of a Gamma(shape, 1) number, shape > 0, by Marsaglia and Tsang (ACM TOMS 26, 2000). As a logarithm, because for a small
   * shape nearly all numbers are too small for a double.
   */
  logGamma(shape: number): number {
    if (shape < 1) return this.logGamma(shape + 1) + Math.log(1 - this.uniform()) / shape;
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return Math.log(d * v);
    }
  }

  /** A Beta(a, b) number in [0, 1]. */
  beta(a: number, b: number): number {
    const x = this.logGamma(a);
    const y = this.logGamma(b);
    return 1 / (1 + Math.exp(y - x));
  }

  /** Puts the elements in random order, in place (Fisher and Yates), and returns them. */
  shuffle<T extends { length: number; [index: number]: unknown }>(elements: T): T {
    const target = elements as { [index: number]: unknown };
    for (let i = elements.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const held = target[i];
      target[i] = target[j];
      target[j] = held;
    }
    return elements;
  }
}

/** The order in which an epoch visits the examples: a permutation of 0 ... size - 1 that depends on the seed and the epoch alone. [size] */
export function epochOrder(seed: number, epoch: number, size: number): Uint32Array {
  const order = new Uint32Array(size);
  for (let i = 0; i < size; i++) order[i] = i;
  return new Random(seed, "epoch order").at(epoch).shuffle(order);
}
