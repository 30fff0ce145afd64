import type { BatchSource, InputStatistics, Splits } from "../data/core.js";
import { encode, type Tensor } from "../onnx/index.js";
import { schedules, warmUp } from "../optim/index.js";
import {
  type AskedTrainSettings,
  compileEvaluation,
  StateEvaluator,
  type StepRunner,
  type TrainingPlan,
} from "../train/index.js";
import { openRunner, openSession } from "./device.js";
import type { Device } from "./deviceName.js";
import { loweringHere } from "./lowering.js";
import { requireModelMemory } from "./memory.js";
import { type Network, openNetwork } from "./network.js";
import { type PlannedTraining, planTraining } from "./plan.js";
import { trainingOptions } from "./sessionOptions.js";
import { trainedPart } from "./trainedPart.js";

export interface PreparedTraining extends PlannedTraining {
  /** What the step's operators were chosen by, see `loweringHere`. */
  readonly chosenBy: string;
  readonly plan: Omit<TrainingPlan, "runner" | "digest" | "batches"> & { readonly batches: BatchSource };
  /** Opens the training session, with a checkpoint's state or a fresh one. */
  createRunner(state?: ReadonlyMap<string, Tensor>): Promise<StepRunner>;
}

interface PrepareOptions {
  readonly device?: Device;
  readonly onFeatures?: (done: number, total: number) => void;
}

/** Builds or reads the network, plans its training and opens the session that validates. */
export async function prepareTraining(
  splits: Splits,
  dataStatistics: InputStatistics,
  asked: AskedTrainSettings,
  threads: number,
  options: PrepareOptions = {},
): Promise<PreparedTraining> {
  const network = await openNetwork(splits, dataStatistics, asked, threads);
  return prepareNetwork(network, splits, asked, threads, options);
}

/** As `prepareTraining`, for a network that is there. */
export async function prepareNetwork(
  network: Network,
  splits: Splits,
  asked: AskedTrainSettings,
  threads: number,
  { device = "cpu", onFeatures }: PrepareOptions = {},
): Promise<PreparedTraining> {
  const part = await trainedPart(network, splits, asked, threads, onFeatures);
  const { chosenBy, ...lowering } = await loweringHere(device, threads);
  const planned = planTraining(network, part, asked, device, lowering);
  const { step, batches, settings } = planned;
  const { model, statistics } = part;
  const { train, validation } = part.splits;
  const evaluation = compileEvaluation(model, {
    input: train.input,
    statistics,
    batchSize: Math.min(256, Math.max(validation.size, 1)),
    classes: train.classes.length,
    stateNames: step.state.flatMap(({ name, role }) => (role === "weight" || role === "statistic" ? [name] : [])),
    target: device,
    ...lowering,
  });
  const evaluationModel = { ...model, graph: evaluation.graph, opsets: step.opsets };
  if (device === "cpu")
    requireModelMemory(evaluationModel, "logits", `validating on ${evaluation.batchSize} examples at a time`);
  const execution = { device, threads };
  const evaluator = await openSession(encode(evaluationModel), execution, {
    options: trainingOptions,
  });

  return {
    ...planned,
    chosenBy,
    plan: {
      step,
      evaluator: new StateEvaluator(evaluator, evaluation),
      batches,
      validation,
      stepsPerEpoch: batches.batchesPerEpoch,
      totalSteps: planned.totalSteps,
      schedule: warmUp(settings.warmup, schedules[settings.schedule]),
      elr: settings.elr,
      lr: settings.lr,
      keep: settings.keep,
      patience: settings.patience,
    },
    createRunner: (state = new Map()) => openRunner(model, step, state, execution),
  };
}
