/**
 * Milliseconds of whole training steps whose recipes are chosen by rules, and of the same ones chosen by costs.
 *
 *   npx tsx bench/lowering/steps.ts [WORKLOAD ...] [--rounds 12] [--threads 2] [--markdown]
 *
 * Both take turns in one process. The ratio is the median over the rounds of the rules' time by the costs', with its quartiles. The costs are those that a training here takes (`isonorm doctor` names them).
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { inputStatistics } from "../../src/data/core.js";
import type { Value } from "../../src/graph/index.js";
import { analyseScaleInvariance } from "../../src/method/index.js";
import { Network } from "../../src/models/network.js";
import { openRunner } from "../../src/run/device.js";
import { loweringHere } from "../../src/run/lowering.js";
import { openNetwork } from "../../src/run/network.js";
import { planTraining } from "../../src/run/plan.js";
import { trainedPart } from "../../src/run/trainedPart.js";
import { makeData, settingsOf } from "../step/step.js";
import { workloads as standard, type Workload } from "../step/workloads.js";

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "12" },
    threads: { type: "string", default: String(availableParallelism()) },
    markdown: { type: "boolean", default: false },
  },
});
const [rounds, threads] = [Number(options.rounds), Number(options.threads)];

const image = (side: number): Workload["input"] => ({ kind: "image", height: side, width: side, channels: 3 });

/** Names of the workloads whose network is not a built-in one. */
const regnet = "regnet-like";

const workloads: readonly Workload[] = [
  ...standard.filter(({ name }) => ["resnet20", "mobilenetv2", "convnet"].includes(name)),
  {
    name: "resnet20, batch 100",
    settings: { model: "resnet20", width: 16 },
    input: image(32),
    batch: 100,
    classes: 10,
  },
  { name: "resnet18, 64x64", settings: { model: "resnet18" }, input: image(64), batch: 32, classes: 10 },
  {
    name: "efficientnet-b0, 64x64",
    settings: { model: "efficientnet-b0", dropout: 0, dropPath: 0 },
    input: image(64),
    batch: 32,
    classes: 10,
  },
  { name: regnet, settings: { model: "convnet" }, input: image(64), batch: 32, classes: 10 },
];

/** The first three stages of RegNetX-400MF's widths (Radosavovic et al. 2020, arXiv 2003.13678, table 8), groups of 16 channels, at most two blocks a stage. */
function buildRegnet(shape: readonly number[], classes: number) {
  const net = new Network({ shape, classes, seed: 0, head: { scale: 10, norm: "tensor", features: "raw" } });
  const unit = (
    name: string,
    x: Value,
    channels: number,
    window: { kernel?: number; stride?: number; groups?: number },
  ) => net.batchNormalization(`${name}.bn`, net.convolution(`${name}.conv`, x, channels, window));
  let x = net.b.relu(unit("stem", net.input, 32, { stride: 2 }));
  for (const [stage, channels] of [32, 64, 160].entries())
    for (const block of [0, 1]) {
      const [name, stride] = [`stage${stage}.block${block}`, block === 0 ? 2 : 1];
      let y = net.b.relu(unit(`${name}.a`, x, channels, { kernel: 1 }));
      y = net.b.relu(unit(`${name}.b`, y, channels, { stride, groups: channels / 16 }));
      y = unit(`${name}.c`, y, channels, { kernel: 1 });
      x = net.b.relu(net.b.plus(y, stride === 1 ? x : unit(`${name}.shortcut`, x, channels, { kernel: 1, stride })));
    }
  return net.finish(
    regnet,
    net.classifier(net.globalAverage(x), classes, { scale: 10, norm: "tensor", features: "raw" }),
  );
}

async function compare(workload: Workload) {
  const data = makeData(workload);
  const splits = { train: data, validation: data, test: undefined, hash: "", warnings: [] };
  const settings = settingsOf(workload, false);
  const network = await openNetwork(splits, inputStatistics(data), settings, threads);
  if (workload.name === regnet) {
    const model = buildRegnet([3, 64, 64], workload.classes);
    const trained = new Set(analyseScaleInvariance(model.graph).map(({ name }) => name));
    Object.assign(network, { model, trained });
  }
  const part = await trainedPart(network, splits, settings, threads);
  const { channelBlock, costs, chosenBy } = await loweringHere("cpu", threads);
  if (!costs) throw new Error(`recipes are chosen by ${chosenBy}: there is nothing to compare`);
  const runs = [];
  for (const lowering of [{ channelBlock }, { channelBlock, costs }]) {
    const { step, batches } = planTraining(network, part, settings, "cpu", lowering);
    const runner = await openRunner(part.model, step, new Map(), { device: "cpu", threads });
    const { records, targets } = batches.batch(0, 0);
    const rates = { elr: 2 ** -16, lr: 1e-4, ...step.scalars(0) };
    runs.push({
      runner,
      nodes: step.graph.nodes.length,
      run: async () => {
        const start = performance.now();
        await runner.run(records, targets, rates, step.masks(0));
        return performance.now() - start;
      },
    });
  }
  const times: [number, number][] = [];
  for (let round = -2; round < rounds; round++) {
    // Whoever comes first may find the processor in another state.
    const order = round % 2 === 0 ? [0, 1] : [1, 0];
    const taken: [number, number] = [0, 0];
    for (const index of order) taken[index] = await runs[index]!.run();
    if (round >= 0) times.push(taken);
  }
  for (const { runner } of runs) await runner.release();
  const ratios = times.map(([rules, table]) => rules / table);
  return {
    workload: workload.name,
    "by rules ms": quantile(
      times.map(([rules]) => rules),
      0.5,
    ),
    "by costs ms": quantile(
      times.map(([, table]) => table),
      0.5,
    ),
    "fastest ms": times.reduce(([a, b], [c, d]) => [Math.min(a, c), Math.min(b, d)]),
    ratio: quantile(ratios, 0.5),
    quarters: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    nodes: runs.map(({ nodes }) => nodes),
  };
}

function quantile(numbers: readonly number[], at: number): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(at * (numbers.length - 1))]!;
}

for (const workload of workloads.filter(({ name }) => names.length === 0 || names.includes(name))) {
  const row = Object.entries(await compare(workload)).map(([name, value]) => {
    const digits = /ms/.test(name) ? 1 : /nodes/.test(name) ? 0 : 2;
    const cell =
      typeof value === "string"
        ? value
        : [value]
            .flat()
            .map((number) => number.toFixed(digits))
            .join(" / ");
    return [name, cell] as const;
  });
  if (options.markdown) console.log(`| ${row.map(([, cell]) => cell).join(" | ")} |`);
  else console.log(row.map(([name, cell]) => `${name} ${cell}`).join(", "));
}
