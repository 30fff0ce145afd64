import { describe, expect, it } from "vitest";
import { makeDataset } from "./arrays.js";
import { noAugmentation } from "./augment.js";
import { type BatchSettings, batchSource } from "./batches.js";
import type { Dataset } from "./dataset.js";
import { sequentialBatches } from "./sequential.js";

/** Table rows [i, i + 100] of two classes, the second from row `firstOfB` on. */
function table(size: number, firstOfB: number): Dataset {
  return makeDataset({
    records: Float32Array.from({ length: 2 * size }, (_, i) => (i % 2 === 0 ? i / 2 : (i - 1) / 2 + 100)),
    labels: Array.from({ length: size }, (_, i) => (i < firstOfB ? 0 : 1)),
    classes: ["a", "b"],
    input: { kind: "table", numeric: ["x", "y"], categorical: [] },
  });
}

function images(size: number): Dataset {
  return makeDataset({
    records: Uint8Array.from({ length: size * 12 }, (_, i) => (i * 7) % 256),
    labels: Array.from({ length: size }, (_, i) => i % 3),
    classes: ["a", "b", "c"],
    input: { kind: "image", height: 2, width: 2, channels: 3 },
  });
}

describe("batchSource", () => {
  it("visits each example at most once an epoch and leaves only the rest out", () => {
    const source = batchSource({ dataset: table(23, 10), batchSize: 5, seed: 0 });
    expect(source.batchesPerEpoch).toBe(4);
    const seen = Array.from({ length: 4 }, (_, index) => {
      const { records } = source.batch(0, index);
      return Array.from({ length: 5 }, (_, i) => records[2 * i]!);
    }).flat();
    expect(new Set(seen).size).toBe(20);
  });

  it("keeps records and targets together", () => {
    const { records, targets, count } = batchSource({ dataset: table(40, 15), batchSize: 40, seed: 3 }).batch(2, 0);
    for (let i = 0; i < count; i++) {
      expect([targets[2 * i], targets[2 * i + 1]]).toEqual(records[2 * i]! < 15 ? [1, 0] : [0, 1]);
      expect(records[2 * i + 1]).toBe(records[2 * i]! + 100);
    }
  });

  it("gives the same batch whatever was asked for before, with every augmentation on", () => {
    const augmentation = {
      ...noAugmentation,
      flip: true,
      crop: 1,
      erase: 0.5,
      brightness: 0.3,
      contrast: 0.3,
      saturation: 0.3,
      mixup: 0.4,
    };
    const settings = { dataset: images(50), batchSize: 8, seed: 5, augmentation, labelSmoothing: 0.1 };
    const straight = batchSource(settings);
    for (let index = 0; index < 6; index++) straight.batch(1, index);
    const resumed = batchSource(settings);
    expect(resumed.batch(2, 3)).toEqual(straight.batch(2, 3));
    expect(resumed.batch(0, 1)).toEqual(batchSource(settings).batch(0, 1));
    expect(resumed.batch(2, 3)).not.toEqual(resumed.batch(3, 3));
    expect(resumed.batch(2, 3)).not.toEqual(batchSource({ ...settings, seed: 6 }).batch(2, 3));
  });

  it("does not change the dataset", () => {
    const dataset = images(10);
    const before = new Uint8Array(120);
    dataset.read([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], before);
    batchSource({ dataset, batchSize: 10, seed: 0, augmentation: { ...noAugmentation, erase: 1, mixup: 1 } }).batch(
      0,
      0,
    );
    const after = new Uint8Array(120);
    dataset.read([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], after);
    expect(after).toEqual(before);
  });

  it("smooths labels towards the uniform distribution", () => {
    const { targets } = batchSource({ dataset: images(3), batchSize: 3, seed: 0, labelSmoothing: 0.3 }).batch(0, 0);
    for (let i = 0; i < 3; i++) {
      const row = [...targets.subarray(3 * i, 3 * i + 3)].sort((a, b) => a - b);
      // float32 keeps seven digits.
      expect(row[0]).toBeCloseTo(0.1, 6);
      expect(row[2]).toBeCloseTo(0.8, 6);
    }
  });

  it("weighs classes by inverse frequency with mean 1 over the examples", () => {
    const { targets } = batchSource({ dataset: table(40, 10), batchSize: 40, seed: 0, classWeights: "auto" }).batch(
      0,
      0,
    );
    const sums = [0, 0];
    targets.forEach((value, i) => {
      sums[i % 2]! += value;
    });
    // 10 examples of weight 40 / (2 * 10) and 30 of weight 40 / (2 * 30); float32 sums of 40 terms.
    expect(sums[0]).toBeCloseTo(20, 4);
    expect(sums[1]).toBeCloseTo(20, 4);
  });

  it("scales given weights to mean 1 over the examples and keeps their ratio", () => {
    const { targets } = batchSource({ dataset: table(40, 10), batchSize: 40, seed: 0, classWeights: { a: 6 } }).batch(
      0,
      0,
    );
    const a = Math.max(...targets.filter((_, i) => i % 2 === 0));
    const b = Math.max(...targets.filter((_, i) => i % 2 === 1));
    expect(a / b).toBeCloseTo(6, 5);
    expect((10 * a + 30 * b) / 40).toBeCloseTo(1, 5);
  });

  it("blends records and targets by the same share under mixup", () => {
    const dataset = makeDataset({
      records: Float32Array.from([0, 0, 0, 0, 1, 1, 1, 1]),
      labels: [0, 0, 0, 0, 1, 1, 1, 1],
      classes: ["zero", "one"],
      input: { kind: "table", numeric: ["x"], categorical: [] },
    });
    const { records, targets } = batchSource({
      dataset,
      batchSize: 8,
      seed: 1,
      augmentation: { ...noAugmentation, mixup: 1 },
    }).batch(0, 0);
    // The record is the share of class "one", and so is its target; float32 keeps seven digits.
    for (let i = 0; i < 8; i++) expect(targets[2 * i + 1]).toBeCloseTo(records[i]!, 6);
    expect([...records].some((value) => value > 0.01 && value < 0.99)).toBe(true);
  });

  it("blends neither categories nor missing cells", () => {
    const dataset = makeDataset({
      records: Float32Array.from([Number.NaN, 3, Number.NaN, 3, 2, -1, 2, -1]),
      labels: [0, 0, 1, 1],
      classes: ["a", "b"],
      input: { kind: "table", numeric: ["x"], categorical: [{ name: "c", categories: ["p", "q", "r", "s"] }] },
    });
    const source = batchSource({ dataset, batchSize: 4, seed: 1, augmentation: { ...noAugmentation, mixup: 2 } });
    for (let epoch = 0; epoch < 20; epoch++) {
      const { records } = source.batch(epoch, 0);
      for (let i = 0; i < 4; i++)
        expect([
          [Number.NaN, 3],
          [2, -1],
        ]).toContainEqual([records[2 * i], records[2 * i + 1]]);
    }
  });

  it("takes the whole dataset as the batch where that is smaller, and says so", () => {
    const source = batchSource({ dataset: table(7, 3), batchSize: 64, seed: 0 });
    expect([source.batchSize, source.batchesPerEpoch]).toEqual([7, 1]);
    expect(source.warnings).toEqual(["The training split has 7 examples: the batch size is 7 instead of 64."]);
  });

  it.each<Partial<BatchSettings>>([
    { batchSize: 0 },
    { batchSize: 1.5 },
    { labelSmoothing: 1 },
    { labelSmoothing: Number.NaN },
    { classWeights: { nobody: 1 } },
    { classWeights: { a: 0 } },
  ])("refuses %j", (wrong) => {
    expect(() => batchSource({ dataset: table(7, 3), batchSize: 4, seed: 0, ...wrong })).toThrow(
      expect.objectContaining({ code: "ISO_ARGUMENT" }),
    );
  });
});

describe("sequentialBatches", () => {
  it("gives every record in order, the rest in a smaller batch", () => {
    const seen = [...sequentialBatches(table(7, 3), 3)].map(({ records, first, count }) => [
      first,
      count,
      records.length,
    ]);
    expect(seen).toEqual([
      [0, 3, 6],
      [3, 3, 6],
      [6, 1, 2],
    ]);
    const records = [...sequentialBatches(table(7, 3), 3)].map((batch) => batch.records);
    expect([...records[2]!]).toEqual([6, 106]);
  });
});
