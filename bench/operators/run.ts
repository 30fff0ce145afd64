import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { attentionExamples } from "./attentionCases.js";
import { openSuite } from "./cases.js";
import { type CaseResult, checkCase } from "./check.js";
import { examples, kernelCase } from "./kernelCases.js";
import { gaps, operatorsPage } from "./table.js";

/**
 * Checks every node model of ONNX's backend test suite, and an example of each operator that the suite does not have, and writes docs/operators.md; exits with 1
 * where isonorm is wrong about one, or lacks without a reason given what ONNX Runtime runs.
 */
const suite = openSuite();
if (!suite) process.exit(1);

const results: CaseResult[] = [];
for (const name of suite.names) results.push(await checkCase(suite.load(name)));
const own: CaseResult[] = [];
for (const example of [...examples, ...attentionExamples]) own.push(await checkCase(kernelCase(example)));

const root = join(import.meta.dirname, "..", "..");
const { version } = JSON.parse(
  readFileSync(join(root, "node_modules", "onnxruntime-node", "package.json"), "utf8"),
) as {
  version: string;
};
const page = operatorsPage(results, own, { onnx: suite.onnx, opset: suite.opset, onnxRuntime: version });
writeFileSync(join(root, "docs", "operators.md"), page);

let wrong = 0;
for (const { name, ...verdicts } of [...results, ...own])
  for (const [question, verdict] of Object.entries(verdicts))
    if ("kind" in verdict && verdict.kind === "fails") {
      wrong++;
      console.log(`${name}, ${question}: ${verdict.why}`);
    }
const lacking = gaps([...results, ...own]);
for (const gap of lacking) console.log(`left out without a reason: ${gap}`);
console.log(`${results.length + own.length} models, ${wrong} wrong; docs/operators.md`);
process.exit(wrong + lacking.length === 0 ? 0 : 1);
