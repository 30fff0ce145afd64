import { expect, it } from "vitest";
import { GraphBuilder } from "../../graph/index.js";
import { lower } from "../index.js";

it("the root of a small tensor's sum of squares is one node, unless the sum is read too", () => {
  const lowered = (elements: number, both: boolean) => {
    const b = new GraphBuilder();
    const [sum] = b.abstract("SumOfSquares", [b.input("x", "float32", [elements])]);
    b.output("norm", b.sqrt(sum!));
    if (both) b.output("twice", b.times(sum!, b.scalar(2)));
    return lower(b.finish("norm"), "cpu").nodes.map(({ op }) => op);
  };
  expect(lowered(100, false)).toEqual(["ReduceL2"]);
  expect(lowered(100, true)).toEqual(expect.arrayContaining(["ReduceSumSquare", "Sqrt", "Mul"]));
  expect(lowered(100_000, false)).toContain("Sqrt");
});
