import { describe, expect, it } from "vitest";
import { cellNumber, isMissing } from "./cell.js";

describe("cellNumber", () => {
  it.each([
    ["5", 5],
    ["-0.25", -0.25],
    ["+3.", 3],
    [".5", 0.5],
    ["1e-3", Math.fround(0.001)],
    ["007", 7],
    ["0e5", 0],
  ])("reads %j as %d", (cell, expected) => {
    expect(cellNumber(cell)).toBe(expected);
  });

  it.each(["0x1F", "0b1", "0o7", "1,5", "1_000", "five", "1 2", "--1", "true"])("takes %j for text", (cell) => {
    expect(cellNumber(cell)).toBeNaN();
  });

  it.each(["NaN", "nan", "inf", "-Infinity", "1e39", "-1e999", Number.NaN])(
    "tells that %j is no number to learn from",
    (cell) => {
      expect(Math.abs(cellNumber(cell))).toBe(Number.POSITIVE_INFINITY);
    },
  );
});

describe("isMissing", () => {
  it("knows how tables write that a value is not known", () => {
    for (const cell of ["", "NA", "N/A", "?", "null", "NULL", null]) expect(isMissing(cell)).toBe(true);
    for (const cell of ["0", "none", "Na", "nan", 0]) expect(isMissing(cell)).toBe(false);
  });
});
