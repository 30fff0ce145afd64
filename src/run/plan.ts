import { createHash } from "node:crypto";
import {
  augmentationSchema,
  type BatchSource,
  batchSource,
  defaultAugmentation,
  type InputDescription,
  noAugmentation,
} from "../data/core.js";
import { IsonormError } from "../errors.js";
import { dependents } from "../graph/index.js";
import type { LowerOptions } from "../lowering/index.js";
import { analyseScaleInvariance, defaultEffectiveLearningRateFor, type WeightProof } from "../method/index.js";
import { elementCount, encode } from "../onnx/index.js";
import { adam, type Optimizer, sgd } from "../optim/index.js";
import {
  type AskedTrainSettings,
  type CompiledStep,
  compileStep,
  defaultBatchSize,
  defaultEpochs,
  defaultLabelSmoothing,
  type TrainSettings,
  totalSteps,
} from "../train/index.js";
import type { Device } from "./deviceName.js";
import { requireStepMemory } from "./memory.js";
import type { Network } from "./network.js";
import type { TrainedPart } from "./trainedPart.js";

/** A training with everything decided and nothing opened: the network, its compiled step, the order of the batches. */
export interface PlannedTraining {
  readonly network: Network;
  /** What the step is compiled for. */
  readonly part: TrainedPart;
  /** SHA-256 of the model as training begins. */
  readonly modelHash: string;
  /** Trained numbers. */
  readonly parameters: number;
  readonly proofs: readonly WeightProof[];
  readonly step: CompiledStep;
  readonly batches: BatchSource;
  readonly totalSteps: number;
  /** With "auto" and defaults resolved. */
  readonly settings: TrainSettings;
  readonly warnings: readonly string[];
}

/**
 * Compiles the training step; needs no ONNX Runtime.
 *
 * @param lowering - what decides how the step is lowered, see `LowerOptions`
 * @throws coded errors of settings and model; ISO_MEMORY where a step on the CPU takes more memory than there is
 */
export function planTraining(
  network: Network,
  part: TrainedPart,
  asked: AskedTrainSettings,
  device: Device = "cpu",
  lowering: Pick<LowerOptions, "channelBlock" | "costs"> = {},
): PlannedTraining {
  const { train } = part.splits;
  const classes = train.classes.length;
  const labelSmoothing = asked.labelSmoothing ?? (network.classifierAlone ? defaultLabelSmoothing(train.size) : 0);
  const batches = batchSource({
    dataset: train,
    batchSize: asked.batchSize === "auto" ? defaultBatchSize(train.size) : asked.batchSize,
    seed: asked.seed,
    augmentation: chooseAugmentation(asked.augmentation, train.input),
    labelSmoothing,
    classWeights: asked.classWeights,
  });
  const epochs = asked.epochs === "auto" ? defaultEpochs(train.size) : asked.epochs;
  const { graph } = part.model;
  const trains = dependents(graph, network.trained);
  const frozen = new Set(asked.train === "all" ? [] : graph.nodes.filter((node) => !trains.has(node)));
  const proofs = analyseScaleInvariance(graph, {
    batchNormalization: (node) => (frozen.has(node) ? "inference" : "training"),
  }).filter(({ name }) => network.trained.has(name));
  const settings: TrainSettings = {
    ...asked,
    model: network.name,
    scale: network.scale,
    epochs,
    batchSize: batches.batchSize,
    labelSmoothing,
    elr: asked.elr ?? defaultEffectiveLearningRateFor(proofs, asked.baseRule, asked.fixedNorm),
  };
  const step = compileStep(part.model, {
    input: train.input,
    statistics: part.statistics,
    classes,
    batchSize: batches.batchSize,
    proofs,
    frozen,
    pretrained: network.pretrained,
    pretrainedRate: settings.pretrainedRate,
    optimizer: chooseOptimizer(settings),
    fixedNorm: settings.fixedNorm,
    baseRule: settings.baseRule,
    weightDecay: settings.weightDecay,
    clip: settings.clip,
    ema: settings.ema,
    seed: settings.seed,
    target: device,
    ...lowering,
  });
  // A graphics processor's memory is its own.
  if (device === "cpu") requireStepMemory({ step, batches });
  return {
    network,
    part,
    modelHash: createHash("sha256").update(encode(network.model)).digest("hex"),
    parameters: step.state.reduce(
      (sum, { role, initial }) => (role === "weight" ? sum + elementCount(initial.shape) : sum),
      0,
    ),
    proofs,
    step,
    batches,
    totalSteps: totalSteps(epochs, batches.batchesPerEpoch),
    settings,
    warnings: batches.warnings,
  };
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
