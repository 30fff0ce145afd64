/**
 * Measures what each recipe of each operator costs on this machine, and writes the table that the lowering chooses by.
 *
 *   npm run tune-lowering -- [OPERATOR ...] [--quick] [--threads 1,2] [--table FILE | --ship]
 *
 * Operators are named as in the table: Conv, ConvWeightGrad, ConvInputGrad, BatchNormTraining, BatchNormGrad, ReluGrad, ClipGrad, ChannelSum, SumOfSquares, MaxPoolGrad, AveragePoolGrad, and Layout for
 * what it costs to put tensors into blocks of channels and back. Those that are not named stay as the table has them, so that the work can be done in parts. The whole takes about ten minutes on two cores; with
 * --quick about a third, on fewer shapes. Without --table the file is `lowering-costs.json`; ISONORM_LOWERING_COSTS=FILE makes isonorm choose by it. With --ship the table goes to the sources, for the kind of processor.
 *
 * Shapes: `shapes.ts`. All recipes of a shape take turns, on operands in the form that they work on; the fastest of some rounds counts. Nothing else should run meanwhile.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import {
  type CostTable,
  chooseRecipe,
  costsFor,
  costTableSchema,
  cpuOperators,
  layoutOperators,
  shippedCosts,
} from "../../src/lowering/cpu/index.js";
import { elementSizes } from "../../src/lowering/cpu/operator.js";
import { channelBlockHere } from "../../src/run/device.js";
import { versions } from "../../src/run/versions.js";
import { candidate, reordering, viewOf } from "./candidates.js";
import { hopeless, measure } from "./measure.js";
import { measuredNodes, reorderedTensors } from "./shapes.js";

const { values: options, positionals: asked } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    threads: { type: "string", default: [...new Set([1, availableParallelism()])].join(",") },
    table: { type: "string", default: "lowering-costs.json" },
    ship: { type: "boolean", default: false },
  },
});
const threads = options.threads.split(",").map(Number);
const effort = options.quick ? { rounds: 4, budget: 30 } : { rounds: 10, budget: 60 };
const shippedNames = new Map([
  [8, "avx2"],
  [16, "avx512"],
]);

type Shapes = CostTable["operators"][string];

/** More threads that save less than this are taken for a disturbance, and measured again. */
const saving = 0.8;

/**
 * Times of some candidates by name, one for each number of threads. Threads that wait for each other are slowed most by whatever else runs, so those that seem to save little are measured
 * up to three times; no time is longer than that of fewer threads.
 */
async function timesOf(build: () => readonly ReturnType<typeof candidate>[]): Promise<Record<string, number[]>> {
  const times = new Map(build().map(({ name }) => [name, [] as number[]]));
  for (const [index, count] of threads.entries())
    for (let attempt = 0; attempt < 3; attempt++) {
      const least = Math.min(...[...times.values()].flat());
      const doubtful = [...times].flatMap(([name, known]) => {
        const now = known[index];
        if (now === undefined) return [name];
        return index > 0 && now >= saving * known[index - 1]! && now < hopeless * least ? [name] : [];
      });
      const candidates = build().filter(({ name }) => doubtful.includes(name));
      if (candidates.length === 0) break;
      const milliseconds = await measure(candidates, { ...effort, threads: count });
      for (const [position, { name }] of candidates.entries()) {
        const known = times.get(name)!;
        known[index] = Math.min(milliseconds[position]!, known[index] ?? known[index - 1] ?? Number.POSITIVE_INFINITY);
      }
    }
  return Object.fromEntries(
    [...times].map(([name, list]) => [name, list.map((milliseconds) => Number(milliseconds.toPrecision(3)))]),
  );
}

async function tuneLayout(block: number): Promise<CostTable["operators"]> {
  const operators: Record<string, Shapes[number][]> = {};
  for (const operator of Object.values(layoutOperators))
    for (const shape of reorderedTensors) {
      const ms = await timesOf(() => [reordering(operator, shape, block)]);
      const elements = shape.reduce((product, size) => product * size, 1);
      operators[operator] = [...(operators[operator] ?? []), { ...elementSizes(elements), ms }];
      console.log(`${operator} [${shape}]  ${ms.reorder!.join(" / ")} ms`);
    }
  return operators;
}

async function tuneOperator(name: string, block: number | undefined, present: CostTable | undefined): Promise<Shapes> {
  const operator = [...cpuOperators.values()].find((one) => one.name === name)!;
  const shapes: Shapes = [];
  for (const node of measuredNodes.filter((one) => one.operator === name && (one.quick || !options.quick))) {
    const view = viewOf(operator, node, block);
    const fitting = operator.recipes.filter((recipe) => recipe.fits(view));
    const ms = await timesOf(() => fitting.map((recipe) => candidate(recipe, view)));
    shapes.push({ ...operator.sizes(view), ms });
    const figures = Object.entries(ms).map(([recipe, times]) => `${recipe} ${times.join(" / ")}`);
    const before = threads.map((count) => chooseRecipe(operator, view, present && costsFor(present, count)).name);
    console.log(`${name} ${node.title}  ${figures.join(", ")}; so far ${[...new Set(before)].join(" / ")}`);
  }
  return shapes;
}

/** Which recipes the new table chooses otherwise than the present one, or than the rules, and what that brings. */
function printChanges(table: CostTable, present: CostTable | undefined, names: readonly string[]): void {
  console.log(`\nChoices that differ from ${present ? "the present table's" : "the rules'"}:`);
  for (const node of measuredNodes.filter(
    ({ operator, quick }) => names.includes(operator) && (quick || !options.quick),
  )) {
    const operator = [...cpuOperators.values()].find((one) => one.name === node.operator)!;
    const view = viewOf(operator, node, table.channelBlock ?? undefined);
    for (const count of threads) {
      const costs = costsFor(table, count);
      const [before, now] = [present && costsFor(present, count), costs].map(
        (by) => chooseRecipe(operator, view, by).name,
      );
      if (before === now) continue;
      const times = costs.milliseconds(operator.name, operator.sizes(view), [before!, now!]);
      const figure = (name: string) => `${name} ${times.get(name)?.toFixed(2) ?? "?"} ms`;
      console.log(`  ${node.operator} ${node.title}, ${count} threads: ${figure(before!)} -> ${figure(now!)}`);
    }
  }
}

/** One line a shape, so that versions can be compared. */
function asText({ operators, ...head }: CostTable): string {
  const lists = Object.entries(operators).map(
    ([name, shapes]) => `${JSON.stringify(name)}: [\n${shapes.map((shape) => JSON.stringify(shape)).join(",\n")}\n]`,
  );
  return `${JSON.stringify(head, undefined, 1).slice(0, -2)},\n "operators": {\n${lists.join(",\n")}\n}}`;
}

async function main(): Promise<void> {
  const block = await channelBlockHere();
  const processor = cpus()[0]!.model;
  const shipped = shippedCosts(processor, block);
  const kept = !options.ship && existsSync(options.table) ? readFileSync(options.table, "utf8") : undefined;
  const present = kept === undefined ? shipped : costTableSchema.parse(JSON.parse(kept));
  const all = [...new Set(measuredNodes.map(({ operator }) => operator)), "Layout"];
  const unknown = asked.filter((name) => !all.includes(name));
  if (unknown.length > 0) throw new Error(`no operator is named ${unknown.join(", ")}; there are ${all.join(", ")}`);
  const names = asked.length > 0 ? asked : all;
  console.log(`${processor}, ${block ? `blocks of ${block} channels` : "no blocks"}, ${threads.join(" / ")} threads`);

  // Figures of another machine or other threads are not mixed with these.
  const goesOn =
    present?.processor === processor &&
    present.channelBlock === (block ?? null) &&
    `${present.threads}` === `${threads}`;
  const measured: CostTable["operators"] = {};
  const table = (): CostTable =>
    costTableSchema.parse({
      format: 1,
      processor,
      channelBlock: block ?? null,
      runtime: versions()["onnxruntime-node"],
      threads,
      operators: { ...(goesOn ? present.operators : {}), ...measured },
    });
  for (const name of names) {
    if (name !== "Layout") measured[name] = await tuneOperator(name, block, present);
    else if (block !== undefined) Object.assign(measured, await tuneLayout(block));
    // So that what is interrupted is not lost.
    write(table());
  }
  printChanges(table(), present, names);
}

/** Writes the table where the options say. */
function write(table: CostTable): void {
  if (!options.ship) {
    writeFileSync(options.table, `${asText(table)}\n`);
    return;
  }
  const name = shippedNames.get(table.channelBlock ?? 0);
  if (!name) throw new Error("tables are shipped for blocks of 8 and of 16 channels only");
  const path = new URL(`../../src/lowering/cpu/costs/${name}.ts`, import.meta.url);
  const head = [
    "// biome-ignore-all format: written by npm run tune-lowering -- --ship",
    "// biome-ignore-all lint/suspicious/noApproximativeNumericConstant: times, not constants",
  ].join("\n");
  const type = 'import type { CostTable } from "./table.js";';
  writeFileSync(path, `${head}\n${type}\n\nexport const ${name}: CostTable = ${asText(table)};\n`);
}

await main();
