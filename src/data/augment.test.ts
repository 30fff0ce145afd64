import { describe, expect, it } from "vitest";
import { augmentationSchema, defaultAugmentation, noAugmentation, recordAugmenter } from "./augment.js";
import type { ImageDescription } from "./dataset.js";
import { Random } from "./random.js";

const grey = (height: number, width: number): ImageDescription => ({ kind: "image", height, width, channels: 1 });
const colour: ImageDescription = { kind: "image", height: 8, width: 6, channels: 3 };

/** The record 0, 1, 2, ... after augmentation, for the examples 0 ... count - 1. */
function varied(settings: Partial<typeof noAugmentation>, image: ImageDescription, count: number, record?: Uint8Array) {
  const augment = recordAugmenter({ ...noAugmentation, ...settings }, image)!;
  const random = new Random(0, "test");
  const length = image.height * image.width * image.channels;
  return Array.from({ length: count }, (_, example) => {
    const out = record ? record.slice() : Uint8Array.from({ length }, (_, i) => i);
    augment(out, 0, random.at(0, example));
    return [...out];
  });
}

describe("recordAugmenter", () => {
  it("is undefined where nothing is asked for", () => {
    expect(recordAugmenter(noAugmentation, colour)).toBeUndefined();
    expect(recordAugmenter({ ...noAugmentation, mixup: 1 }, colour)).toBeUndefined();
  });

  it("flips about half of the pictures, left for right, channels in place", () => {
    const image: ImageDescription = { kind: "image", height: 1, width: 2, channels: 3 };
    const results = varied({ flip: true }, image, 400).map((record) => record.join());
    const flipped = results.filter((result) => result === "3,4,5,0,1,2").length;
    expect(results.filter((result) => result === "0,1,2,3,4,5").length).toBe(400 - flipped);
    // Binomial of 400 with p = 1/2: five standard deviations are 50.
    expect(Math.abs(flipped - 200)).toBeLessThan(50);
  });

  it("moves a picture by every offset within the padding, filling with the mirror image", () => {
    const results = new Set(varied({ crop: 2 }, grey(1, 4), 200).map((record) => record.join()));
    expect(results).toEqual(new Set(["2,1,0,1", "1,0,1,2", "0,1,2,3", "1,2,3,2", "2,3,2,1"]));
  });

  it("fills with zeros where asked to", () => {
    const record = Uint8Array.from([1, 2, 3, 4]);
    const results = new Set(
      varied({ crop: 1, cropFill: "zero" }, grey(2, 2), 300, record).map((moved) => moved.join()),
    );
    expect(results).toEqual(
      new Set(["1,2,3,4", "0,0,1,2", "3,4,0,0", "0,1,0,3", "2,0,4,0", "0,0,0,1", "0,0,2,0", "0,3,0,0", "4,0,0,0"]),
    );
  });

  it("moves a picture further than it is wide without reading outside it", () => {
    for (const record of varied({ crop: 9 }, grey(2, 3), 50)) for (const value of record) expect(value).toBeLessThan(6);
  });

  it("scales brightness by one factor a picture, within its bounds, and clamps", () => {
    for (const [low, high] of varied({ brightness: 0.5 }, grey(1, 2), 100, Uint8Array.from([100, 200]))) {
      expect(low).toBeGreaterThanOrEqual(50);
      expect(low).toBeLessThanOrEqual(150);
      // Each value is rounded on its own, so twice the low one is off by at most 1.5.
      expect(Math.abs(high! - Math.min(255, 2 * low!))).toBeLessThanOrEqual(1.5);
    }
  });

  it("keeps the mean under contrast and the grey under saturation", () => {
    const record = Uint8Array.from({ length: 8 * 6 * 3 }, (_, i) => 80 + ((i * 37) % 90));
    const luma = (values: ArrayLike<number>, at: number) =>
      0.299 * values[at]! + 0.587 * values[at + 1]! + 0.114 * values[at + 2]!;
    const mean = (values: ArrayLike<number>) => {
      let sum = 0;
      for (let i = 0; i < values.length; i += 3) sum += luma(values, i);
      return (sum * 3) / values.length;
    };
    // Rounding moves a value by at most 1/2, and so does it a weighted mean of values; nothing clamps between 80 and 170.
    for (const result of varied({ contrast: 0.5 }, colour, 20, record))
      expect(Math.abs(mean(result) - mean(record))).toBeLessThan(0.5);
    for (const result of varied({ saturation: 0.5 }, colour, 20, record)) {
      for (let i = 0; i < record.length; i += 3)
        expect(Math.abs(luma(result, i) - luma(record, i))).toBeLessThanOrEqual(0.5);
    }
  });

  it("erases a rectangle of 2 to 40 % of the area in the wanted share of the pictures", () => {
    const image = grey(32, 32);
    const record = new Uint8Array(1024).fill(7);
    const results = varied({ erase: 0.25 }, image, 400, record);
    let erased = 0;
    for (const result of results) {
      const changed = result.flatMap((value, i) => (value === 7 ? [] : [i]));
      if (changed.length === 0) continue;
      erased++;
      const rows = changed.map((i) => Math.floor(i / 32));
      const columns = changed.map((i) => i % 32);
      const area = (Math.max(...rows) - Math.min(...rows) + 1) * (Math.max(...columns) - Math.min(...columns) + 1);
      // Rounding of the sides moves the area by less than one row and one column; noise hits the old value once in 256.
      expect(area).toBeLessThanOrEqual(0.4 * 1024 + 64);
      expect(changed.length).toBeGreaterThan(area * 0.8);
    }
    // Binomial of 400 with p = 1/4: five standard deviations are 43.
    expect(Math.abs(erased - 100)).toBeLessThan(43);
  });

  it("touches no other record of the batch", () => {
    const settings = {
      ...noAugmentation,
      flip: true,
      crop: 2,
      erase: 1,
      brightness: 0.5,
      contrast: 0.5,
      saturation: 0.5,
    };
    const augment = recordAugmenter(settings, colour)!;
    const length = 8 * 6 * 3;
    const records = new Uint8Array(3 * length).fill(9);
    augment(records, length, new Random(1, "test").at(0, 0));
    expect([...records.subarray(0, length), ...records.subarray(2 * length)].every((value) => value === 9)).toBe(true);
    expect(records.subarray(length, 2 * length).some((value) => value !== 9)).toBe(true);
  });
});

describe("settings", () => {
  it("refuses what it does not know and what is out of range", () => {
    expect(augmentationSchema.safeParse({ rotate: 5 }).success).toBe(false);
    expect(augmentationSchema.safeParse({ erase: 2 }).success).toBe(false);
    expect(augmentationSchema.safeParse({ crop: 1.5 }).success).toBe(false);
  });

  it("by default vary colour pictures and leave grey ones and tables alone", () => {
    expect(defaultAugmentation({ kind: "image", height: 32, width: 32, channels: 3 })).toMatchObject({
      flip: true,
      crop: 4,
    });
    expect(defaultAugmentation(grey(28, 28))).toEqual(noAugmentation);
    expect(defaultAugmentation({ kind: "table", numeric: ["a"], categorical: [] })).toEqual(noAugmentation);
  });
});
