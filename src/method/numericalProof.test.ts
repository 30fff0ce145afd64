import { expect, it } from "vitest";
import { radialComponent, relativeOutputChange } from "./index.js";

it("the change of an output is relative to the larger of the two", () => {
  expect(relativeOutputChange(Float32Array.of(3, 4), Float32Array.of(3, 4))).toBe(0);
  expect(relativeOutputChange(Float32Array.of(3, 4), Float32Array.of(6, 8))).toBe(0.5);
  expect(relativeOutputChange(Float32Array.of(6, 8), Float32Array.of(3, 4))).toBe(0.5);
  expect(relativeOutputChange(Float32Array.of(0), Float32Array.of(0))).toBe(0);
  expect(relativeOutputChange(Float32Array.of(Number.NaN), Float32Array.of(1))).toBeNaN();
});

it("the radial component is the cosine between weight and gradient", () => {
  expect(radialComponent(Float32Array.of(1, 0), Float32Array.of(0, 5))).toBe(0);
  expect(radialComponent(Float32Array.of(2, 2), Float32Array.of(-1, -1))).toBeCloseTo(-1, 12);
  expect(radialComponent(Float32Array.of(0, 0), Float32Array.of(1, 1))).toBe(0);
  expect(radialComponent(Float32Array.of(1e30, 0), Float32Array.of(1e30, 1e30))).toBeCloseTo(Math.SQRT1_2, 7);
});

it("arrays of different lengths are not compared", () => {
  expect(() => radialComponent(Float32Array.of(1), Float32Array.of(1, 2))).toThrow("1 and 2 elements");
});
