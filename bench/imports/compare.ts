/**
 * Imports torchvision's classifiers and compares every gradient with PyTorch's, and the graph's proof of scale-invariance with the numbers. Writes
 * docs/evidence/imports.md; ends with exit code 1 where a gradient differs or a proof and its numbers disagree.
 *
 *   npx tsx bench/imports/compare.ts [NAME ...]     after /usr/bin/python3 bench/imports/export_torchvision.py
 *
 * Results of single models are kept in bench/imports/.cache; models that are not named come from there.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { InferenceSession } from "onnxruntime-node";
import { inspectModel } from "../../src/inspect/index.js";
import type { Tensor } from "../../src/onnx/index.js";
import { decodeSafetensors } from "../../src/safetensors/index.js";
import { type Comparison, compareGradients, imported, type Verdict, verdictOf } from "./gradients.js";

const cache = "bench/imports/.cache";
const order =
  "resnet18 resnet50 mobilenet_v2 mobilenet_v3_small efficientnet_b0 shufflenet_v2_x0_5 densenet121 densenet121_silu squeezenet1_0 vit_b_16 convnext_tiny regnet_y_400mf";
const forms = ["training", "inference"] as const;

interface Result {
  readonly name: string;
  readonly form: (typeof forms)[number];
  readonly batches: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
  /** Of the gradients that are equal: the largest and the median distance. */
  readonly largest: number;
  readonly median: number;
  readonly differing: readonly string[];
  /** Where float32 does not resolve all gradients: the largest distance of any when every ReLU is on isonorm's side in float64 too. */
  readonly onSides: number | undefined;
  readonly loss: number;
  readonly weights: number;
  readonly scaleInvariant: number;
  readonly agree: number;
  readonly disagreeing: readonly string[];
  readonly withoutNumbers: string | undefined;
  /** Weights of linear maps that are not scale-invariant, by why. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly withoutReason: number;
  /** The largest change of the outputs, and radial component, of the scale-invariant weights. */
  readonly change: number;
  readonly radial: number;
}

async function measure(name: string, form: (typeof forms)[number]): Promise<Result> {
  const folder = `${cache}/${name}`;
  const file = readFileSync(`${folder}/${form}.onnx`);
  const batches = readdirSync(folder)
    .filter((entry) => /^\w+(-\d)?\.safetensors$/.test(entry) && entry.startsWith(form))
    .sort((a, b) => a.length - b.length || a.localeCompare(b));
  const compared: Comparison[][] = [];
  let loss = 0;
  let figures = decodeSafetensors(readFileSync(`${folder}/${batches[0]}`)).tensors;
  const { model } = imported(file, figures.get("classifier")!);
  for (const batch of batches) {
    figures = decodeSafetensors(readFileSync(`${folder}/${batch}`)).tensors;
    const { loss: got, expectedLoss, comparisons } = await compareGradients(file, figures, 2);
    compared.push([...comparisons]);
    loss = Math.max(loss, Math.abs(got - expectedLoss) / expectedLoss);
  }
  // Of several batches the one counts on which the gradient is nearest, next to what float32 may do on any: which activations round across a kink is
  // chance, and an error is on all.
  const best = compared[0]!.map((first, index) => {
    const all = compared.map((list) => list[index]!);
    const nearest = all.reduce((a, b) => (b.distance < a.distance ? b : a), first);
    return { ...nearest, float32: Math.max(...all.map(({ float32 }) => float32)) };
  });
  const verdicts = { equal: 0, zero: 0, rounding: 0, different: 0 };
  for (const comparison of best) verdicts[verdictOf(comparison)]++;
  const unresolved = verdicts.rounding + verdicts.different > 0;
  const onSides = unresolved ? await largestOnSides(name, form, file) : undefined;
  const distances = best.flatMap((c) => (verdictOf(c) === "equal" ? [c.distance] : [])).sort((a, b) => a - b);

  const { weights, withoutNumbers } = await inspectModel(model, (bytes) =>
    InferenceSession.create(bytes, { intraOpNumThreads: 2, logSeverityLevel: 3 }),
  );
  const proved = weights.filter((weight) => weight.scaleInvariant);
  const reasons: Record<string, number> = {};
  for (const { role, scaleInvariant, reason } of weights)
    if (role === "weight" && !scaleInvariant) {
      const words = inGeneral(reason);
      reasons[words] = (reasons[words] ?? 0) + 1;
    }
  return {
    name,
    form,
    batches: batches.length,
    verdicts,
    largest: distances.at(-1) ?? 0,
    median: distances[Math.floor(distances.length / 2)] ?? 0,
    differing: best
      .filter((c) => verdictOf(c) === "different")
      .map((c) => `${c.weight} ${c.distance.toExponential(1)}`),
    onSides,
    loss,
    weights: weights.length,
    scaleInvariant: proved.length,
    agree: weights.filter((weight) => weight.agree === true || weight.numbers === null).length,
    disagreeing: weights.filter(({ agree }) => agree === false).map((weight) => `${weight.name}: ${weight.reason}`),
    withoutNumbers,
    reasons,
    withoutReason: weights.filter((weight) => weight.reason === "").length,
    change: Math.max(0, ...proved.map((weight) => weight.numbers?.outputChange ?? 0)),
    radial: Math.max(0, ...proved.map((weight) => Math.abs(weight.numbers?.radial ?? 0))),
  };
}

/** The largest distance from float64 where that has every ReLU on the side on which isonorm's float32 has it: then no kink is between the two. */
async function largestOnSides(name: string, form: string, file: Uint8Array): Promise<number> {
  const folder = `${cache}/${name}`;
  const figures = decodeSafetensors(readFileSync(`${folder}/${form}.safetensors`)).tensors;
  const { sides } = await compareGradients(file, figures, 2, true);
  writeFileSync(`${folder}/${form}.sides`, encodeBytes(sides));
  const python = process.env.PYTHON ?? "/usr/bin/python3";
  execFileSync(python, ["-W", "ignore", "bench/imports/export_torchvision.py", "--on-sides", name, form]);
  const onSides = decodeSafetensors(readFileSync(`${folder}/${form}-on-sides.safetensors`)).tensors;
  const { comparisons } = await compareGradients(file, onSides, 2, true);
  return Math.max(...comparisons.filter(({ size }) => size >= 1e-12).map(({ distance }) => distance));
}

/** A safetensors file of bytes. */
function encodeBytes(tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  let position = 0;
  const entries = [...tensors].map(([name, { shape, data }]) => {
    const begin = position;
    position += data.length;
    return [name, { dtype: "U8", shape, data_offsets: [begin, position] }];
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, ...[...tensors.values()].map(({ data }) => data as Uint8Array)]);
}

/** A reason without the names of nodes and weights: operators and words stay. */
function inGeneral(reason: string): string {
  return reason
    .replace(/\(([A-Z]\w+) \S+ adds \S+\)/g, "(of $1)")
    .replace(/\b([A-Z]\w+) \/\S+/g, "$1")
    .replace(/with \S+,/g, "with a value,");
}

function read(name: string, form: string): Result | undefined {
  const path = `${cache}/${name}/${form}.json`;
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Result) : undefined;
}

const short = (number: number): string => (number === 0 ? "0" : number.toExponential(0));

function page(results: readonly Result[]): string {
  const total = (of: (result: Result) => number) => results.reduce((sum, result) => sum + of(result), 0);
  const rows = results.map(
    ({ name, form, verdicts, largest, median, onSides, loss, batches }) =>
      `| ${name} | ${form} | ${verdicts.equal + verdicts.zero + verdicts.rounding + verdicts.different} | ${verdicts.equal} | ${verdicts.zero} | ${verdicts.rounding} | ${verdicts.different} | ${short(median)} | ${short(largest)} | ${short(loss)} | ${batches} | ${onSides === undefined ? "" : short(onSides)} |`,
  );
  const proofs = results.map(
    ({ name, form, weights, scaleInvariant, agree, change, radial }) =>
      `| ${name} | ${form} | ${weights} | ${scaleInvariant} | ${agree} | ${weights - agree} | ${short(change)} | ${short(radial)} |`,
  );
  const reasons = results.flatMap(({ name, form, reasons }) =>
    Object.entries(reasons).map(([reason, count]) => `| ${name} | ${form} | ${count} | ${reason} |`),
  );
  const sum = {
    gradients: total(({ verdicts: v }) => v.equal + v.zero + v.rounding + v.different),
    equal: total(({ verdicts }) => verdicts.equal),
    zero: total(({ verdicts }) => verdicts.zero),
    rounding: total(({ verdicts }) => verdicts.rounding),
    different: total(({ verdicts }) => verdicts.different),
    weights: total(({ weights }) => weights),
    proved: total(({ scaleInvariant }) => scaleInvariant),
    agree: total(({ agree }) => agree),
  };
  return `# Imported classifiers against PyTorch

torchvision's classifiers, exported to ONNX by PyTorch in two forms, imported, their classifier replaced by a scale-invariant linear layer with 10 classes.
Made by \`npm run bench:imports\` (\`bench/imports/\`); PyTorch 1.13 and torchvision 0.14.

- \`training\`: exported in training form, operator set 14: every weight by its name, batch normalisation a node.
- \`inference\`: PyTorch's default, operator set 17: batch normalisation is folded into the convolution before it, so that a bias takes its place. What was
  normalised no longer is: in these files few weights besides the classifier are scale-invariant, and rightly so.

## Gradients

Of one batch, in training form (batch normalisation on the batch's statistics), against float64: torchvision's own module, or PyTorch running the folded
graph. *equal*: ||g - g64|| / ||g64|| is at most 1e-3. *zero*: the gradient is 0 by mathematics (a bias that the next normalisation subtracts again; float64
has 1e-17 of the largest) and isonorm's is rounding. *rounding*: more than 1e-3, and PyTorch's own float32 is as far from its float64, so that float32 does not
resolve it. *median* and *largest* distance are those of the equal ones; *loss* is the relative difference of the losses. A ReLU whose input
float32 rounds across 0 changes whole gradients by a percent: the batches are those of six on which PyTorch's float32 comes closest to its
float64. Of several *batches* (DenseNet, with 120 ReLUs in a row, of which hardly a batch leaves every computation on the same side) a weight's nearest counts,
next to the worst of PyTorch's float32: what rounds across is chance, an error would be on all.

Where that leaves gradients open, *on sides* is the double check: the largest distance of any gradient of the network, on the first batch, from float64 with every ReLU on
the side on which isonorm's float32 has it, so that no kink is between the two. \`densenet121_silu\` is the same network with SiLU for ReLU, so without kinks at all.

| model | form | gradients | equal | zero | rounding | different | median | largest | loss | batches | on sides |
|---|---|---|---|---|---|---|---|---|---|---|---|
${rows.join("\n")}
| all | | ${sum.gradients} | ${sum.equal} | ${sum.zero} | ${sum.rounding} | ${sum.different} | | | | | |

## Scale-invariance

Weights are all trained tensors. *proved*: scale-invariant by the graph. *agree*: the numbers (outputs with 2W against W, and <W, dW> / (||W|| ||dW||)) say the same;
*change* and *radial* are the largest of the proved ones.

| model | form | weights | proved | agree | disagree | change | radial |
|---|---|---|---|---|---|---|---|
${proofs.join("\n")}
| all | | ${sum.weights} | ${sum.proved} | ${sum.agree} | ${sum.weights - sum.agree} | | |

## Why weights are not scale-invariant

Weights of convolutions and linear layers alone, by the reason in words that each has, with the names left out.

| model | form | weights | reason |
|---|---|---|---|
${reasons.join("\n")}
`;
}

async function main(): Promise<void> {
  const names = order.split(" ");
  const asked = process.argv.slice(2);
  const results: Result[] = [];
  for (const name of names)
    for (const form of forms) {
      const kept = asked.length > 0 && !asked.includes(name) ? read(name, form) : undefined;
      if (!kept && !existsSync(`${cache}/${name}/${form}.safetensors`)) {
        console.error(`${name} ${form}: no export; run export_torchvision.py first`);
        process.exitCode = 1;
        continue;
      }
      const result = kept ?? (await measure(name, form));
      writeFileSync(`${cache}/${name}/${form}.json`, JSON.stringify(result));
      results.push(result);
      const { verdicts, differing, disagreeing, withoutNumbers, withoutReason } = result;
      console.log(
        `${name} ${form}: gradients ${JSON.stringify(verdicts)}, ${result.scaleInvariant} of ${result.weights} weights scale-invariant, ${result.agree} agree`,
      );
      for (const line of [...differing, ...disagreeing]) console.log(`  ${line}`);
      if (withoutNumbers) console.log(`  ${withoutNumbers}`);
      const open = differing.length > 0 && !(result.onSides !== undefined && result.onSides <= 1e-3);
      if (result.onSides !== undefined)
        console.log(`  on isonorm's side of every kink: largest distance ${short(result.onSides)}`);
      if (open || disagreeing.length + withoutReason > 0 || withoutNumbers) process.exitCode = 1;
    }
  writeFileSync("docs/evidence/imports.md", page(results));
}

await main();
