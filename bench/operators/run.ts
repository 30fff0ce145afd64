import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openSuite } from "./cases.js";
import { type CaseResult, checkCase } from "./check.js";
import { operatorsPage } from "./table.js";

/** Checks every node model of ONNX's backend test suite and writes docs/operators.md; exits with 1 where isonorm is wrong about one. */
const suite = openSuite();
if (!suite) process.exit(1);

const results: CaseResult[] = [];
for (const name of suite.names) results.push(await checkCase(suite.load(name)));

const root = join(import.meta.dirname, "..", "..");
const { version } = JSON.parse(
  readFileSync(join(root, "node_modules", "onnxruntime-node", "package.json"), "utf8"),
) as {
  version: string;
};
const page = operatorsPage(results, { onnx: suite.onnx, opset: suite.opset, onnxRuntime: version });
writeFileSync(join(root, "docs", "operators.md"), page);

let wrong = 0;
for (const { name, ...verdicts } of results)
  for (const [question, verdict] of Object.entries(verdicts))
    if ("kind" in verdict && verdict.kind === "fails") {
      wrong++;
      console.log(`${name}, ${question}: ${verdict.why}`);
    }
console.log(`${results.length} models, ${wrong} wrong; docs/operators.md`);
process.exit(wrong === 0 ? 0 : 1);
