/**
 * How far twenty training steps part from those of the plain lowering on the CPU, on Fashion-MNIST: with weights changed by one part in 10^7, in blocks of channels, lowered for WebGPU but run on the CPU, on the device.
 *
 *   npx tsx bench/lowering/trajectory.ts MODEL [--settings JSON] [--side 28] [--batch 32] [--steps 20] [--smooth] [--device]     (needs Fashion-MNIST beside the repository)
 *
 * `--smooth` puts Elu in place of Relu and Clip. `--device` needs a Vulkan driver, such as chromium's: VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json LD_LIBRARY_PATH=/usr/lib/chromium.
 */
import { parseArgs } from "node:util";
import { inputStatistics, makeDataset, Random, type Splits } from "../../src/data/core.js";
import type { Tensor } from "../../src/onnx/index.js";
import { channelBlockHere, type Execution, openRunner } from "../../src/run/device.js";
import { openNetwork } from "../../src/run/network.js";
import { type PlannedTraining, planTraining } from "../../src/run/plan.js";
import { withElu } from "../../src/run/testing/madeUp.js";
import { trainedPart } from "../../src/run/trainedPart.js";
import { parseTrainSettings } from "../../src/train/index.js";
import { fashion } from "../elr/fashion.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    settings: { type: "string", default: "{}" },
    side: { type: "string", default: "28" },
    batch: { type: "string", default: "32" },
    steps: { type: "string", default: "20" },
    smooth: { type: "boolean", default: false },
    device: { type: "boolean", default: false },
  },
});
const [side, batchSize, steps] = [values.side, values.batch, values.steps].map(Number) as [number, number, number];

const source = fashion(1024, 1);
const data = makeDataset({
  ...source,
  records: resized(source.records, 28, side),
  input: { kind: "image", height: side, width: side, channels: 1 },
});
const splits: Splits = { train: data, validation: data, test: undefined, hash: "", warnings: [] };
const asked = parseTrainSettings({
  model: positionals[0]!,
  ...JSON.parse(values.settings),
  batchSize,
  epochs: 20,
  augmentation: "none",
});
const opened = await openNetwork(splits, inputStatistics(data), asked, 2);
const network = values.smooth ? withElu(opened) : opened;
const part = await trainedPart(network, splits, asked, 2);
const cpu: Execution = { device: "cpu", threads: 2 };
const plain = planTraining(network, part, asked, "cpu");
const forDevice = planTraining(network, part, asked, "webgpu");
const start = new Map(plain.step.state.map(({ name, initial }) => [name, initial]));

const reference = await trajectory(plain, cpu);
console.log(`ELR ${plain.settings.elr.toPrecision(3)}, learning rate ${plain.settings.lr}`);
console.log(`losses ${reference.map(({ loss }) => loss.toFixed(2)).join(" ")}`);
console.log(`the weights move by ${distance(start, reference.at(-1)!.state).toFixed(2)} of their length`);
await compare("weights changed by 1e-7", plain, cpu, perturbed("a"));
await compare("another such change", plain, cpu, perturbed("b"));
await compare(
  "in blocks of channels",
  planTraining(network, part, asked, "cpu", { channelBlock: await channelBlockHere() }),
  cpu,
);
await compare("lowered for WebGPU, on the CPU", forDevice, cpu);
if (values.device) await compare("on the device", forDevice, { device: "webgpu", threads: 2 });

interface Step {
  readonly loss: number;
  readonly state: ReadonlyMap<string, Tensor>;
}

async function trajectory(planned: PlannedTraining, execution: Execution, from = start): Promise<readonly Step[]> {
  const { batches, settings, step } = planned;
  const runner = await openRunner(part.model, step, from, execution);
  const taken: Step[] = [];
  for (let index = 0; index < steps; index++) {
    const [epoch, place] = [Math.floor(index / batches.batchesPerEpoch), index % batches.batchesPerEpoch];
    const { records, targets } = batches.batch(epoch, place);
    const scalars = { elr: settings.elr, lr: settings.lr, ...step.scalars(index) };
    const { loss } = await runner.run(records, targets, scalars, step.masks(index));
    taken.push({ loss, state: await runner.snapshot() });
  }
  await runner.release();
  return taken;
}

/** Prints the largest relative distance of a loss, and the weights' after 1, 5, 10 and all steps. */
async function compare(
  name: string,
  planned: PlannedTraining,
  execution: Execution,
  from?: Map<string, Tensor>,
): Promise<void> {
  const taken = await trajectory(planned, execution, from);
  const losses = taken.map(({ loss }, index) => Math.abs(loss / reference[index]!.loss - 1));
  const weights = [...new Set([1, 5, 10, steps])]
    .filter((count) => count <= steps)
    .map((count) => distance(taken[count - 1]!.state, reference[count - 1]!.state).toExponential(1));
  console.log(`${name}: losses within ${Math.max(...losses).toExponential(1)}, weights ${weights.join(", ")}`);
}

function isWeight(name: string): boolean {
  return !name.includes("#") && !name.includes("running");
}

function perturbed(seed: string): Map<string, Tensor> {
  const random = new Random(seed);
  const changed = ({ data, ...rest }: Tensor): Tensor =>
    ({
      ...rest,
      data: Float32Array.from(data as Float32Array, (value) => value * (1 + 1e-7 * random.normal())),
    }) as Tensor;
  return new Map([...start].map(([name, tensor]) => [name, isWeight(name) ? changed(tensor) : tensor]));
}

/** Euclidean distance of two states' weights together, relative to the length of the second. */
function distance(actual: ReadonlyMap<string, Tensor>, expected: ReadonlyMap<string, Tensor>): number {
  let [apart, length] = [0, 0];
  for (const [name, { data: should }] of expected) {
    if (!isWeight(name)) continue;
    const is = actual.get(name)!.data;
    for (let index = 0; index < should.length; index++) {
      apart += (Number(should[index]) - Number(is[index])) ** 2;
      length += Number(should[index]) ** 2;
    }
  }
  return Math.sqrt(apart / length);
}

/** Square one-channel images of `from` x `from` pixels as `to` x `to`, bilinear. */
function resized(records: Uint8Array, from: number, to: number): Uint8Array {
  const images = records.length / from ** 2;
  const places = Array.from({ length: to }, (_, index) => {
    const at = Math.min(from - 1, Math.max(0, ((index + 0.5) * from) / to - 0.5));
    const low = Math.floor(at);
    return { low, high: Math.min(from - 1, low + 1), share: at - low };
  });
  const result = new Uint8Array(images * to ** 2);
  for (let image = 0, index = 0; image < images; image++) {
    const pixel = (y: number, x: number): number => records[(image * from + y) * from + x]!;
    for (const y of places)
      for (const x of places) {
        const row = (at: number): number => pixel(at, x.low) * (1 - x.share) + pixel(at, x.high) * x.share;
        result[index++] = Math.round(row(y.low) * (1 - y.share) + row(y.high) * y.share);
      }
  }
  return result;
}
