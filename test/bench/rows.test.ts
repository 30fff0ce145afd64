import { expect, it } from "vitest";
import type { Row } from "../../bench/step/measure.js";
import { rowsAsMarkdown, rowsAsText } from "../../bench/step/rows.js";

const row: Row = {
  workload: "mlp",
  compileSeconds: 0.25,
  firstStepSeconds: 0.3,
  nodes: 200,
  milliseconds: 20,
  examplesPerSecond: 12_800,
  peakMemoryBytes: 300 * 2 ** 20,
  gigaOperations: 2.5,
  gflops: 125,
  ceilingGflops: 250,
  timesLimit: 2,
};
const peer = { name: "jax-js", milliseconds: 100, ratio: 5, quarters: [4.5, 5.5], peakMemoryBytes: 2 ** 28 } as const;

it("prints a line a workload, with a peer's columns where any has one", () => {
  const [header, first, second] = rowsAsText([row, { ...row, workload: "digits", peer }]).split("\n");
  expect(header).toMatch(/jax-js ratio +jax-js \(quarters\) +jax-js ms/);
  expect(first).toMatch(/^mlp +20\.0 +12800 +0\.25 +0\.30 +300 +2\.50 +125 +250 +2\.00$/);
  expect(second).toMatch(/^digits .* 5\.00 +4\.50 to 5\.50 +100\.0 +256$/);
});

it("prints the same as Markdown", () => {
  const lines = rowsAsMarkdown([row]).split("\n");
  expect(lines[0]).toContain("| times limit |");
  expect(lines[1]).toMatch(/^\| --- \| (---: \| )*---: \|$/);
  expect(lines[2]).toMatch(/\| 2\.00 \|$/);
});
