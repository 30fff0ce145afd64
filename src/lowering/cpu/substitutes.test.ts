import { expect, it } from "vitest";
import { GraphBuilder } from "../../graph/index.js";
import { lower } from "../index.js";

/** The shapes that the product of two tensors is computed on. */
function operands(x: readonly number[], y: readonly number[]) {
  const b = new GraphBuilder();
  b.output("z", b.times(b.input("x", "float32", x), b.input("y", "float32", y)));
  return lower(b.finish("product"), "cpu").nodes.map(({ op }) => op);
}

it.each([[[]], [[1]], [[1, 1]]])(
  "a kernel of one position times one number of shape [%s] goes without its last axes",
  (one) => {
    expect(operands([6, 4, 1, 1], one)).toEqual(["Reshape", "Mul", "Reshape"]);
    expect(operands(one, [6, 4, 1, 1])).toEqual(["Reshape", "Mul", "Reshape"]);
  },
);

it.each([
  [[6, 4, 3, 3], [1]],
  [
    [6, 4, 1, 1],
    [6, 1, 1, 1],
  ],
  [[1, 1, 1, 1], [1]],
])("[%s] times [%s] stays", (x, y) => {
  expect(operands(x, y)).toEqual(["Mul"]);
});
