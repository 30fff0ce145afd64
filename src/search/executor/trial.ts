import { readFileSync } from "node:fs";
import { IsonormError } from "../../errors.js";
import { type DoneEvent, RunFolder, runTraining, type TrainingEvent, type TrainingJob } from "../../run/index.js";
import type { EpochRecord } from "../../train/index.js";
import type { Candidate } from "../space.js";
import type { Claim, Progress } from "../storage/index.js";
import type { Ending, EpochMetrics, Trial } from "../study.js";
import type { SearchEvent } from "./events.js";
import { trialFolder } from "./files.js";
import type { OpenSearch } from "./open.js";

/** How an attempt at a trial came to its end: with a result; because its process vanished; or because it was told to stop. */
export type AttemptEnd =
  | { readonly kind: "ended"; readonly ending: Ending }
  | { readonly kind: "lost"; readonly error: unknown; readonly progress: Progress }
  | { readonly kind: "stopped"; readonly progress: Progress };

export interface AttemptOptions {
  readonly threads: number;
  readonly emit: (event: SearchEvent) => void;
  /** Aborting stops the training with a checkpoint. */
  readonly signal: AbortSignal;
}

/** Milliseconds between signs of life in the storage. */
const heartbeatInterval = 1000;

/**
 * Errors that are not a trial's own: no other trial would fare better, and the same one would succeed once they are gone. They end the search, which can then be resumed.
 */
const notTheTrials = /^ISO_(DATA_|DEVICE_|STUDY_|OUT_NOT_WRITABLE|CHECKPOINT_WRITE|RESUME_MISMATCH)/;

/** The training that a trial is: the shared settings, the candidate's values, the trial's own seed, the search's splits. */
export function trialJob(search: OpenSearch, trial: Trial, threads: number, finish: boolean): TrainingJob {
  const { elr, fraction, replicate: _, ...others } = trial.candidate;
  const { training } = search.settings;
  const epochs = fraction * (training.epochs as number);
  return {
    data: search.job.data,
    arrays: search.job.arrays,
    dataHash: search.study.dataHash,
    settings: { ...training, ...others, elr, epochs, seed: trial.seed },
    out: trialFolder(search.job.out, trial.number),
    resume: true,
    device: search.settings.device,
    threads,
    finish,
  };
}

/** Steps of a trial in full trainings: the share of the examples that a full training sees. */
export function workPerStep({ batchSize, steps, data }: OpenSearch, candidate: Candidate): number {
  return Math.min(candidate.batchSize ?? batchSize, data.counts.train) / (steps * batchSize);
}

/**
 * One attempt at a trial that was claimed, in a process of its own, from its last checkpoint on. Its epochs and signs of life go into the storage on the way; its ending is the
 * caller's to record.
 *
 * @throws what ends the whole search: the storage's errors, and those that are not the trial's own
 */
export async function attempt(search: OpenSearch, trial: Trial, options: AttemptOptions): Promise<AttemptEnd> {
  const { storage } = search;
  const perStep = workPerStep(search, trial.candidate);
  const job = trialJob(search, trial, options.threads, false);
  let progress: Progress = { done: trial.done, kept: trial.kept };
  let steps = 0;
  let lastHeartbeat = 0;

  const failed = new AbortController();
  let failure: unknown;
  const fail = (error: unknown): void => {
    failure ??= error;
    failed.abort();
  };
  // One after the other, in the order of events.
  let writes: Promise<void> = Promise.resolve();
  const write = (call: () => Promise<boolean>): void => {
    writes = writes.then(async () => {
      if (failure === undefined && !(await call())) throw takenOver(trial);
    });
    writes = writes.catch(fail);
  };
  const heartbeat = (): void => {
    lastHeartbeat = Date.now();
    const present = progress;
    write(() => storage.heartbeat(trial, Date.now(), present));
  };
  const recordAll = async (epochs: readonly EpochRecord[]): Promise<boolean> => {
    for (const metrics of epochs.flatMap((epoch) => epochMetrics(epoch) ?? []))
      if (!(await storage.recordEpoch(trial, metrics))) return false;
    return true;
  };

  const onEvent = (event: TrainingEvent): void => {
    switch (event.event) {
      case "start":
        steps = event.steps;
        progress = { done: perStep * event.stepsDone, kept: perStep * event.stepsDone };
        // What a process wrote down just before it vanished may not have been told to anybody.
        if (event.stepsDone > 0) write(async () => recordAll(epochsWritten(job.out)));
        heartbeat();
        return;
      case "step":
        progress = { ...progress, done: perStep * event.step };
        if (Date.now() - lastHeartbeat >= heartbeatInterval) heartbeat();
        options.emit({ ...event, trial: trial.number });
        return;
      case "epoch":
        progress = { done: perStep * event.step, kept: perStep * event.step };
        write(() => recordAll([event]));
        heartbeat();
        options.emit({ ...event, trial: trial.number });
        return;
      case "interrupted":
        progress = { done: perStep * event.step, kept: perStep * event.step };
        return;
      case "warning":
        options.emit(event);
        return;
      default:
        return;
    }
  };

  const signal = AbortSignal.any([options.signal, failed.signal]);
  const ended = await runTraining(job, { onEvent, signal }).then(
    (done) => ({ done }),
    (error: unknown) => ({ error }),
  );
  await writes;
  if (failure !== undefined) throw failure;
  if ("done" in ended) return { kind: "ended", ending: endingOf(ended.done, steps, perStep) };
  const { error } = ended;
  const code = error instanceof IsonormError ? error.code : "";
  if (code === "ISO_DIVERGED") return { kind: "ended", ending: { state: "diverged", cost: progress.done } };
  if (code === "ISO_INTERRUPTED" && options.signal.aborted) return { kind: "stopped", progress };
  if (code === "ISO_INTERRUPTED" || code === "ISO_WORKER_LOST" || isShortage(error))
    return { kind: "lost", error, progress: atLastCheckpoint(search, trial, progress) };
  if (notTheTrials.test(code)) throw error;
  const message = error instanceof Error ? error.message : String(error);
  return {
    kind: "ended",
    ending: { state: "failed", cost: progress.kept, error: { code: code || "ISO_INTERNAL", message } },
  };
}

/** The progress with what the trial's last checkpoint really holds: the next attempt begins there. */
export function atLastCheckpoint(search: OpenSearch, trial: Trial, progress: Progress): Progress {
  let kept = 0;
  try {
    const step = new RunFolder(trialFolder(search.job.out, trial.number)).readCheckpoint()?.progress.step ?? 0;
    kept = step * workPerStep(search, trial.candidate);
  } catch (error) {
    // The attempt that is to go on from a damaged checkpoint will say so.
    if (!(error instanceof IsonormError)) throw error;
  }
  return { done: Math.max(progress.done, kept), kept };
}

/** Gives a claim back, so that the trial can be claimed again: its sign of life is taken away, and what has none is lost. */
export async function giveBack({ storage }: OpenSearch, claim: Claim, progress: Progress): Promise<void> {
  await storage.heartbeat(claim, 0, progress);
  await storage.loseTrials(claim.studyId, 1);
}

function endingOf({ validation, examplesPerSecond }: DoneEvent, steps: number, perStep: number): Ending {
  const { loss, accuracy, macroF1 } = validation;
  const cost = steps * perStep;
  if (loss === null) return { state: "diverged", cost };
  return { state: "complete", result: { validation: { loss, accuracy, macroF1 }, steps, examplesPerSecond, cost } };
}

/** Undefined where a figure is not finite: such an epoch has no place on a curve. */
function epochMetrics(record: EpochRecord): EpochMetrics | undefined {
  const { epoch, step, trainLoss, trainAccuracy } = record;
  const validation = {
    loss: record.validationLoss,
    accuracy: record.validationAccuracy,
    macroF1: record.validationMacroF1,
  };
  const figures = [trainLoss, trainAccuracy, ...Object.values(validation)];
  return figures.every(Number.isFinite) ? { epoch, steps: step, trainLoss, trainAccuracy, validation } : undefined;
}

/** The epochs up to the checkpoint that a training started from. */
function epochsWritten(out: string): EpochRecord[] {
  const lines = readFileSync(new RunFolder(out).file("metrics"), "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as EpochRecord);
}

/** The system has no room for another process. */
function isShortage(error: unknown): boolean {
  return ["EAGAIN", "ENOMEM", "EMFILE", "ENFILE"].includes((error as NodeJS.ErrnoException).code ?? "");
}

export function takenOver({ number }: Trial): IsonormError {
  return new IsonormError(
    "ISO_STUDY_LOCKED",
    `another process has taken over trial ${number}`,
    "Let one process alone run a search",
  );
}

export function interrupted({ job }: OpenSearch): IsonormError {
  return new IsonormError(
    "ISO_INTERRUPTED",
    `the search in ${job.out} was stopped; its trials and their checkpoints are kept`,
    `Continue with --resume ${job.out}`,
  );
}
