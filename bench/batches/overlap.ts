import { type Dataset, inputStatistics, makeDataset, openData, prepareAhead, Random } from "../../src/data/index.js";
import { prepareTraining } from "../../src/run/prepare.js";
import { parseTrainSettings } from "../../src/train/index.js";
import { median } from "../step/summary.js";

/**
 * Milliseconds of a training step with its batch prepared before it, and with a thread preparing batches ahead; in turns.
 *
 * `npx tsx bench/batches/overlap.ts [THREADS] [IDX FOLDER]`
 */
const [threads = "1", idx] = process.argv.slice(2);
const rounds = 7;
const varied = { flip: true, crop: 3, erase: 0.25, brightness: 0.2, contrast: 0.2, saturation: 0.2 };

async function compare(name: string, train: Dataset, settings: Record<string, unknown>, steps: number): Promise<void> {
  const splits = { train, validation: train, test: undefined, hash: "", warnings: [] };
  const asked = parseTrainSettings({ epochs: 1, batchSize: 64, elr: 2 ** -16, lr: 1e-4, ...settings });
  const { plan, batches, step, createRunner } = await prepareTraining(
    splits,
    inputStatistics(train),
    asked,
    Number(threads),
  );
  const runner = await createRunner();
  const feeds = [batches, prepareAhead(batches, { worthwhile: 0 })] as const;
  const [, ahead] = feeds;
  const next = [0, 0];
  let preparing = 0;
  const take = async (which: 0 | 1): Promise<void> => {
    const number = next[which]!++;
    const started = performance.now();
    const batch = await feeds[which].batch(
      Math.floor(number / batches.batchesPerEpoch),
      number % batches.batchesPerEpoch,
    );
    if (which === 0) preparing += performance.now() - started;
    const scalars = { elr: plan.elr, lr: plan.lr, ...step.scalars(number) };
    await runner.run(batch.records, batch.targets, scalars, step.masks(number));
  };
  for (let warm = 0; warm < 5; warm++) await take(0);
  while (ahead.counts.ahead < 3) await take(1);
  preparing = 0;
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++)
    for (const which of [0, 1] as const) {
      const started = performance.now();
      for (let i = 0; i < steps; i++) await take(which);
      times[which].push((performance.now() - started) / steps);
    }
  const ratios = times[0].map((before, round) => before / times[1][round]!);
  const figures = [median(times[0]), preparing / (rounds * steps), median(times[1])].map((ms) => ms.toFixed(3));
  process.stdout.write(
    `${name.padEnd(32)} before ${figures[0]} ms (batch ${figures[1]})  ahead ${figures[2]} ms  ratio ${median(ratios).toFixed(3)}\n`,
  );
  await Promise.all([ahead.close(), runner.release(), plan.evaluator.release()]);
}

const random = new Random("overlap");
const pictures = makeDataset({
  records: Uint8Array.from({ length: 1280 * 64 * 64 * 3 }, () => random.int(256)),
  labels: Array.from({ length: 1280 }, (_, example) => example % 10),
  classes: [..."0123456789"],
  input: { kind: "image", height: 64, width: 64, channels: 3 },
});
const digits = (await openData("examples/digits")).train;
await compare("digits, MLP", digits, { model: "mlp" }, 1000);
await compare("digits, MLP, mixup", digits, { model: "mlp", augmentation: { mixup: 0.2 } }, 1000);
await compare("64x64, convnet, flip, crop", pictures, { model: "convnet" }, 6);
await compare("64x64, convnet, all", pictures, { model: "convnet", augmentation: varied }, 6);
if (idx) {
  const images = (await openData(idx)).train;
  await compare("IDX, convnet, all", images, { model: "convnet", augmentation: varied }, 20);
  await compare("IDX, ResNet-20, all", images, { model: "resnet20", augmentation: varied }, 8);
}
