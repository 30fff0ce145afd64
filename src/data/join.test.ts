import fc from "fast-check";
import { expect, test } from "vitest";
import { makeDataset } from "./arrays.js";
import { joinDatasets } from "./join.js";

const part = (name: string, first: number, size: number) =>
  makeDataset({
    records: Float32Array.from({ length: 2 * size }, (_, i) => first + i),
    labels: Array.from({ length: size }, (_, i) => i % 2),
    classes: ["even", "odd"],
    input: { kind: "table", numeric: ["a", "b"], categorical: [] },
    source: (example) => `${name} ${example}`,
  });

test("joined datasets read as one, in any order", () => {
  const joined = joinDatasets([part("one", 0, 3), part("two", 100, 1), part("three", 200, 4)]);
  expect(joined.size).toBe(8);
  expect([...joined.labels]).toEqual([0, 1, 0, 0, 0, 1, 0, 1]);
  expect([2, 3, 4].map((example) => joined.source(example))).toEqual(["one 2", "two 0", "three 0"]);
  const firsts = [0, 2, 4, 100, 200, 202, 204, 206];
  fc.assert(
    fc.property(fc.array(fc.nat(7)), fc.nat(3), (examples, offset) => {
      const into = new Float32Array(offset + 2 * examples.length);
      joined.read(examples, into, offset);
      const wanted = examples.flatMap((example) => [firsts[example]!, firsts[example]! + 1]);
      expect([...into]).toEqual([...new Array(offset).fill(0), ...wanted]);
    }),
  );
});

test("closing it closes every part", () => {
  const closed: string[] = [];
  const closing = (name: string) => ({ ...part(name, 0, 1), close: () => closed.push(name) });
  joinDatasets([closing("one"), closing("two")]).close();
  expect(closed).toEqual(["one", "two"]);
});
