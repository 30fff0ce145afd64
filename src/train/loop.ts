import type { BatchFeed, Dataset } from "../data/core.js";
import type { Tensor } from "../onnx/types.js";
import type { Schedule } from "../optim/index.js";
import type { Checkpoint, EpochRecord, Progress } from "./checkpoint.js";
import type { StateEvaluator } from "./evaluator.js";
import type { StepRunner } from "./runner.js";
import { averageName } from "./state.js";
import type { CompiledStep } from "./step.js";

/** A run is given up as diverged after that many steps in a row whose update had to be skipped. */
export const skippedStepsUntilDiverged = 10;

export interface TrainingPlan {
  readonly step: CompiledStep;
  readonly runner: StepRunner;
  readonly evaluator: StateEvaluator;
  readonly batches: BatchFeed;
  readonly validation: Dataset;
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
  /** Multiplier of both learning rates at a step. */
  readonly schedule: Schedule;
  /** Effective learning rate, and learning rate of the weights that are not scale-invariant, at multiplier 1. */
  readonly elr: number;
  readonly lr: number;
  readonly keep: "best" | "last";
  readonly patience: number | undefined;
  /** Digest for the checkpoint's {@link Progress}. */
  readonly digest: string;
}

export interface TrainingHooks {
  /** After every step. */
  onStep?(step: { step: number; totalSteps: number; loss: number; examples: number; examplesPerSecond: number }): void;
  /** After every epoch's validation. */
  onEpoch?(record: EpochRecord): void;
  /** Saves a checkpoint: after every epoch and before stopping on request. */
  save?(checkpoint: Checkpoint): void | Promise<void>;
  /** Asked between steps; true saves a checkpoint in the middle of an epoch. */
  saveRequested?(): boolean;
  /** Asked between steps; true stops with a checkpoint. May give the event loop a turn. */
  stopRequested?(): boolean | Promise<boolean>;
}

export interface TrainingOutcome {
  readonly status: "done" | "stopped early" | "interrupted" | "diverged";
  readonly progress: Progress;
  /** The evaluation state (weights and statistics by name) that the run ends with. */
  readonly kept: ReadonlyMap<string, Tensor>;
  /** The epoch it comes from. */
  readonly keptEpoch: number;
}

export function freshProgress(digest: string): Progress {
  return {
    format: 1,
    digest,
    step: 0,
    epoch: { loss: 0, correct: 0, examples: 0, skipped: 0, seconds: 0 },
    skippedInARow: 0,
    history: [],
    best: null,
  };
}

/**
 * Trains from where `start` stands to the end. Everything random is a function of (seed, step), so an interrupted and resumed run takes
 * the same steps as an uninterrupted one.
 *
 * @param start - progress and best tensors of a checkpoint, or a fresh start; the runner already holds its state
 */
export async function train(
  plan: TrainingPlan,
  start: { progress: Progress; best: ReadonlyMap<string, Tensor> },
  hooks: TrainingHooks = {},
): Promise<TrainingOutcome> {
  const { runner, batches, stepsPerEpoch, totalSteps } = plan;
  const progress: Progress = structuredClone(start.progress);
  let best = start.best;
  let clock = performance.now();

  const lap = (): number => {
    const now = performance.now();
    const seconds = (now - clock) / 1000;
    clock = now;
    return seconds;
  };
  const checkpoint = async (): Promise<Checkpoint> => ({
    progress: structuredClone(progress),
    state: await runner.snapshot(),
    best,
  });
  const outcome = async (status: TrainingOutcome["status"]): Promise<TrainingOutcome> => {
    const useBest = plan.keep === "best" && best.size > 0;
    return {
      status,
      progress,
      kept: useBest ? best : evaluationState(plan.step, await runner.snapshot()),
      keptEpoch: useBest ? progress.best!.epoch : progress.step / stepsPerEpoch,
    };
  };

  while (progress.step < totalSteps) {
    if (progress.skippedInARow >= skippedStepsUntilDiverged) return outcome("diverged");
    if (plan.patience !== undefined && epochsWithoutGain(progress.history) >= plan.patience)
      return outcome("stopped early");
    if (await hooks.stopRequested?.()) {
      progress.epoch.seconds += lap();
      await hooks.save?.(await checkpoint());
      return outcome("interrupted");
    }
    if (hooks.saveRequested?.()) {
      progress.epoch.seconds += lap();
      await hooks.save?.(await checkpoint());
      clock = performance.now();
    }
    const { step } = progress;
    const multiplier = plan.schedule(step, totalSteps);
    const batch = await batches.batch(Math.floor(step / stepsPerEpoch), step % stepsPerEpoch);
    const scalars = { elr: plan.elr * multiplier, lr: plan.lr * multiplier, ...plan.step.scalars(step) };
    const result = await runner.run(batch.records, batch.targets, scalars, plan.step.masks(step));

    progress.step++;
    if (result.finite) {
      progress.epoch.loss += result.loss * batches.batchSize;
      progress.epoch.correct += result.correct;
      progress.epoch.examples += batches.batchSize;
      progress.skippedInARow = 0;
    } else {
      progress.epoch.skipped++;
      progress.skippedInARow++;
    }
    progress.epoch.seconds += lap();
    hooks.onStep?.({
      step: progress.step,
      totalSteps,
      loss: result.loss,
      examples: batches.batchSize,
      examplesPerSecond: progress.epoch.seconds > 0 ? progress.epoch.examples / progress.epoch.seconds : 0,
    });
    const diverged = progress.skippedInARow >= skippedStepsUntilDiverged;
    if (!diverged && progress.step % stepsPerEpoch !== 0 && progress.step < totalSteps) continue;

    const trainSeconds = progress.epoch.seconds;
    const validation = await plan.evaluator.evaluate(plan.validation, evaluationFeeds(plan.step, runner));
    const { epoch } = progress;
    const record: EpochRecord = {
      epoch: progress.step / stepsPerEpoch,
      step: progress.step,
      elr: plan.elr * multiplier,
      trainLoss: epoch.examples > 0 ? epoch.loss / epoch.examples : Number.NaN,
      trainAccuracy: epoch.examples > 0 ? epoch.correct / epoch.examples : Number.NaN,
      validationLoss: validation.loss ?? Number.NaN,
      validationAccuracy: validation.accuracy,
      validationMacroF1: validation.macro.f1,
      examplesPerSecond: trainSeconds > 0 ? epoch.examples / trainSeconds : 0,
      seconds: trainSeconds + lap(),
      skipped: epoch.skipped,
    };
    progress.history.push(record);
    progress.epoch = { loss: 0, correct: 0, examples: 0, skipped: 0, seconds: 0 };
    if (plan.keep === "best" && better(record, progress.best)) {
      progress.best = {
        epoch: record.epoch,
        validationLoss: record.validationLoss,
        validationAccuracy: record.validationAccuracy,
      };
      best = evaluationState(plan.step, await runner.snapshot());
    }
    // Saved first: an epoch that was told of is never lost.
    await hooks.save?.(await checkpoint());
    hooks.onEpoch?.(record);
    clock = performance.now();
  }
  return outcome(progress.skippedInARow >= skippedStepsUntilDiverged ? "diverged" : "done");
}

/** Higher validation accuracy; where equal, lower loss. What is not finite is never better. */
function better(a: EpochRecord, b: { validationLoss: number; validationAccuracy: number } | null): boolean {
  if (!Number.isFinite(a.validationLoss)) return false;
  if (b === null) return true;
  if (a.validationAccuracy !== b.validationAccuracy) return a.validationAccuracy > b.validationAccuracy;
  return a.validationLoss < b.validationLoss;
}

/** Epochs since validation accuracy or validation loss was last better than ever before. */
function epochsWithoutGain(history: readonly EpochRecord[]): number {
  let accuracy = Number.NEGATIVE_INFINITY;
  let loss = Number.POSITIVE_INFINITY;
  let last = 0;
  history.forEach((record, index) => {
    if (record.validationAccuracy > accuracy || record.validationLoss < loss) last = index;
    accuracy = Math.max(accuracy, record.validationAccuracy);
    loss = Math.min(loss, record.validationLoss);
  });
  return history.length - 1 - last;
}

/** What an evaluation needs of the training state, under the weights' own names: averages stand in for their weights. */
export function evaluationState<T>(step: CompiledStep, state: ReadonlyMap<string, T>): Map<string, T> {
  const chosen = new Map<string, T>();
  for (const { name, role } of step.state)
    if (role === "weight" || role === "statistic") chosen.set(name, state.get(averageName(name)) ?? state.get(name)!);
  return chosen;
}

const evaluationFeeds = (step: CompiledStep, runner: StepRunner) => evaluationState(step, runner.present());
