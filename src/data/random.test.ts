import { describe, expect, it } from "vitest";
import { deriveSeed, epochOrder, murmur3, philox, Random } from "./random.js";

const bytes = (text: string) => new TextEncoder().encode(text);
const hex = (words: Uint32Array) => [...words].map((word) => word.toString(16).padStart(8, "0"));

describe("murmur3", () => {
  // Figures of the reference implementation (SMHasher, MurmurHash3_x86_32).
  it.each([
    ["", 0, 0],
    ["", 1, 0x514e28b7],
    ["hello", 0, 0x248bfa47],
    ["hello, world", 0, 0x149bbb7f],
    ["The quick brown fox jumps over the lazy dog", 0, 0x2e4ff723],
  ])("of %j under seed %i agrees with the reference implementation", (text, seed, expected) => {
    expect(murmur3(bytes(text), seed)).toBe(expected);
  });
});

describe("philox", () => {
  // Known answers of Random123 1.14, examples/kat_vectors, "philox4x32 10".
  it.each([
    [[0, 0, 0, 0], [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
    [[-1, -1, -1, -1], [-1, -1], "408f276d 41c83b0e a20bc7c6 6d5451fd"],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], "d16cfe09 94fdcceb 5001e420 24126ea1"],
  ])("encrypts counter %j under key %j to the known answer", (counter, [key0, key1], expected) => {
    const out = new Uint32Array(4);
    philox(new Uint32Array(counter), key0!, key1!, out);
    expect(hex(out).join(" ")).toBe(expected);
  });
});

describe("deriveSeed", () => {
  it("gives figures that never change", () => {
    expect(deriveSeed(0, "trial", 3)).toBe(2719094236);
    expect(deriveSeed(7, "split", "a")).toBe(1360386476);
  });

  it("tells apart how the same characters and numbers are cut into parts", () => {
    const seeds = [
      deriveSeed("ab", "c"),
      deriveSeed("a", "bc"),
      deriveSeed("abc"),
      deriveSeed(1, 23),
      deriveSeed(12, 3),
      deriveSeed("1", 23),
    ];
    expect(new Set(seeds).size).toBe(seeds.length);
  });

  it("takes 0 and -0 for the same number", () => {
    expect(deriveSeed(-0)).toBe(deriveSeed(0));
  });
});

describe("Random", () => {
  it("draws figures that never change", () => {
    const random = new Random(0, "x").at(1, 2);
    expect([random.uint32(), random.uniform(), random.normal(), random.int(10), random.beta(0.2, 0.2)]).toEqual([
      2850536971, 0.5392592624215317, 0.24919484917531734, 7, 0.6144957746194564,
    ]);
  });

  it("starts a stream anew wherever it was before", () => {
    const random = new Random(3, "again");
    const first = [random.at(5, 6).normal(), random.uniform()];
    random.at(9, 9).normal();
    expect([random.at(5, 6).normal(), random.uniform()]).toEqual(first);
  });

  const draws = 40_000;
  // Standard error of a mean of n draws with deviation s is s / sqrt(n); five of them make a false alarm practically impossible.
  const bound = (deviation: number) => (5 * deviation) / Math.sqrt(draws);
  const mean = (draw: () => number) => {
    let sum = 0;
    for (let i = 0; i < draws; i++) sum += draw();
    return sum / draws;
  };

  it("draws uniform numbers with mean 1/2 and variance 1/12", () => {
    const random = new Random(1, "uniform");
    expect(Math.abs(mean(() => random.uniform()) - 1 / 2)).toBeLessThan(bound(Math.sqrt(1 / 12)));
    expect(Math.abs(mean(() => (random.uniform() - 0.5) ** 2) - 1 / 12)).toBeLessThan(bound(Math.sqrt(1 / 180)));
  });

  it("draws normal numbers with mean 0, variance 1 and fourth moment 3", () => {
    const random = new Random(1, "normal");
    expect(Math.abs(mean(() => random.normal()))).toBeLessThan(bound(1));
    expect(Math.abs(mean(() => random.normal() ** 2) - 1)).toBeLessThan(bound(Math.sqrt(2)));
    expect(Math.abs(mean(() => random.normal() ** 4) - 3)).toBeLessThan(bound(Math.sqrt(96)));
  });

  it.each([0.05, 0.4, 1, 3])("draws Beta(a, a) numbers for a = %f with mean 1/2 and variance 1 / (4 (2a + 1))", (a) => {
    const random = new Random(1, "beta");
    const variance = 1 / (4 * (2 * a + 1));
    expect(Math.abs(mean(() => random.beta(a, a)) - 1 / 2)).toBeLessThan(bound(Math.sqrt(variance)));
    expect(Math.abs(mean(() => (random.beta(a, a) - 0.5) ** 2) - variance)).toBeLessThan(bound(variance));
  });

  it("draws each integer below n equally often", () => {
    const random = new Random(1, "int");
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < draws; i++) counts[random.int(7)]!++;
    for (const count of counts) expect(Math.abs(count / draws - 1 / 7)).toBeLessThan(bound(Math.sqrt(6) / 7));
  });
});

describe("epochOrder", () => {
  it("is a permutation that never changes", () => {
    expect([...epochOrder(0, 0, 8)]).toEqual([3, 0, 4, 5, 6, 7, 1, 2]);
    expect([...epochOrder(0, 1, 8)]).toEqual([7, 0, 3, 1, 5, 4, 2, 6]);
  });

  it("visits every example once", () => {
    expect([...epochOrder(5, 17, 1000)].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });

  it("puts every example in every place equally often", () => {
    const epochs = 6000;
    const counts = new Array<number>(9).fill(0);
    for (let epoch = 0; epoch < epochs; epoch++) {
      epochOrder(2, epoch, 3).forEach((example, place) => {
        counts[place * 3 + example]!++;
      });
    }
    // Binomial with p = 1/3: five standard deviations.
    for (const count of counts) expect(Math.abs(count / epochs - 1 / 3)).toBeLessThan(5 * Math.sqrt(2 / 9 / epochs));
  });
});
