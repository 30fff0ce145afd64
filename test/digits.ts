import { join } from "node:path";
import type { z } from "zod";
import { type InputStatistics, inputStatistics, openData, type Splits } from "../src/data/index.js";
import type { Evaluation } from "../src/metrics/index.js";
import { type PreparedTraining, prepareTraining } from "../src/run/prepare.js";
import {
  type CompiledStep,
  freshProgress,
  parseTrainSettings,
  type StepRunner,
  type TrainingOutcome,
  train,
  type trainSettings,
} from "../src/train/index.js";

/** The UCI digits of examples/digits: 1,293 rows of 64 numbers to train on, 144 to validate, 360 to test. */
export const openDigits = (): Promise<Splits> => openData(join(import.meta.dirname, "../examples/digits"), { seed: 0 });

export interface Prepared extends PreparedTraining {
  readonly splits: Splits;
  readonly statistics: InputStatistics;
}

/** A training in this process, on one thread: float32 sums are then the same on every machine of a kind. */
export async function prepare(splits: Splits, settings: z.input<typeof trainSettings>): Promise<Prepared> {
  const statistics = inputStatistics(splits.train);
  return { ...(await prepareTraining(splits, statistics, parseTrainSettings(settings), 1)), splits, statistics };
}

export interface Trained {
  readonly prepared: Prepared;
  readonly outcome: TrainingOutcome;
  /** Of the kept weights, on the test split. */
  readonly test: Evaluation;
}

/** Trains to the end and judges what is kept on the test split. */
export async function trainToTheEnd(splits: Splits, settings: z.input<typeof trainSettings>): Promise<Trained> {
  const prepared = await prepare(splits, settings);
  const { plan } = prepared;
  const runner = await prepared.createRunner();
  try {
    const outcome = await train({ ...plan, runner, digest: "" }, { progress: freshProgress(""), best: new Map() });
    return { prepared, outcome, test: await plan.evaluator.evaluate(splits.test!, outcome.kept) };
  } finally {
    await Promise.all([runner.release(), plan.evaluator.release()]);
  }
}

/** Steps number `from` up to `to` (exclusive) of a training at fixed learning rates; fails where one gives a result that is not finite. */
export async function takeSteps(
  { plan, batches }: Pick<PreparedTraining, "plan" | "batches">,
  runner: StepRunner,
  [from, to]: readonly [number, number],
): Promise<void> {
  const step: CompiledStep = plan.step;
  for (let index = from; index < to; index++) {
    const { records, targets } = batches.batch(
      Math.floor(index / batches.batchesPerEpoch),
      index % batches.batchesPerEpoch,
    );
    const scalars = { elr: plan.elr, lr: plan.lr, ...step.scalars(index) };
    const { finite, loss } = await runner.run(records, targets, scalars, step.masks(index));
    if (!finite) throw new Error(`step ${index} gave the loss ${loss}`);
  }
}
