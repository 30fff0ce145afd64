import { expect, it } from "vitest";
import { GraphBuilder } from "../graph/index.js";
import { measureNorm, norms } from "../method/index.js";
import { randomTensor, relativeDifference, run, tensor } from "../method/testing/run.js";
import { averageRemainder, movingAverage } from "./index.js";

const [average, weight] = [randomTensor([3, 4], 1), randomTensor([3, 4], 2)];
const mixed = average.data.map((element, index) => 0.9 * element + 0.1 * weight.data[index]!);

async function next(granularity?: "tensor" | "channel") {
  const b = new GraphBuilder();
  const rule = granularity && {
    kind: "fixedNorm" as const,
    norm0: b.constant(measureNorm("w", weight, granularity)),
    granularity,
    channelAxis: 0,
  };
  const [a, w] = [b.input("a", "float32", [3, 4]), b.input("w", "float32", [3, 4])];
  b.output("next", movingAverage(b, a, w, b.scalar(0.1), rule ?? { kind: "plain" }));
  return (await run(b, { a: average, w: weight })).next!;
}

it("moves by 1 - d towards the weight", async () => {
  expect(relativeDifference(await next(), mixed)).toBeLessThan(1e-6);
});

it("keeps the direction of that and the norm of a fixed-norm weight", async () => {
  const factor = norms(weight)[0]! / norms(tensor([3, 4], mixed))[0]!;
  expect(
    relativeDifference(
      await next("tensor"),
      mixed.map((element) => element * factor),
    ),
  ).toBeLessThan(1e-6);
  expect(relativeDifference(norms(tensor([3, 4], await next("channel")), 0), norms(weight, 0))).toBeLessThan(1e-6);
});

it("forgets the start at once and then slows down to its decay", () => {
  expect(averageRemainder(0.999, 0)).toBeCloseTo(0.9, 12);
  expect(averageRemainder(0.999, 90)).toBeCloseTo(0.09, 12);
  expect(averageRemainder(0.999, 1e6)).toBeCloseTo(0.001, 12);
  for (const decay of [0, 1, Number.NaN])
    expect(() => averageRemainder(decay, 0)).toThrow(expect.objectContaining({ code: "ISO_ARGUMENT" }));
});
