import { describe, expect, it } from "vitest";
import { fromOrder, toOrder } from "./matrixOrder.js";

describe("a matrix in blocks", () => {
  const data = Float32Array.from({ length: 24 }, (_, index) => index);

  it("has the elements of a block's rows, or columns, side by side", () => {
    expect([...toOrder(data, [4, 6], { form: "rows", block: 2 })]).toEqual([
      0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11, 12, 18, 13, 19, 14, 20, 15, 21, 16, 22, 17, 23,
    ]);
    expect([...toOrder(data, [4, 6], { form: "columns", block: 2 })]).toEqual([
      0, 1, 6, 7, 12, 13, 18, 19, 2, 3, 8, 9, 14, 15, 20, 21, 4, 5, 10, 11, 16, 17, 22, 23,
    ]);
  });

  it.each(["rows", "columns"] as const)("comes back from its %s as it was", (form) => {
    const order = { form, block: 2 };
    expect(fromOrder(toOrder(data, [4, 6], order), [4, 6], order)).toEqual(data);
  });
});
