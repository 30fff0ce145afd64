import { differentiableOperators } from "../../src/autodiff/index.js";
import { inferableOperators } from "../../src/graph/index.js";
import type { CaseResult, Verdict } from "./check.js";
import { formsLeftOut, leftOut, reasonLeftOut } from "./leftOut.js";

export interface Provenance {
  readonly onnx: string;
  readonly opset: number;
  readonly onnxRuntime: string;
}

type Question = "runs" | "rewritten" | "upgraded" | "inferred" | "gradient";

/**
 * docs/operators.md: totals, a row an operator, what went wrong, and what is left out.
 *
 * @param results - of the suite's models
 * @param own - of examples that the suite lacks
 */
export function operatorsPage(
  results: readonly CaseResult[],
  own: readonly CaseResult[],
  { onnx, opset, onnxRuntime }: Provenance,
): string {
  const groups = byOperator([...results, ...own]);
  const run = own.filter(({ runs }) => runs.kind === "yes");
  const moved = results.flatMap(({ name, gradient }) => (gradient.kind === "yes" && gradient.moved ? [name] : []));
  const rows = [...groups.keys(), ...withoutCases(groups)].sort((a, b) => a.localeCompare(b, "en"));
  return `# Operators

\`npm run operators\` makes this page. It takes the ${results.length} node models of the backend test suite of ONNX ${onnx} (operator sets up to ${opset}), with
their inputs and expected outputs, and ONNX Runtime ${onnxRuntime} on the CPU, which runs ${count(results, "runs").yes} of them. Of these:

- read and written again by isonorm, ${ratio(results, "rewritten")} give the same results to the bit;
- brought to the operator set that isonorm trains in (\`upgrade\`), ${ratio(results, "upgraded")} give the same results within 1e-4;
- of all models, ${ratio(results, "inferred")} have output types as inferred without running them;
- where a model leads from a float32 input to a float32 output, ${ratio(results, "gradient")} have gradients that agree with central differences at up to
  40 coordinates of each input, for each output: within 1e-4 where ONNX Runtime computes the model in float64 too, else within 2e-3, or
  5e-3 with shorter steps. ${moved.length} of them agree at points moved inwards, for their own lie at a kink or at the edge of the domain:
  ${moved.map((name) => name.replace(/^test_/, "")).join(", ")}.

To these come ${own.length} examples of operators and forms that the suite does not have (\`bench/operators/kernelCases.ts\`), of domains ai.onnx, ai.onnx.ml and com.microsoft, with ONNX
Runtime's own results as the expected ones. It has a kernel for ${run.length} of them; of these ${ratio(run, "upgraded")} give the same results after \`upgrade\`, ${ratio(run, "inferred")} have their types inferred and
${ratio(run, "gradient")} the right gradients.

Inputs that decide shapes are made constants first, for isonorm asks that of them. Left out of a ratio is what does not apply: models that ONNX Runtime does not
run, gradients of integers, results that are random or not finite. In the table "3/4" means that it holds for 3 of 4 models; what is missing or wrong stands under
remarks. Rows without models are operators that neither has; isonorm's own tests check them against ONNX Runtime. "rule" says that there is one.

| operator | models | ONNX Runtime runs | read, written | upgraded | types inferred | gradient | remarks |
|---|---:|---:|---:|---:|---:|---:|---|
${rows.map((operator) => row(operator, groups.get(operator) ?? [])).join("\n")}

## Kernels of ONNX Runtime that are left out

What ONNX Runtime's CPU provider runs and isonorm does not know, or knows no gradient of, and why. The script fails where a model that ONNX Runtime runs meets something that is
not listed here. Integer forms of operators above are not listed: integers have no gradient.

| why | operators |
|---|---|
${Object.entries(leftOut)
  .map(([reason, operators]) => `| ${reason} | ${operators.join(", ")} |`)
  .join("\n")}

Of these operators some forms are left out:

| operator | without |
|---|---|
${Object.entries(formsLeftOut)
  .map(([operator, form]) => `| ${operator} | ${form} |`)
  .join("\n")}
`;
}

/** What ONNX Runtime runs and isonorm refuses, for an operator without a reason in `leftOut`. */
export function gaps(results: readonly CaseResult[]): readonly string[] {
  return results.flatMap(({ name, operators, runs, inferred, gradient }) => {
    const refused = [inferred, gradient].find(({ kind }) => kind === "missing");
    if (runs.kind !== "yes" || refused?.kind !== "missing" || operators.length === 0) return [];
    if (operators.some(reasonLeftOut) || /operator set \d+/.test(refused.why)) return [];
    return [`${name} (${operators.join(", ")}): ${brief(refused.why)}`];
  });
}

function row(operator: string, results: readonly CaseResult[]): string {
  if (results.length === 0) {
    const rule = (known: boolean) => (known ? "rule" : "");
    return `| ${[operator, 0, "", "", "", rule(inferable.has(operator)), rule(differentiable.has(operator)), ""].join(" | ")} |`;
  }
  const cells = (["runs", "rewritten", "upgraded", "inferred", "gradient"] as const).map((question) =>
    question === "runs" ? `${count(results, question).yes}/${results.length}` : ratio(results, question),
  );
  return `| ${[operator, results.length, ...cells, remarks(results)].join(" | ")} |`;
}

const inferable = new Set(inferableOperators());
const differentiable = new Set(differentiableOperators());

function withoutCases(groups: ReadonlyMap<string, unknown>): readonly string[] {
  const known = [...new Set([...inferable, ...differentiable])];
  return known.filter((operator) => !groups.has(operator) && !operator.startsWith("isonorm:"));
}

/**
 * By the operator that a case is about: its only node's. A function written out as several nodes ("..._expanded") belongs to the case of the
 * function itself, and what is left to its first node.
 */
function byOperator(results: readonly CaseResult[]): ReadonlyMap<string, readonly CaseResult[]> {
  const single = new Map(
    results.map(({ name, operators }) => [name, operators.length === 1 ? operators[0] : undefined]),
  );
  const groups = new Map<string, CaseResult[]>();
  for (const result of results) {
    const base = result.name.replace(/_expanded$/, "");
    const operator = single.get(base) ?? single.get(result.name) ?? result.operators[0] ?? "(sequences, optionals)";
    const group = groups.get(operator);
    if (group) group.push(result);
    else groups.set(operator, [result]);
  }
  return groups;
}

function count(results: readonly CaseResult[], question: Question): Readonly<Record<Verdict["kind"], number>> {
  const counts = { yes: 0, no: 0, missing: 0, fails: 0 };
  for (const result of results) counts[result[question].kind]++;
  return counts;
}

/** "3/4", without what does not apply; nothing where it applies to none. */
function ratio(results: readonly CaseResult[], question: Question): string {
  const { yes, missing, fails } = count(results, question);
  const all = yes + missing + fails;
  return all === 0 ? "" : `${yes}/${all}`;
}

/** Each reason once: what is wrong in bold, then what is missing, then what ONNX Runtime does not run. */
function remarks(results: readonly CaseResult[]): string {
  const reasons = new Set<string>();
  const questions = ["rewritten", "upgraded", "inferred", "gradient"] as const;
  for (const kind of ["fails", "missing"] as const)
    for (const question of questions)
      for (const { name, [question]: verdict } of results)
        if (verdict.kind === kind)
          reasons.add(kind === "fails" ? `**${name}, ${question}: ${verdict.why}**` : brief(verdict.why));
  for (const { runs } of results) if (runs.kind === "no") reasons.add(brief(runs.why));
  return [...reasons].join("; ").replaceAll("|", "\\|");
}

/** The error's first sentence, without names of nodes and values. */
function brief(why: string): string {
  const plain = why
    .replace(/^the model: /, "")
    .replaceAll(/ \(node [^)]*\)/g, "")
    .replace(/; it received .*/, "")
    .replace(/(?:\(\d+\))? with node name ''/, "")
    .replace(/ lies between a trained weight and the loss and has no gradient rule/, " has no gradient rule")
    .replace(/"[^"]*" (is no tensor)/, "$1")
    .replace(/\/onnxruntime_src\/\S* /, "")
    .split(". ")[0]!;
  return plain.length > 120 ? `${plain.slice(0, 117)}...` : plain;
}
