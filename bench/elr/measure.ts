/**
 * Measures which effective learning rate suits which network: the held-out loss of short trainings over a coarse grid, for networks of several widths and depths.
 *
 *   npx tsx bench/elr/measure.ts [--only text] [--share i/n] [--most n]     (needs Fashion-MNIST beside the repository)
 *
 * Appends to bench/elr/table.jsonl and leaves out what stands there, so it can be stopped and started at any time; `--most 1` makes one training and ends with
 * status 3 while there are more to make. `npx tsx bench/elr/summary.ts` prints what the table says.
 */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type DataSource, data, IsonormError, train } from "../../src/index.js";
import { fashion } from "./fashion.js";
import { type Row, table, type Workload, workloads } from "./workloads.js";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    share: { type: "string", default: "0/1" },
    most: { type: "string", default: "Infinity" },
  },
});
const [share = 0, shares = 1] = values.share.split("/").map(Number);

const rows = (): Row[] =>
  existsSync(table)
    ? readFileSync(table, "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Row)
    : [];

const openData = async ({ data: name }: Workload): Promise<DataSource> => {
  if (name === "digits") return data.open("examples/digits", { validation: 0.4, test: 0 });
  // 3,000 or 12,000 to learn from, 2,000 drawn from among them to judge by.
  const images = name.endsWith("12,000 images") ? 14_000 : 5_000;
  return data.arrays({ ...fashion(images, name === "fashion 28x28" ? 1 : 2), validation: 2_000 / images, test: 0 });
};

async function measure(workload: Workload, log2Elr: number, seed: number): Promise<Row> {
  const out = mkdtempSync(join(tmpdir(), "isonorm-elr-"));
  const started = performance.now();
  const row = { network: workload.name, log2Elr, seed };
  try {
    const done = await train({
      data: await openData(workload),
      ...workload.network,
      epochs: workload.epochs,
      batchSize: 64,
      augmentation: "none",
      elr: 2 ** log2Elr,
      seed,
      out: join(out, "run"),
      threads: 1,
    });
    const { loss, accuracy } = done.validation;
    return { ...row, loss, accuracy, seconds: seconds(started) };
  } catch (error) {
    if (!(error instanceof IsonormError && error.code === "ISO_DIVERGED")) throw error;
    return { ...row, loss: null, accuracy: null, seconds: seconds(started) };
  } finally {
    rmSync(out, { recursive: true });
  }
}

const seconds = (started: number): number => Math.round((performance.now() - started) / 100) / 10;

// All networks once before any a second time: a table cut short still serves.
const wanted = [0, 1].flatMap((seed) =>
  workloads
    .filter(({ name, seeds }) => name.includes(values.only) && seed < seeds)
    .flatMap((workload) => workload.log2Elrs.map((log2Elr) => ({ workload, log2Elr, seed }))),
);
let made = 0;
for (const [index, { workload, log2Elr, seed }] of wanted.entries()) {
  if (index % shares !== share) continue;
  if (rows().some((row) => row.network === workload.name && row.log2Elr === log2Elr && row.seed === seed)) continue;
  if (made++ >= Number(values.most)) {
    process.exitCode = 3;
    break;
  }
  const row = await measure(workload, log2Elr, seed);
  appendFileSync(table, `${JSON.stringify(row)}\n`);
  console.error(`${index + 1}/${wanted.length} ${JSON.stringify(row)}`);
}
