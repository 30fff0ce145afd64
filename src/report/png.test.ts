import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { encodePng, thumbnail } from "./png.js";

describe("PNG", () => {
  it("decodes to the same pixels in libpng", async () => {
    const images = fc.record({
      width: fc.integer({ min: 1, max: 9 }),
      height: fc.integer({ min: 1, max: 9 }),
      channels: fc.constantFrom(1 as const, 3 as const),
      seed: fc.integer(),
    });
    await fc.assert(
      fc.asyncProperty(images, async ({ width, height, channels, seed }) => {
        const pixels = Uint8Array.from(
          { length: width * height * channels },
          (_, i) => Math.imul(seed + i, 0x9e3779b1) >>> 24,
        );
        const { data, info } = await sharp(encodePng({ width, height, channels, pixels }))
          .raw()
          .toBuffer({ resolveWithObject: true });
        expect([info.width, info.height]).toEqual([width, height]);
        // libvips may hand grey back as three equal channels.
        const samples = Array.from(pixels, (_, i) => data[Math.floor(i / channels) * info.channels + (i % channels)]);
        expect(samples).toEqual([...pixels]);
      }),
      { numRuns: 50 },
    );
  });
});

describe("thumbnail", () => {
  it("averages the pixels that fall into each new one, channel by channel", () => {
    const pixels = Uint8Array.of(0, 10, 20, 30, 100, 110, 120, 130);
    expect(thumbnail({ width: 4, height: 2, channels: 1, pixels }, 2)).toEqual({
      width: 2,
      height: 1,
      channels: 1,
      pixels: Uint8Array.of(55, 75),
    });
    const colours = Uint8Array.of(0, 100, 200, 2, 104, 206);
    expect(thumbnail({ width: 2, height: 1, channels: 3, pixels: colours }, 1).pixels).toEqual(
      Uint8Array.of(1, 102, 203),
    );
  });

  it("leaves a small picture as it is, and keeps at least a pixel of a thin one", () => {
    const image = { width: 3, height: 2, channels: 1 as const, pixels: new Uint8Array(6) };
    expect(thumbnail(image, 64)).toBe(image);
    const thin = thumbnail({ width: 500, height: 1, channels: 1, pixels: new Uint8Array(500).fill(7) }, 64);
    expect([thin.width, thin.height, new Set(thin.pixels)]).toEqual([64, 1, new Set([7])]);
  });

  it("a picture of one colour keeps it at every size", () => {
    const side = fc.integer({ min: 1, max: 90 });
    fc.assert(
      fc.property(side, side, fc.integer({ min: 1, max: 64 }), (width, height, longest) => {
        const small = thumbnail(
          { width, height, channels: 1, pixels: new Uint8Array(width * height).fill(200) },
          longest,
        );
        expect(Math.max(small.width, small.height)).toBeLessThanOrEqual(Math.max(1, longest));
        expect(small.pixels.every((value) => value === 200)).toBe(true);
      }),
    );
  });
});
