import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countClasses, sortClassNames, stratify } from "./splits.js";

describe("sortClassNames", () => {
  it("orders numbers by value", () => {
    expect(sortClassNames(["10", "9", "1", "9"])).toEqual(["1", "9", "10"]);
  });

  it("orders words by code unit, whatever the locale", () => {
    expect(sortClassNames(["b", "a", "B", "10", "ä"])).toEqual(["10", "B", "a", "b", "ä"]);
  });
});

describe("stratify", () => {
  it("gives each split its share of each class", () => {
    const labels = Int32Array.from({ length: 1000 }, (_, i) => (i % 10 < 3 ? 0 : 1));
    const { train, validation, test } = stratify(labels, ["a", "b"], { validation: 0.1, test: 0.2 }, 0);
    const of = (split: Uint32Array) => [
      ...countClasses(
        split.map((example) => labels[example]!),
        2,
      ),
    ];
    expect(of(test)).toEqual([60, 140]);
    expect(of(validation)).toEqual([24, 56]);
    expect(of(train)).toEqual([216, 504]);
  });

  it("puts every example into exactly one split and every class into training and validation", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 2, max: 30 }), { minLength: 2, maxLength: 6 }),
        fc.double({ min: 0.001, max: 0.999, noNaN: true }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.nat(),
        (sizes, validation, test, seed) => {
          const labels = sizes.flatMap((size, label) => new Array<number>(size).fill(label));
          const classes = sizes.map((_, label) => `class ${label}`);
          const parts = stratify(labels, classes, { validation, test }, seed);
          const all = [...parts.train, ...parts.validation, ...parts.test].sort((a, b) => a - b);
          expect(all).toEqual(labels.map((_, example) => example));
          for (const split of [parts.train, parts.validation]) {
            expect(new Set([...split].map((example) => labels[example])).size).toBe(sizes.length);
          }
        },
      ),
    );
  });

  it("depends on the seed and on nothing else", () => {
    const labels = Int32Array.from({ length: 100 }, (_, i) => i % 2);
    const split = (seed: number) => [...stratify(labels, ["a", "b"], { validation: 0.2, test: 0 }, seed).validation];
    expect(split(1)).toEqual(split(1));
    expect(split(1)).not.toEqual(split(2));
  });

  it("refuses a single class", () => {
    expect(() => stratify([0, 0], ["only"], { validation: 0.1, test: 0 }, 0)).toThrow(
      expect.objectContaining({ code: "ISO_DATA_ONE_CLASS", message: expect.stringContaining('"only"') }),
    );
  });

  it("refuses a class with one example, by name", () => {
    expect(() => stratify([0, 0, 1], ["many", "rare"], { validation: 0.1, test: 0 }, 0)).toThrow(
      expect.objectContaining({ code: "ISO_DATA_CLASS_TOO_SMALL", message: expect.stringContaining('"rare"') }),
    );
  });

  it("lets a class with one example pass where validation is given", () => {
    const { train } = stratify([0, 0, 1], ["many", "rare"], { validation: undefined, test: 0 }, 0);
    expect([...train]).toEqual([0, 1, 2]);
  });
});
