import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { InferenceSession } from "onnxruntime-node";
import { exportClassifier, type Provenance } from "../classifier/index.js";
import { type ArraySplits, inputStatistics, prepareAhead, type Splits } from "../data/index.js";
import { IsonormError } from "../errors.js";
import type { Evaluation } from "../metrics/index.js";
import { encode } from "../onnx/index.js";
import type { TrainingReport } from "../report/index.js";
import {
  type AskedTrainSettings,
  freshProgress,
  type StateEvaluator,
  type TrainingOutcome,
  type TrainSettings,
  train,
} from "../train/index.js";
import { requireAvailable } from "./device.js";
import type { Device } from "./deviceName.js";
import type { DoneEvent, TrainingEvent } from "./events.js";
import { closeSplits, openJobData } from "./jobData.js";
import { type PreparedTraining, prepareTraining } from "./prepare.js";
import type { DataSettings, RunRecord } from "./record.js";
import { RunFolder } from "./runFolder.js";
import { evaluateServed } from "./served.js";
import { workerOptions } from "./sessionOptions.js";
import { trainingReport } from "./trainingReport.js";
import { packageVersion, versions } from "./versions.js";

/** One training, as its worker gets it: plain data. */
export interface TrainingJob {
  readonly data: DataSettings;
  /** Labelled records in memory, in place of those that lie at `data.path`. */
  readonly arrays?: ArraySplits | undefined;
  /** The hash that the data must have, where it is known. */
  readonly dataHash?: string | undefined;
  readonly settings: AskedTrainSettings;
  /** Run folder. */
  readonly out: string;
  /** Go on from the folder's checkpoint, if it has one. */
  readonly resume: boolean;
  readonly device: Device;
  readonly threads: number;
  /** Whether to touch the test split and write model and report at the end: a search's candidates do not. */
  readonly finish: boolean;
}

export interface JobHooks {
  emit(event: TrainingEvent): void;
  /** Gets the report's content too, where one is written. */
  report?(report: TrainingReport): void;
  stopRequested(): boolean;
}

/** Seconds between checkpoints inside an epoch. */
const secondsBetweenCheckpoints = 120;
/** Milliseconds between `step` events. */
const millisecondsBetweenStepEvents = 100;

/**
 * A whole training: data from disk, model, training step, epochs with checkpoints, and at the end the exported classifier, its
 * evaluation and the report, all in the run folder.
 *
 * @throws every coded error of data, model and files; ISO_DIVERGED
 */
export async function runJob(job: TrainingJob, hooks: JobHooks): Promise<void> {
  const folder = new RunFolder(job.out);
  const previous = job.resume && folder.hasRun() ? folder.readRun() : undefined;
  try {
    await requireAvailable(job.device);
    const splits = await openJobData(job, hooks.emit);
    try {
      requireData(job, splits);
      await trainOn(splits, job, hooks, folder, previous);
    } finally {
      closeSplits(splits);
    }
  } catch (error) {
    folder.removeIfEmpty();
    throw error;
  }
}

async function trainOn(
  splits: Splits,
  job: TrainingJob,
  hooks: JobHooks,
  folder: RunFolder,
  previous: RunRecord | undefined,
): Promise<void> {
  const prepared = await prepareTraining(splits, inputStatistics(splits.train), job.settings, job.threads, {
    device: job.device,
    onFeatures: (done, total) => hooks.emit({ event: "preparing", what: "features", done, total }),
  });
  try {
    await trainPrepared(splits, prepared, job, hooks, folder, previous);
  } finally {
    prepared.part.close();
  }
}

async function trainPrepared(
  splits: Splits,
  prepared: PreparedTraining,
  job: TrainingJob,
  hooks: JobHooks,
  folder: RunFolder,
  previous: RunRecord | undefined,
): Promise<void> {
  const { settings, plan } = prepared;
  const digest = digestOf({ settings, data: splits.hash, model: prepared.modelHash });
  const checkpoint = previous ? folder.readCheckpoint() : undefined;
  if (checkpoint && checkpoint.progress.digest !== digest)
    throw new IsonormError(
      "ISO_RESUME_MISMATCH",
      `the run in ${job.out} was started with other settings, other data or another model`,
      "Resume it with what it was started with, or start a new run in another --out",
    );
  const runner = await prepared.createRunner(checkpoint?.state);

  const record: RunRecord = {
    format: 1,
    command: "train",
    version: packageVersion,
    versions: { ...versions(), recipes: prepared.chosenBy },
    createdAt: previous?.createdAt ?? new Date().toISOString(),
    data: job.data,
    dataHash: splits.hash,
    classes: [...splits.train.classes],
    examples: { train: splits.train.size, validation: splits.validation.size, test: splits.test?.size ?? 0 },
    settings,
    device: job.device,
    threads: job.threads,
    status: "running",
    results: null,
  };
  folder.writeRun(record);
  const start = { progress: checkpoint?.progress ?? freshProgress(digest), best: checkpoint?.best ?? new Map() };
  folder.resetMetrics(start.progress.history);
  const { report } = prepared.network;
  if (report) hooks.emit({ event: "import", ...report, features: prepared.part.features ?? null });
  for (const message of [...splits.warnings, ...prepared.warnings]) hooks.emit({ event: "warning", message });
  hooks.emit({
    event: "start",
    model: prepared.network.name,
    parameters: prepared.parameters,
    classes: splits.train.classes,
    examples: record.examples,
    elr: settings.elr,
    lr: settings.lr,
    scale: prepared.network.scale,
    epochs: plan.totalSteps / plan.stepsPerEpoch,
    batchSize: prepared.batches.batchSize,
    steps: plan.totalSteps,
    stepsDone: start.progress.step,
    seed: settings.seed,
    device: job.device,
    threads: job.threads,
    out: job.out,
  });

  let lastStepEvent = 0;
  let lastSave = performance.now();
  // Of few processors that a step keeps busy, the thread takes as much as it saves; of more, a part.
  const processors = availableParallelism();
  const spare = job.device !== "cpu" || job.threads < processors || processors >= 4;
  const batches = prepareAhead(plan.batches, spare ? {} : { worthwhile: Number.POSITIVE_INFINITY });
  const outcome = await train({ ...plan, batches, runner, digest }, start, {
    onStep({ step, totalSteps, loss, examplesPerSecond }) {
      const now = performance.now();
      if (now - lastStepEvent < millisecondsBetweenStepEvents) return;
      lastStepEvent = now;
      hooks.emit({ event: "step", step, totalSteps, loss, examplesPerSecond });
    },
    onEpoch(epoch) {
      folder.appendMetrics(epoch);
      hooks.emit({ event: "epoch", ...epoch });
    },
    saveRequested: () => performance.now() - lastSave > secondsBetweenCheckpoints * 1000,
    save(state) {
      folder.writeCheckpoint(state);
      lastSave = performance.now();
    },
    async stopRequested() {
      // ONNX Runtime holds the event loop during a step; signals and messages are seen only when it gets a turn.
      await new Promise((resolve) => setImmediate(resolve));
      return hooks.stopRequested();
    },
  }).finally(() => batches.close());

  if (outcome.status === "interrupted") {
    folder.writeRun({ ...record, status: "interrupted" });
    hooks.emit({ event: "interrupted", step: outcome.progress.step, totalSteps: plan.totalSteps, out: job.out });
    return;
  }
  const done = await conclude({
    splits,
    job,
    folder,
    record,
    prepared,
    outcome,
    evaluator: plan.evaluator,
    hooks,
  });
  if (outcome.status === "diverged") throw diverged(outcome, settings, job.out);
  hooks.emit(done);
}

interface Ending {
  readonly splits: Splits;
  readonly job: TrainingJob;
  readonly folder: RunFolder;
  readonly record: RunRecord;
  readonly prepared: PreparedTraining;
  readonly outcome: TrainingOutcome;
  readonly evaluator: StateEvaluator;
  readonly hooks: JobHooks;
}

/**
 * Exports the classifier and judges it as it will be served: the figures come from model.onnx itself. A diverged run ends here too: its weights
 * are those of its last good step, and its report shows what happened.
 */
async function conclude(ending: Ending): Promise<DoneEvent> {
  const { splits, job, folder, record, prepared, outcome } = ending;
  const { settings } = prepared;
  const status = outcome.status === "interrupted" ? "done" : outcome.status;
  const { history } = outcome.progress;
  const seconds = history.reduce((sum, { seconds }) => sum + seconds, 0);
  const rates = history.map(({ examplesPerSecond }) => examplesPerSecond).sort((a, b) => a - b);
  const examplesPerSecond = rates[rates.length >> 1] ?? 0;

  let validation: Evaluation;
  let test: Evaluation | undefined;
  if (job.finish) {
    const provenance: Provenance = {
      version: packageVersion,
      createdAt: record.createdAt,
      model: prepared.network.name,
      elr: settings.elr,
      scale: prepared.network.scale,
      seed: settings.seed,
      ...(job.data.seed === undefined ? {} : { splitSeed: job.data.seed }),
      epochs: outcome.keptEpoch,
      dataHash: splits.hash,
    };
    const { input, classes } = splits.train;
    const { model: network, statistics } = prepared.network;
    const model = exportClassifier(network, outcome.kept, statistics, { classes, input, provenance });
    const bytes = encode(model);
    folder.writeModel(bytes);
    const session = await InferenceSession.create(bytes, workerOptions(job.threads));
    try {
      validation = await evaluateServed(session, splits.validation);
      test = splits.test && (await evaluateServed(session, splits.test));
    } finally {
      await session.release();
    }
  } else {
    validation = await ending.evaluator.evaluate(prepared.part.splits.validation, outcome.kept);
  }

  const done: DoneEvent = {
    event: "done",
    status: status === "diverged" ? "done" : status,
    validation: score(validation),
    test: test ? score(test) : null,
    elr: settings.elr,
    scale: prepared.network.scale,
    examplesPerSecond,
    seconds,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    bestEpoch: outcome.keptEpoch,
    out: job.out,
  };
  const finished: RunRecord = {
    ...record,
    status,
    results: {
      validation: done.validation,
      test: done.test,
      bestEpoch: done.bestEpoch,
      examplesPerSecond,
      seconds,
      peakMemoryBytes: done.peakMemoryBytes,
    },
  };
  if (job.finish) {
    // Loaded here: its chart library takes a while, and bad input must be refused at once.
    const { renderTrainingReport } = await import("../report/index.js");
    const report = trainingReport({ ...ending, record: finished, validation, test });
    folder.writeReport(renderTrainingReport(report));
    ending.hooks.report?.(report);
  }
  // Last: a run whose record says it is done has all its files.
  folder.writeRun(finished);
  return done;
}

function score({ accuracy, loss, macro }: Evaluation): DoneEvent["validation"] {
  return { accuracy, loss, macroF1: macro.f1 };
}

function requireData({ data, dataHash, out }: TrainingJob, { hash }: Splits): void {
  if (dataHash === undefined || dataHash === hash) return;
  throw new IsonormError(
    "ISO_RESUME_MISMATCH",
    `the data in ${data.path} has changed since the search began that ${out} belongs to`,
    "Bring it back as it was and resume, or start a new search",
  );
}

function diverged(outcome: TrainingOutcome, settings: TrainSettings, out: string): IsonormError {
  return new IsonormError(
    "ISO_DIVERGED",
    `training diverged at step ${outcome.progress.step}: ${outcome.progress.skippedInARow} steps in a row gave a loss or weights that are not finite (elr ${settings.elr}, lr ${settings.lr}); see report.html in ${out}`,
    "Lower --elr or --lr, or let isonorm search find the effective learning rate",
  );
}

/** SHA-256 of everything that must be equal for a run to go on exactly, whatever the order in which settings stand. */
function digestOf(parts: { settings: TrainSettings; data: string; model: string }): string {
  const inOrder = (_: string, value: unknown): unknown =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return createHash("sha256").update(JSON.stringify(parts, inOrder)).digest("hex");
}
