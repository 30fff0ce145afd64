/**
 * Imports model files that were found elsewhere, compares their gradients with central differences, trains and serves them by the command line, and
 * writes docs/evidence/imported-files.md; ends with exit code 1 where any of it fails.
 *
 *   npm run build && npx tsx bench/imports/files.ts LIST.json
 *
 * LIST.json: [{ "from": "package@version", "file": "path.onnx", "size": [height, width, channels], "head": "node", "note": "..." }]; head and note
 * may be left out. The files are not in the repository: they belong to others. Results of single files are kept in bench/imports/.cache/files.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import sharp from "sharp";
import { Random } from "../../src/data/core.js";
import { importModel } from "../../src/import/index.js";
import { decode, type Model } from "../../src/onnx/index.js";
import { differencedGradients } from "./differences.js";

interface Entry {
  readonly from: string;
  readonly file: string;
  readonly size: readonly [height: number, width: number, channels: number];
  readonly head?: string;
  readonly note?: string;
}

interface Trained {
  readonly train: string;
  readonly accuracy: number;
  /** Whether the classifier that was written gives a label for an image, and the accuracy on all images. */
  readonly served: boolean;
}

const classes = 3;
const choices = ["head", "last:2", "all"];

/** Grey or coloured noise with a bright third, which tells the class. */
async function makeImages(folder: string, [height, width, channels]: Entry["size"]): Promise<void> {
  const random = new Random("bench", "imports");
  for (let label = 0; label < classes; label++) {
    mkdirSync(join(folder, `class${label}`), { recursive: true });
    for (let index = 0; index < 30; index++) {
      const pixels = Buffer.alloc(height * width * channels);
      for (let at = 0; at < pixels.length; at++) {
        const column = Math.floor(at / channels) % width;
        pixels[at] = random.int(100) + (Math.floor((column * classes) / width) === label ? 120 : 0);
      }
      const raw = { width, height, channels: channels as 1 | 3 };
      await sharp(pixels, { raw })
        .png()
        .toFile(join(folder, `class${label}`, `${index}.png`));
    }
  }
}

function isonorm(...parameters: readonly string[]): Record<string, unknown> {
  const lines = execFileSync("node", ["dist/cli.js", ...parameters, "--json"], { encoding: "utf8", stdio: "pipe" });
  return JSON.parse(lines.trim().split("\n").at(-1)!) as Record<string, unknown>;
}

function trainAndServe(entry: Entry, data: string, work: string): readonly Trained[] {
  const head = entry.head === undefined ? [] : ["--head-node", entry.head];
  return choices.map((train) => {
    const out = join(work, train.replace(":", "-"));
    const settings = ["--train", train, ...head, "--epochs", "6", "--batch-size", "8", "--elr", "0.0005", "--out", out];
    // A flip would turn one class into another.
    settings.push("--augmentation", "none");
    isonorm("train", data, "--model", entry.file, ...settings);
    const evaluated = isonorm("evaluate", out, data, "--split", "all") as { accuracy: number };
    const predicted = isonorm("predict", out, join(data, "class0", "0.png"));
    rmSync(out, { recursive: true });
    return { train, accuracy: evaluated.accuracy, served: predicted.event === "done" };
  });
}

function imported(file: string, { size: [height, width, channels], head }: Entry) {
  const source = decode(readFileSync(file));
  const { model, head: report } = importModel(source, {
    shape: [channels, height, width],
    classes: Array.from({ length: classes }, (_, label) => `class${label}`),
    seed: 0,
    norm: "tensor",
    features: "raw",
    headNode: head,
  });
  return { source, model, report };
}

function row(entry: Entry, source: Model, ...rest: readonly string[]): string {
  const producer = [source.producerName, source.producerVersion].filter(Boolean).join(" ") || "not named";
  return `| ${[entry.from, basename(entry.file), producer, String(source.opsets.get("")), ...rest].join(" | ")} |`;
}

/** The table's row and what became of the classifier. */
interface Outcome {
  readonly row: string;
  readonly head: string;
  readonly failed: boolean;
}

async function measure(entry: Entry): Promise<Outcome> {
  const name = basename(entry.file);
  const work = mkdtempSync(join(tmpdir(), "isonorm-files-"));
  const { source, model, report } = imported(entry.file, entry);
  const [height, width, channels] = entry.size;
  const on = (seed: number) => differencedGradients(model, [channels, height, width], classes, seed);
  const first = await on(0);
  // Where a step crosses kinks of many ReLUs at once no difference is the slope: another batch tells.
  const second = first.every(({ agrees }) => agrees) ? first : await on(1);
  const gradients = first.map((gradient, index) => (gradient.agrees ? gradient : second[index]!));
  await makeImages(join(work, "data"), entry.size);
  const trained = trainAndServe(entry, join(work, "data"), work);
  rmSync(work, { recursive: true });
  const differing = gradients.filter(({ agrees }) => !agrees);
  for (const { weight, analytic, difference } of differing)
    process.stderr.write(`${name}: ${weight} ${analytic} by its rules, ${difference} by differences\n`);
  const agreeing = `${gradients.length - differing.length}/${gradients.length}`;
  const accuracies = trained.map(({ accuracy }) => `${(100 * accuracy).toFixed(0)} %`);
  return {
    row: row(entry, source, String(source.graph.nodes.length), agreeing, ...accuracies),
    head: `- ${name}: ${report.description}.${entry.note ? ` ${entry.note}` : ""}`,
    failed: differing.length > 0 || trained.some(({ served }) => !served),
  };
}

const cache = "bench/imports/.cache/files";
const [list = ""] = process.argv.slice(2);
const entries = JSON.parse(readFileSync(list, "utf8")) as readonly Entry[];
const outcomes: Outcome[] = [];
mkdirSync(cache, { recursive: true });
for (const entry of entries) {
  const kept = join(cache, `${basename(entry.file)}.json`);
  if (!existsSync(kept)) writeFileSync(kept, JSON.stringify(await measure(entry)));
  const outcome = JSON.parse(readFileSync(kept, "utf8")) as Outcome;
  process.stderr.write(`${outcome.row}\n`);
  outcomes.push(outcome);
}
if (outcomes.some(({ failed }) => failed)) process.exitCode = 1;

writeFileSync(
  "docs/evidence/imported-files.md",
  `# Model files found elsewhere

Made by \`bench/imports/files.ts\` from files that npm packages carry, or whose graphs stand in the ONNX project's own tests (those without their weights: random
ones were put in); none of them is in this repository.

*gradients*: weights whose gradient, of a batch in training form, agrees with central differences of the loss along itself, in float32: within 1 % at one of
several steps, on the first of two batches or on the second. *head*, *last:2*, *all*: accuracy on ${classes} classes of made-up images after six epochs of \`isonorm train --train ...\`, by
\`isonorm evaluate\`; guessing is 33 %. It shows that training and serving work, not how well: the images have nothing to do with what these networks were made for.

Not to be had: a file by timm's or scikit-learn's exporter, and one by tf2onnx whose channels-last input is turned by a Transpose (the one below has a single
channel, so that tf2onnx wrote a Reshape). Those forms are built node by node in \`src/import/import.test.ts\`.

| from | file | made by | opset | nodes | gradients | head | last:2 | all |
|---|---|---|---|---|---|---|---|---|
${outcomes.map(({ row }) => row).join("\n")}

What became of their classifiers:

${outcomes.map(({ head }) => head).join("\n")}
`,
);
