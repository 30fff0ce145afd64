import { expect, it } from "vitest";
import { arrays, type BatchFeed, inputStatistics, prepareAhead, Random } from "../data/index.js";
import { type Checkpoint, freshProgress, parseTrainSettings, type TrainingHooks, train } from "../train/index.js";
import { prepareTraining } from "./prepare.js";

const random = new Random("prepared ahead");
const splits = arrays({
  records: Uint8Array.from({ length: 160 * 8 * 8 * 3 }, () => random.int(256)),
  labels: Array.from({ length: 160 }, (_, example) => example % 2),
  classes: ["a", "b"],
  input: { kind: "image", height: 8, width: 8, channels: 3 },
});
const settings = parseTrainSettings({
  model: "convnet",
  width: 4,
  epochs: 4,
  batchSize: 16,
  augmentation: { flip: true, crop: 1, mixup: 0.3 },
  lr: 0.5,
});

async function run(prepare: boolean, from?: Checkpoint, hooks: TrainingHooks = {}) {
  const prepared = await prepareTraining(splits, inputStatistics(splits.train), settings, 1);
  const runner = await prepared.createRunner(from?.state);
  const ahead = prepareAhead(prepared.batches, { worthwhile: 0 });
  if (prepare) {
    while (ahead.counts.ahead === 0) {
      for (const index of [0, 1]) await ahead.batch(0, index);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  const batches: BatchFeed = prepare ? ahead : prepared.batches;
  const before = ahead.counts.ahead;
  const progress = from?.progress ?? freshProgress("digest");
  const plan = { ...prepared.plan, batches, runner, digest: "digest" };
  try {
    const outcome = await train(plan, { progress, best: new Map() }, hooks);
    const history = outcome.progress.history.map(({ seconds: _, examplesPerSecond: __, ...figures }) => figures);
    return { state: await runner.snapshot(), history, fromThread: ahead.counts.ahead - before };
  } finally {
    await ahead.close();
    await Promise.all([runner.release(), plan.evaluator.release()]);
  }
}

it("a training whose batches a thread prepares ends bit-identical to one that prepares them itself, interrupted and resumed too", async () => {
  const own = await run(false);
  const threaded = await run(true);
  const steps = own.history.at(-1)!.step;
  expect(own.fromThread).toBe(0);
  expect(threaded.fromThread).toBe(steps - 1);
  expect({ ...threaded, fromThread: 0 }).toEqual(own);

  let saved: Checkpoint | undefined;
  let asked = 0;
  await run(true, undefined, {
    stopRequested: () => asked++ === steps / 2 + 1,
    save: (checkpoint) => {
      saved = checkpoint;
    },
  });
  expect(saved!.progress.step).toBe(steps / 2 + 1);
  const resumed = await run(true, saved);
  expect(resumed.fromThread).toBeGreaterThan(0);
  expect({ ...resumed, fromThread: 0 }).toEqual(own);
});
