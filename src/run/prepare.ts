import { createHash } from "node:crypto";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { preprocessedShape } from "../classifier/index.js";
import {
  augmentationSchema,
  batchSource,
  defaultAugmentation,
  type InputDescription,
  type InputStatistics,
  noAugmentation,
  type Splits,
} from "../data/core.js";
import { IsonormError } from "../errors.js";
import { analyseScaleInvariance, defaultScale, type WeightProof } from "../method/index.js";
import { type Architecture, architecture, defaultArchitecture } from "../models/index.js";
import { elementCount, encode, type Graph, type Model, type Tensor } from "../onnx/index.js";
import { adam, type Optimizer, schedules, sgd, warmUp } from "../optim/index.js";
import {
  type CompiledStep,
  compileEvaluation,
  compileStep,
  defaultBatchSize,
  defaultEpochs,
  StateEvaluator,
  StepRunner,
  type TrainingPlan,
  type TrainSettings,
  totalSteps,
} from "../train/index.js";

export interface PreparedTraining {
  readonly model: Model;
  readonly modelName: string;
  /** SHA-256 of the fresh model. */
  readonly modelHash: string;
  /** Trained numbers. */
  readonly parameters: number;
  readonly proofs: readonly WeightProof[];
  readonly step: CompiledStep;
  readonly scale: number;
  readonly batchSize: number;
  /** With "auto" and defaults resolved. */
  readonly settings: TrainSettings;
  readonly warnings: readonly string[];
  readonly plan: Omit<TrainingPlan, "runner" | "digest">;
  /** Opens the training session, with a checkpoint's state or a fresh one. */
  createRunner(state?: ReadonlyMap<string, Tensor>): Promise<StepRunner>;
}

/** Builds the model for the data and compiles its training and evaluation. */
export async function prepareTraining(
  splits: Splits,
  statistics: InputStatistics,
  asked: TrainSettings,
  threads: number,
): Promise<PreparedTraining> {
  const { input } = splits.train;
  const classes = splits.train.classes.length;
  const shape = preprocessedShape(input, statistics);
  const chosen = chooseArchitecture(asked, shape);
  const scale = asked.scale ?? defaultScale(classes, { norm: asked.headNorm, features: asked.headFeatures });
  const batches = batchSource({
    dataset: splits.train,
    batchSize: asked.batchSize === "auto" ? defaultBatchSize(splits.train.size) : asked.batchSize,
    seed: asked.seed,
    augmentation: chooseAugmentation(asked.augmentation, input),
    labelSmoothing: asked.labelSmoothing,
    classWeights: asked.classWeights,
  });
  const epochs = asked.epochs === "auto" ? defaultEpochs(splits.train.size) : asked.epochs;
  const settings: TrainSettings = { ...asked, model: chosen.name, scale, epochs, batchSize: batches.batchSize };

  const head = { scale, norm: asked.headNorm, features: asked.headFeatures };
  const model = chosen.build({ shape, classes, seed: asked.seed, head });
  const proofs = analyseScaleInvariance(model.graph, { batchNormalization: "training" });
  const step = compileStep(model, {
    input,
    statistics,
    classes,
    batchSize: batches.batchSize,
    proofs,
    optimizer: chooseOptimizer(settings),
    fixedNorm: settings.fixedNorm,
    baseRule: settings.baseRule,
    weightDecay: settings.weightDecay,
    clip: settings.clip,
    ema: settings.ema,
    seed: settings.seed,
    target: "cpu",
  });
  const evaluation = compileEvaluation(model, {
    input,
    statistics,
    batchSize: Math.min(256, Math.max(splits.validation.size, 1)),
    classes,
    stateNames: step.state.flatMap(({ name, role }) => (role === "weight" || role === "statistic" ? [name] : [])),
    target: "cpu",
  });
  const sessionOptions: InferenceSession.SessionOptions = { intraOpNumThreads: threads, interOpNumThreads: 1 };
  const open = (graph: Graph): Promise<InferenceSession> =>
    InferenceSession.create(encode({ ...model, graph, opsets: step.opsets }), sessionOptions);

  return {
    model,
    modelName: chosen.name,
    modelHash: createHash("sha256").update(encode(model)).digest("hex"),
    parameters: step.state.reduce(
      (sum, { role, initial }) => (role === "weight" ? sum + elementCount(initial.shape) : sum),
      0,
    ),
    proofs,
    step,
    scale,
    batchSize: batches.batchSize,
    settings,
    warnings: batches.warnings,
    plan: {
      step,
      evaluator: new StateEvaluator(await open(evaluation.graph), evaluation),
      batches,
      validation: splits.validation,
      stepsPerEpoch: batches.batchesPerEpoch,
      totalSteps: totalSteps(epochs, batches.batchesPerEpoch),
      schedule: warmUp(settings.warmup, schedules[settings.schedule]),
      elr: settings.elr,
      lr: settings.lr,
      keep: settings.keep,
      patience: settings.patience,
    },
    createRunner: async (state = new Map()) =>
      new StepRunner({ session: await open(step.graph), Tensor: OrtTensor }, step, state),
  };
}

function chooseArchitecture(settings: TrainSettings, shape: readonly number[]): Architecture {
  const options = { width: settings.width, hidden: settings.hidden };
  return settings.model === "auto" ? defaultArchitecture(shape, options) : architecture(settings.model, options);
}

function chooseOptimizer(settings: TrainSettings): Optimizer {
  return settings.optimizer === "adam"
    ? adam({ beta1: settings.momentum, beta2: settings.beta2 })
    : sgd({ momentum: settings.momentum, nesterov: settings.nesterov });
}

function chooseAugmentation(asked: TrainSettings["augmentation"], input: InputDescription) {
  if (asked === "auto") return defaultAugmentation(input);
  if (asked === "none") return noAugmentation;
  const parsed = augmentationSchema.safeParse(asked);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new IsonormError(
    "ISO_ARGUMENT",
    `augmentation ${issue.path.join(".")} is wrong: ${issue.message}`,
    "See isonorm train --help for what --augmentation takes",
  );
}
