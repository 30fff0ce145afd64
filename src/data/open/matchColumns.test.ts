import { expect, test } from "vitest";
import type { TableDescription } from "../dataset.js";
import { matchColumns } from "./matchColumns.js";

const table = (numeric: string[], categorical: string[] = []): TableDescription => ({
  kind: "table",
  numeric,
  categorical: categorical.map((name) => ({ name, categories: ["x"] })),
});
const named = (...columns: string[]) => ({ columns, header: true });
const unnamed = (count: number) => ({ columns: Array.from({ length: count }, (_, i) => `c${i}`), header: false });

test("columns are found by name, wherever they stand", () => {
  const found = matchColumns("t.csv", named("kind", "b", "other", "a"), table(["a", "b"], ["kind"]), undefined);
  expect(found).toEqual(["a", "b", "kind"]);
});

test("a table without a header gives its columns by position, the label left out", () => {
  expect(matchColumns("t.csv", unnamed(2), table(["a", "b"]), undefined)).toEqual(["c0", "c1"]);
  expect(matchColumns("t.csv", unnamed(3), table(["a", "b"]), "c0")).toEqual(["c1", "c2"]);
});

test("a classifier that was trained without a header takes named columns by position", () => {
  // Trained on columns 0 to 2, of which 1 was the categorical one; the label came last.
  expect(matchColumns("t.csv", named("p", "q", "r", "label"), table(["c0", "c2"], ["c1"]), "label")).toEqual([
    "p",
    "r",
    "q",
  ]);
});

test("a label that stood before the features is missed neither with a header nor without", () => {
  // Trained with the label in c0; for prediction the table lacks it, and every column stands one further left.
  expect(matchColumns("t.csv", unnamed(3), table(["c1", "c2", "c3"]), undefined)).toEqual(["c0", "c1", "c2"]);
});

test("columns beyond those of training are ignored where positions say which are meant", () => {
  expect(matchColumns("t.csv", named("p", "q", "r", "s"), table(["c0", "c2"]), undefined)).toEqual(["p", "r"]);
});

test.each([
  [named("a", "x"), table(["a", "b"]), "no column b"],
  // Which of the two is the category cannot be told.
  [unnamed(2), table(["a"], ["kind"]), "no column a, kind"],
  [unnamed(4), table(["a", "b"]), "4 columns"],
  [named("p"), table(["c0", "c1"]), "no column c0, c1"],
])("%j does not fit %j", (reader, input, words) => {
  expect(() => matchColumns("t.csv", reader, input, undefined)).toThrow(
    expect.objectContaining({ code: "ISO_DATA_FORMAT" }),
  );
  expect(() => matchColumns("t.csv", reader, input, undefined)).toThrow(words);
});
