import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  defaultSpace,
  elrShift,
  fromAxis,
  parameterNames,
  parseSpace,
  pointAt,
  searchedParameters,
  toAxis,
} from "./space.js";

const base = { scale: 8, momentum: 0.9, batchSize: 64, labelSmoothing: 0, lr: 0.05 };
const everything = defaultSpace(base, ["scale", "momentum", "batchSize", "labelSmoothing", "lr"]);

describe("the search space", () => {
  it("holds the ELR alone unless more is asked for", () => {
    expect(searchedParameters(defaultSpace(base))).toEqual(["elr"]);
    expect(defaultSpace(base).elr).toEqual({ low: 2 ** -15.5, base: 2 ** -8.5, high: 2 ** -1.5 });
    expect(searchedParameters(everything)).toEqual(parameterNames);
  });

  it("spans every range from its low end to its high end", () => {
    const low = pointAt(everything, [0, 0, 0, 0, 0, 0]);
    const high = pointAt(everything, [1, 1, 1, 1, 1, 1]);
    for (const name of parameterNames) {
      expect(low[name]).toBeCloseTo(everything[name]!.low, 10);
      expect(high[name]).toBeCloseTo(everything[name]!.high, 8);
    }
  });

  it("takes equal steps in log2 of rates and in the memory that momentum has", () => {
    expect(toAxis("momentum", 0.9) - toAxis("momentum", 0.8)).toBeCloseTo(1, 12);
    expect(toAxis("elr", 0.5)).toBe(-1);
    fc.assert(
      fc.property(
        fc.constantFrom("elr", "scale", "momentum", "lr", "labelSmoothing"),
        fc.double({ min: 0.01, max: 0.98, noNaN: true }),
        (name, value) => {
          expect(fromAxis(name, toAxis(name, value))).toBeCloseTo(value, 12);
        },
      ),
    );
    expect(fromAxis("batchSize", Math.log2(48.4))).toBe(48);
  });

  it("moves the ELR so that ELR S / ((1 - momentum) B) stays for SGD, and by sqrt(B) alone for the angular rule", () => {
    expect(elrShift(everything, { scale: 32 }, "sgd")).toBeCloseTo(-2, 12);
    expect(elrShift(everything, { momentum: 0.95 }, "sgd")).toBeCloseTo(-1, 12);
    expect(elrShift(everything, { batchSize: 256, scale: 16 }, "sgd")).toBeCloseTo(1, 12);
    expect(elrShift(everything, { labelSmoothing: 0.1, lr: 0.2 }, "sgd")).toBe(0);
    expect(elrShift(everything, { scale: 32, momentum: 0.5, batchSize: 256 }, "angular")).toBeCloseTo(1, 12);
  });

  it.each([
    ["a rate of 0", { elr: { low: 0, base: 1, high: 2 } }, "elr"],
    ["an upside-down range", { elr: { low: 2, base: 1, high: 3 } }, "elr"],
    ["a momentum of 1", { elr: everything.elr, momentum: { low: 0.5, base: 0.9, high: 1 } }, "momentum"],
    ["an unknown parameter", { elr: everything.elr, weightDecay: everything.elr }, "weightDecay"],
  ])("refuses %s by name", (_, space, name) => {
    expect(() => parseSpace(space)).toThrow(
      expect.objectContaining({ code: "ISO_ARGUMENT", message: expect.stringContaining(name) }),
    );
  });
});
