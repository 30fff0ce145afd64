import { expect, it } from "vitest";
import { GraphBuilder, type Value } from "../../graph/index.js";
import { int } from "../../onnx/types.js";
import { lower } from "../index.js";
import { irregular, runGraph } from "../testing/runAbstract.js";

const [dy, x, m] = [irregular([6, 4], 1), irregular([6, 5], 2), irregular([4, 5], 3)];
const feeds = new Map([
  ["dy", dy],
  ["x", x],
  ["m", m],
]);

function gradientOf(b: GraphBuilder): { gradient: Value; momentum: Value } {
  const gradient = b.op("Gemm", [b.input("dy", "float32", [6, 4]), b.input("x", "float32", [6, 5])], {
    transA: int(1),
  });
  return { gradient, momentum: b.input("m", "float32", [4, 5]) };
}

/** mu m + dy^T x, in float64 */
function expected(mu: number): number[] {
  return Array.from({ length: 20 }, (_, index) => {
    const [row, column] = [Math.floor(index / 5), index % 5];
    let sum = mu * (m.data[index] as number);
    for (let example = 0; example < 6; example++)
      sum += (dy.data[example * 4 + row] as number) * (x.data[example * 5 + column] as number);
    return sum;
  });
}

const orders: readonly (readonly [string, (b: GraphBuilder, scaled: Value, gradient: Value) => Value])[] = [
  ["scaled matrix first", (b, scaled, gradient) => b.plus(scaled, gradient)],
  ["gradient first", (b, scaled, gradient) => b.plus(gradient, scaled)],
];

it.each(orders)("a momentum of a product's gradient is one product, %s", async (_, sum) => {
  const b = new GraphBuilder();
  const { gradient, momentum } = gradientOf(b);
  b.output("next", sum(b, b.times(b.scalar(0.9), momentum), gradient));
  const lowered = lower(b.finish("momentum"), "cpu");
  expect(lowered.nodes.map(({ op }) => op)).toEqual(["Gemm"]);
  const next = (await runGraph(lowered, feeds)).get("next") as Float32Array;
  for (const [index, value] of expected(0.9).entries()) expect(next[index]).toBeCloseTo(value, 5);
});

it.each(orders)("what is taken away from the gradient is taken away from the momentum, %s", async (_, sum) => {
  const b = new GraphBuilder();
  const { gradient, momentum } = gradientOf(b);
  const rest = irregular([4, 5], 4);
  const remaining = b.minus(gradient, b.input("rest", "float32", [4, 5]));
  b.output("next", sum(b, b.times(b.scalar(0.9), momentum), remaining));
  const lowered = lower(b.finish("momentum"), "cpu");
  expect(lowered.nodes.map(({ op }) => op)).toEqual(["Gemm", "Sub"]);
  const next = (await runGraph(lowered, new Map([...feeds, ["rest", rest]]))).get("next") as Float32Array;
  for (const [index, value] of expected(0.9).entries())
    expect(next[index]).toBeCloseTo(value - (rest.data[index] as number), 5);
});

it("what is read elsewhere, or scaled by what is not constant, stays a sum", () => {
  const nesterov = new GraphBuilder();
  const one = gradientOf(nesterov);
  nesterov.output("next", nesterov.plus(nesterov.times(nesterov.scalar(0.9), one.momentum), one.gradient));
  nesterov.output("again", nesterov.relu(one.gradient));
  expect(lower(nesterov.finish("read twice"), "cpu").nodes.map(({ op }) => op)).toContain("Add");

  const varying = new GraphBuilder();
  const two = gradientOf(varying);
  const mu = varying.input("mu", "float32", []);
  varying.output("next", varying.plus(varying.times(mu, two.momentum), two.gradient));
  expect(lower(varying.finish("not constant"), "cpu").nodes.map(({ op }) => op)).toContain("Add");

  const reversed = new GraphBuilder();
  const three = gradientOf(reversed);
  const difference = reversed.minus(three.momentum, three.gradient);
  reversed.output("next", reversed.plus(reversed.times(reversed.scalar(0.9), three.momentum), difference));
  expect(lower(reversed.finish("taken away itself"), "cpu").nodes.map(({ op }) => op)).toContain("Add");
});
