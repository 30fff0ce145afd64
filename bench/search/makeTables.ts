/**
 * Makes the tables that the search is measured on: validation loss and accuracy of many trainings, over the effective learning rate and, for the plain
 * baseline, over learning rate and weight decay; at full length and at the lengths that the strategies use.
 *
 *   npx tsx bench/search/makeTables.ts [digits-mlp|fashion-convnet] [--share i/n]
 *
 * Appends to bench/search/tables/<workload>.jsonl and leaves out what stands there, so it can be stopped and started at any time. `--share 0/2`
 * makes every second training: two processes with one thread each use two cores better than one with two.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { prepareTraining } from "../../src/run/prepare.js";
import { freshProgress, parseTrainSettings, train } from "../../src/train/index.js";
import { type Workload, workloads } from "./networks.js";

interface Point {
  readonly kind: "elr" | "plain";
  readonly log2Rate: number;
  readonly weightDecay: number;
  readonly epochs: number;
  readonly seed: number;
}

const range = (from: number, to: number, step: number): number[] =>
  Array.from({ length: Math.round((to - from) / step) + 1 }, (_, index) => from + index * step);

/** Most useful first: a table cut short still serves. */
function points(workload: Workload): Point[] {
  const list: Point[] = [];
  for (const seed of [0, 1, 2])
    for (const full of workload.epochs) {
      for (const epochs of [full, full / 8])
        for (const log2Rate of range(-13, -3, 1)) list.push({ kind: "elr", log2Rate, weightDecay: 0, epochs, seed });
    }
  for (const seed of [0, 1, 2])
    for (const log2Rate of range(-7, 1, 1))
      for (const weightDecay of [1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2])
        list.push({ kind: "plain", log2Rate, weightDecay, epochs: workload.epochs[0]!, seed });
  for (const seed of [0, 1, 2])
    for (const full of workload.epochs)
      for (const epochs of [full, full / 8])
        for (const log2Rate of range(-11.5, -4.5, 1))
          list.push({ kind: "elr", log2Rate, weightDecay: 0, epochs, seed });
  return list;
}

const key = ({ kind, log2Rate, weightDecay, epochs, seed }: Point): string =>
  [kind, log2Rate, weightDecay, epochs, seed].join(" ");

async function makeTable(workload: Workload, [share, shares]: readonly [number, number]): Promise<void> {
  const file = `bench/search/tables/${workload.name}.jsonl`;
  const { splits, statistics } = await workload.open();
  const all = points(workload);
  for (const [index, point] of all.entries()) {
    if (index % shares !== share) continue;
    const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
    if (lines.some((line) => key(JSON.parse(line) as Point) === key(point))) continue;
    const rate = 2 ** point.log2Rate;
    const settings = parseTrainSettings({
      model: workload.model,
      batchSize: workload.batchSize,
      epochs: point.epochs,
      // One stream of seeds a rung, as in a search, where every trial has its own.
      seed: point.seed * 1000 + Math.round(point.epochs * 8),
      augmentation: workload.augmentation,
      ...(point.kind === "elr" ? { elr: rate } : { fixedNorm: "none", lr: rate, weightDecay: point.weightDecay }),
    });
    const started = performance.now();
    const prepared = await prepareTraining(splits, statistics, settings, 1);
    const runner = await prepared.createRunner();
    const outcome = await train(
      { ...prepared.plan, runner, digest: "" },
      { progress: freshProgress(""), best: new Map() },
    );
    const evaluation = await prepared.plan.evaluator.evaluate(splits.validation, outcome.kept);
    const diverged = outcome.status === "diverged" || evaluation.loss === null;
    await runner.release();
    await prepared.plan.evaluator.release();
    const row = { ...point, loss: diverged ? null : evaluation.loss, accuracy: diverged ? null : evaluation.accuracy };
    appendFileSync(file, `${JSON.stringify(row)}\n`);
    const seconds = (performance.now() - started) / 1000;
    console.error(
      `${workload.name} ${index + 1}/${all.length}  ${key(point)}  loss ${evaluation.loss?.toFixed(4)}  ${seconds.toFixed(1)} s`,
    );
  }
}

const [name] = process.argv.slice(2).filter((argument) => !argument.startsWith("--") && !argument.includes("/"));
const shareAt = process.argv.indexOf("--share");
const [share = 0, shares = 1] = shareAt < 0 ? [] : (process.argv[shareAt + 1] ?? "").split("/").map(Number);
for (const workload of workloads)
  if (name === undefined || workload.name === name) await makeTable(workload, [share, shares]);
