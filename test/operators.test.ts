import { describe, expect, it } from "vitest";
import { attentionExamples } from "../bench/operators/attentionCases.js";
import { openSuite } from "../bench/operators/cases.js";
import { type CaseResult, checkCase } from "../bench/operators/check.js";
import { examples, kernelCase } from "../bench/operators/kernelCases.js";
import { gaps } from "../bench/operators/table.js";

/** Every fifth node model, so that it takes seconds; `npm run operators` checks all and writes docs/operators.md. */
const stride = 5;

const suite = openSuite();
const title = "node models of ONNX's backend test suite";

function wrong(results: readonly CaseResult[]): readonly string[] {
  return results.flatMap(({ name, ...verdicts }) =>
    Object.entries(verdicts).flatMap(([question, verdict]) =>
      "kind" in verdict && verdict.kind === "fails" ? [`${name}, ${question}: ${verdict.why}`] : [],
    ),
  );
}

it("operators that the suite lacks do in isonorm what they do in ONNX Runtime, or are left out for a reason", async () => {
  const results: CaseResult[] = [];
  for (const example of [...examples, ...attentionExamples]) results.push(await checkCase(kernelCase(example)));
  expect(wrong(results)).toEqual([]);
  expect(gaps(results)).toEqual([]);
  const run = results.filter(({ runs }) => runs.kind === "yes");
  expect(run.length).toBeGreaterThan(75);
  expect(run.filter(({ gradient }) => gradient.kind === "yes").length).toBeGreaterThan(50);
});

describe.skipIf(!suite)(
  suite ? title : `${title}: skipped, no Python with the onnx package (Debian: python3-onnx)`,
  () => {
    it("are read, written, upgraded, typed and differentiated right, or refused by name", async () => {
      const results: CaseResult[] = [];
      for (const name of suite!.names.filter((_, index) => index % stride === 0))
        results.push(await checkCase(suite!.load(name)));
      expect(wrong(results)).toEqual([]);
      expect(gaps(results)).toEqual([]);
      // So that "refused" cannot come to be the answer to everything.
      const right = (question: "rewritten" | "upgraded" | "inferred" | "gradient") =>
        results.filter(({ [question]: { kind } }) => kind === "yes").length / results.length;
      expect(right("rewritten")).toBeGreaterThan(0.9);
      expect(right("upgraded")).toBeGreaterThan(0.75);
      expect(right("inferred")).toBeGreaterThan(0.75);
      expect(right("gradient")).toBeGreaterThan(0.5);
    });
  },
);
