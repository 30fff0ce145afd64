import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bfloat16Bits,
  bfloat16Number,
  float16Bits,
  float16Number,
  fromBfloat16,
  fromFloat16,
  toBfloat16,
  toFloat16,
} from "./float16.js";

const formats = [
  { name: "float16", bits: float16Bits, number: float16Number, infinity: 0x7c00 },
  { name: "bfloat16", bits: bfloat16Bits, number: bfloat16Number, infinity: 0x7f80 },
] as const;

describe.each(formats)("$name", ({ bits, number, infinity }) => {
  it("gives every pattern that is a number back", () => {
    for (let pattern = 0; pattern < 0x10000; pattern++) {
      const value = number(pattern);
      if (Number.isNaN(value)) expect(number(bits(value))).toBeNaN();
      else if (bits(value) !== pattern) expect.fail(`${pattern} became ${bits(value)} through ${value}`);
    }
  });

  it("rounds to the nearest number, ties to the even pattern, over the whole range", () => {
    for (let pattern = 0; pattern < infinity - 1; pattern++) {
      const [below, above] = [number(pattern), number(pattern + 1)];
      const middle = (below + above) / 2;
      const even = pattern % 2 === 0 ? pattern : pattern + 1;
      // 2^-40 of the gap is far below what either format resolves and far above what a double loses at the middle.
      const nudge = (above - below) * 2 ** -40;
      const got = [bits(middle - nudge), bits(middle), bits(middle + nudge), bits(-middle)];
      const expected = [pattern, even, pattern + 1, even | 0x8000];
      if (got.some((value, index) => value !== expected[index]))
        expect.fail(`around ${middle}: ${got}, not ${expected}`);
    }
  });

  it("knows infinity, negative zero and what is too large", () => {
    expect(bits(Number.POSITIVE_INFINITY)).toBe(infinity);
    expect(bits(Number.NEGATIVE_INFINITY)).toBe(infinity | 0x8000);
    expect(bits(-0)).toBe(0x8000);
    expect(number(0x8000)).toBe(-0);
    expect(bits(1e300)).toBe(infinity);
    expect(bits(5e-324)).toBe(0);
    const largest = number(infinity - 1);
    expect(bits(largest + (largest - number(infinity - 2)) / 2)).toBe(infinity);
  });
});

describe("known values", () => {
  it("agrees with IEEE 754's half precision", () => {
    expect([1, -2, 65504, 2 ** -14, 2 ** -24, 1 / 3].map(float16Bits)).toEqual([
      0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x3555,
    ]);
  });

  it("agrees with float32's upper half, rounded, for bfloat16", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true }), (x) => {
        const word = new Uint32Array(Float32Array.of(x).buffer)[0]!;
        // Round to nearest, ties to even, on the float32's own bits.
        expect(bfloat16Bits(x)).toBe(((word + 0x7fff + ((word >>> 16) & 1)) >>> 16) & 0xffff);
      }),
    );
  });

  it("converts whole arrays", () => {
    const numbers = [0, 1, -0.5, 1024];
    expect([...fromFloat16(toFloat16(numbers))]).toEqual(numbers);
    expect([...fromBfloat16(toBfloat16(numbers))]).toEqual(numbers);
  });
});
