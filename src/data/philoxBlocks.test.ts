import { afterEach, describe, expect, it, vi } from "vitest";
import { philoxBlocks } from "./philoxBlocks.js";
import { philox, Random } from "./random.js";

/** The blocks one by one, as `philox` has them. */
function oneByOne(count: number, counter: readonly number[], key0: number, key1: number): Uint32Array {
  const words = new Uint32Array(4 * count);
  let at = (BigInt(counter[1]!) << 32n) + BigInt(counter[0]!);
  for (let block = 0; block < count; block++, at++) {
    const present = new Uint32Array([Number(at & 0xffffffffn), Number((at >> 32n) & 0xffffffffn), ...counter.slice(2)]);
    philox(present, key0, key1, words.subarray(4 * block));
  }
  return words;
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

describe("blocks in a row", () => {
  it.each([
    ["from 0", 64, [0, 0, 0, 0], 0, 0],
    ["under the largest key", 64, [0, 0, 7, 9], 0xffffffff, 0xffffffff],
    ["with a carry", 16, [0xfffffff8, 5, 1, 2], 0xa4093822, 0x299f31d0],
    ["around the end of a stream", 16, [0xfffffff8, 0xffffffff, 1, 2], 3, 4],
    ["a page of them", 4096, [123456789, 987654321, 0x13198a2e, 0x03707344], 0xa4093822, 0x299f31d0],
  ])("are the same as one by one: %s", (_, count, counter, key0, key1) => {
    const blocks = philoxBlocks();
    expect(blocks).not.toBeNull();
    expect(blocks!(count, new Uint32Array(counter), key0, key1)).toEqual(oneByOne(count, counter, key0, key1));
  });

  it("make the same stream as where there is no WebAssembly", async () => {
    const draw = (random: Random): readonly number[] => {
      const drawn: number[] = [];
      // Single numbers between pairs, so that a pair does not always begin a block.
      for (let index = 0; index < 500; index++)
        drawn.push(random.normal(), random.uint32(), random.int(10), random.normal());
      return [...drawn, random.at(3, 4).uniform()];
    };
    vi.stubGlobal("WebAssembly", undefined);
    vi.resetModules();
    const without = await import("./random.js");
    expect((await import("./philoxBlocks.js")).philoxBlocks()).toBeNull();
    expect(draw(new without.Random(7, "stream").at(1, 2))).toEqual(draw(new Random(7, "stream").at(1, 2)));
  });

  it("do not mix streams that draw by turns", () => {
    const [a, b] = [new Random(1, "a"), new Random(1, "b")];
    const mixed = Array.from({ length: 1000 }, () => [a.uint32(), b.uint32()]);
    const alone = ["a", "b"].map((name) => {
      const random = new Random(1, name);
      return Array.from({ length: 1000 }, () => random.uint32());
    });
    expect(mixed).toEqual(alone[0]!.map((number, index) => [number, alone[1]![index]]));
  });
});
