import { createHash } from "node:crypto";
import { preprocessedShape } from "../classifier/index.js";
import {
  augmentationSchema,
  type BatchSource,
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
import { elementCount, encode, type Model } from "../onnx/index.js";
import { adam, type Optimizer, sgd } from "../optim/index.js";
import {
  type CompiledStep,
  compileStep,
  defaultBatchSize,
  defaultEpochs,
  type TrainSettings,
  totalSteps,
} from "../train/index.js";

/** A training with everything decided and nothing opened: the model, its compiled step, the order of the batches. */
export interface PlannedTraining {
  readonly model: Model;
  readonly modelName: string;
  /** SHA-256 of the fresh model. */
  readonly modelHash: string;
  /** Trained numbers. */
  readonly parameters: number;
  readonly proofs: readonly WeightProof[];
  readonly step: CompiledStep;
  readonly scale: number;
  readonly batches: BatchSource;
  readonly totalSteps: number;
  /** With "auto" and defaults resolved. */
  readonly settings: TrainSettings;
  readonly warnings: readonly string[];
}

/**
 * Builds the model for the data and compiles its training step; needs no ONNX Runtime.
 *
 * @throws coded errors of settings and model
 */
export function planTraining(splits: Splits, statistics: InputStatistics, asked: TrainSettings): PlannedTraining {
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
    batches,
    totalSteps: totalSteps(epochs, batches.batchesPerEpoch),
    settings,
    warnings: batches.warnings,
  };
}

function chooseArchitecture(settings: TrainSettings, shape: readonly number[]): Architecture {
  return settings.model === "auto" ? defaultArchitecture(shape, settings) : architecture(settings.model, settings);
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
