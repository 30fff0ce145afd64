import { z } from "zod";
import { IsonormError } from "../errors.js";

/**
 * Everything that decides a training, apart from the data itself and the machine. It stands in run.json; a resumed run must have the same.
 */
export const trainSettings = z.strictObject({
  /** Name of a built-in model, or the path of an .onnx file; "auto" chooses by the data. */
  model: z.string().min(1).default("auto"),
  /** Channels of a built-in image model's first stage; of MobileNetV2 and EfficientNet a multiplier of all channels. */
  width: z.number().positive().max(4096).optional(),
  /** Widths of an MLP's hidden layers. */
  hidden: z.array(z.int().positive().max(65536)).min(1).max(64).optional(),
  /** Probability of dropout in a built-in model that has it. */
  dropout: z.number().min(0).lt(1).optional(),
  /** Probability of drop path in a built-in model's last block. */
  dropPath: z.number().min(0).lt(1).optional(),
  /** Of a vision transformer: side of a patch in pixels, numbers a token, blocks, attention heads. */
  patch: z.int().positive().max(1024).optional(),
  dim: z.int().positive().max(8192).optional(),
  depth: z.int().positive().max(128).optional(),
  heads: z.int().positive().max(128).optional(),

  /** Which weights of an .onnx model are trained: `all`, `head`, `last:N` layers, or a regular expression on their names. */
  train: z.string().min(1).default("all"),
  /** Name of the node of an .onnx model to take for its classifier. */
  headNode: z.string().min(1).optional(),
  /** What the convolutions of an .onnx model get whose batch normalisations were folded into them: new ones, or nothing. */
  foldedBatchNorm: z.enum(["insert", "plain"]).default("insert"),
  /** Learning rates of an .onnx model's old weights, by those of new ones. */
  pretrainedRate: z.number().positive().max(1000).default(1),
  /** What pixels are normalised by; `auto` is what an .onnx model was trained with where that is known, else the data's own statistics. */
  normalize: z.enum(["auto", "data", "imagenet", "unit", "signed", "raw"]).default("auto"),

  /** Passes over the training split; a fraction trains part of a pass, with the whole schedule compressed into it. "auto" by size. */
  epochs: z.union([z.literal("auto"), z.number().positive().max(1e6)]).default("auto"),
  batchSize: z.union([z.literal("auto"), z.int().positive().max(65536)]).default("auto"),
  seed: z
    .int()
    .nonnegative()
    .max(2 ** 32 - 1)
    .default(0),

  /** Effective learning rate of the scale-invariant weights; by default that of the base rule, lower for large networks. */
  elr: z.number().optional(),
  /** Learning rate of the weights that are not scale-invariant; by default 0.05 for SGD, 0.002 for Adam. */
  lr: z.number().nonnegative().optional(),
  /** S of the scale-invariant linear layer; undefined is the default, see `defaultScale`. */
  scale: z.number().positive().optional(),
  headNorm: z.enum(["tensor", "row"]).default("tensor"),
  headFeatures: z.enum(["raw", "unit"]).default("raw"),
  /** "none" leaves the norm free: the plain baseline, whose learning rate is `lr` for all weights. */
  fixedNorm: z.enum(["tensor", "channel", "none"]).default("tensor"),
  /** By default that which suits the optimizer: Adam's update does not grow with the gradient, so it needs `angular`. */
  baseRule: z.enum(["sgd", "angular"]).optional(),
  optimizer: z.enum(["sgd", "adam"]).default("sgd"),
  momentum: z.number().min(0).max(0.9999).default(0.9),
  nesterov: z.boolean().default(false),
  beta2: z.number().min(0).max(0.99999).default(0.999),
  /** Only for the plain baseline (`fixedNorm: "none"`). */
  weightDecay: z.number().nonnegative().default(0),
  schedule: z.enum(["cosine", "linear", "constant"]).default("cosine"),
  /** Share of the steps in which the learning rates rise linearly from 0. */
  warmup: z.number().min(0).max(0.9).default(0),
  /** Largest global gradient norm; undefined does not clip. */
  clip: z.number().positive().optional(),
  /** Decay per step of a moving average of the weights that validation and export use; undefined keeps none. */
  ema: z.number().gt(0).lt(1).optional(),

  /** By default none, but where a classifier alone is trained. */
  labelSmoothing: z.number().min(0).lt(1).optional(),
  classWeights: z.union([z.enum(["none", "auto"]), z.record(z.string(), z.number().positive())]).default("none"),
  /** "auto" chooses by the data. */
  augmentation: z.union([z.enum(["auto", "none"]), z.record(z.string(), z.unknown())]).default("auto"),

  /** Which weights the run ends with: those of the epoch with the best validation accuracy (ties: loss), or the last. */
  keep: z.enum(["best", "last"]).default("last"),
  /** Stop when validation accuracy and loss have not improved for that many epochs; undefined never. */
  patience: z.int().positive().optional(),
});

/** All settings, with defaults that depend on others filled in. */
export const resolvedTrainSettings = trainSettings.required({
  elr: true,
  lr: true,
  baseRule: true,
  labelSmoothing: true,
});

export type TrainSettings = z.output<typeof resolvedTrainSettings>;

/** Settings as they are asked for: which effective learning rate and label smoothing are the defaults is seen when the network is known. */
export type AskedTrainSettings = Omit<TrainSettings, "elr" | "labelSmoothing"> &
  Pick<z.output<typeof trainSettings>, "elr" | "labelSmoothing">;

/** Fills in defaults, except for the effective learning rate. Throws ISO_ARGUMENT naming the setting, ISO_ELR_INVALID for an effective learning rate that is not positive. */
export function parseTrainSettings(input: z.input<typeof trainSettings>): AskedTrainSettings {
  if (input.elr !== undefined && !(input.elr > 0 && Number.isFinite(input.elr)))
    throw new IsonormError(
      "ISO_ELR_INVALID",
      `the effective learning rate must be a positive number, but is ${input.elr}`,
      "Leave it out for the default, at most 2^-8.5 (0.00276), or search for it",
    );
  const parsed = trainSettings.safeParse(input);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new IsonormError(
      "ISO_ARGUMENT",
      `setting ${issue.path.join(".") || "(settings)"} is wrong: ${issue.message}`,
      "See isonorm train --help for what it takes",
    );
  }
  const settings = parsed.data;
  if (settings.weightDecay > 0 && settings.fixedNorm !== "none")
    throw new IsonormError(
      "ISO_ARGUMENT",
      `weight decay ${settings.weightDecay} has no place beside the fixed norm, which takes over its effect`,
      "Leave weight decay out, or compare with the plain baseline (--fixed-norm none)",
    );
  const baseRule = settings.baseRule ?? (settings.optimizer === "adam" ? "angular" : "sgd");
  return {
    ...settings,
    baseRule,
    lr: settings.lr ?? (settings.optimizer === "adam" ? 0.002 : 0.05),
  };
}

/** Training steps of a whole run. At least one. */
export function totalSteps(epochs: number, stepsPerEpoch: number): number {
  return Math.max(1, Math.round(epochs * stepsPerEpoch));
}

/**
 * Batch size for data that the user chose none for: 64, and for small data so few that a pass has about 16 steps. Twice the steps of the usual 128 count for more than
 * their noise while trainings are short (docs/decisions.md).
 */
export function defaultBatchSize(examples: number): number {
  return examples >= 500 ? 64 : Math.max(4, 2 ** Math.round(Math.log2(Math.max(examples, 32) / 16)));
}

/** Passes over the data that the user chose no number for: small data needs more of them to make enough steps. */
export function defaultEpochs(examples: number): number {
  if (examples >= 50_000) return 10;
  if (examples >= 5_000) return 20;
  return 40;
}

/**
 * Label smoothing of a classifier alone, on features that stay: few examples are soon all told apart, and a target short of certainty then keeps the logits from being driven
 * further apart by what happens to tell just these ones apart (docs/decisions.md). 0.1 for 90 examples, 0.2 at most.
 */
export function defaultLabelSmoothing(examples: number): number {
  return Math.min(0.2, 0.45 / Math.cbrt(examples));
}
