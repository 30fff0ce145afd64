import type { Command } from "commander";
import type { z } from "zod";
import { IsonormError } from "../errors.js";
import type { DataSettings } from "../run/record.js";
import type { trainSettings } from "../train/settings.js";

/** The options that every command which trains has. Texts only: values are read by {@link readTrainingOptions}. */
export function addTrainingOptions(command: Command): Command {
  return command
    .option(
      "--model <name|file>",
      "mlp, convnet, resnet20, resnet32, resnet56, resnet18, resnet34, resnet50, mobilenetv2, efficientnet-b0, vit-tiny; or an .onnx file (default: by the data)",
    )
    .option(
      "--width <x>",
      "channels of the first stage (convnet and resnet20 to 56: default 16; resnet18 to 50: 64), or the width multiplier (mobilenetv2, efficientnet-b0: 1)",
    )
    .option(
      "--train <what>",
      "of an .onnx model: all, head, last:N layers, or a regular expression on weights (default all)",
    )
    .option(
      "--head-node <name>",
      "node of an .onnx model to take for its classifier (default: its last linear layer); one that is none gets a classifier behind it",
    )
    .option("--pretrained-rate <x>", "learning rates of an .onnx model's old weights, by those of new ones (default 1)")
    .option(
      "--folded-batch-norm <insert|plain>",
      "for convolutions that have no normalisation behind them (default insert)",
    )
    .option("--normalize <auto|data|imagenet|unit|signed|raw>", "what pixels are normalised by (default auto)")
    .option("--hidden <n,n,...>", "widths of an MLP's hidden layers (default 128,128)")
    .option(
      "--dropout <p>",
      "mobilenetv2 and efficientnet-b0: before the classifier (default 0.2); vit-tiny (default 0)",
    )
    .option("--drop-path <p>", "drop path in the last block (efficientnet-b0: default 0.2; vit-tiny: 0.1)")
    .option("--patch <n>", "vit-tiny: side of a patch in pixels (default: by the image size; 16 at 224, 4 at 32)")
    .option("--dim <n>", "vit-tiny: numbers a token (default 192)")
    .option("--depth <n>", "vit-tiny: blocks (default 12)")
    .option("--heads <n>", "vit-tiny: attention heads (default 3)")
    .option("--epochs <x>", "passes over the training split (default: by its size)")
    .option("--batch-size <n>", "examples a step (default: by the size of the data)")
    .option("--seed <n>", "seed of everything random (default 0)")
    .option("--validation <share|path>", "validation split: a share of the training data, or data of its own")
    .option("--test <share|path>", "test split: a share, data of its own, or 0 for none")
    .option("--label <column>", "label column of a table (default: named label, class or target, else the last)")
    .option("--categorical <columns>", "columns of a table to take as categories, separated by commas")
    .option("--no-header", "the table's first row is data")
    .option("--image-size <n|HxW>", "size that images are brought to")
    .option("--strict", "refuse unreadable images instead of skipping them")
    .option("--lr <x>", "learning rate of weights that are not scale-invariant (default 0.05)")
    .option(
      "--scale <x>",
      "scale S of the scale-invariant linear layer (default 2.5 sqrt(classes); by features and examples with --train head)",
    )
    .option("--head-norm <tensor|row>", "norm of the classifier's weight (default tensor)")
    .option("--head-features <raw|unit>", "features of the classifier (default raw)")
    .option(
      "--fixed-norm <tensor|channel|none>",
      "granularity of the fixed norm; none is the plain baseline (default tensor)",
    )
    .option("--base-rule <sgd|angular>", "what the effective learning rate means (default sgd)")
    .option("--optimizer <sgd|adam>", "default sgd")
    .option("--momentum <x>", "default 0.9; Adam's beta1")
    .option("--nesterov", "Nesterov's momentum")
    .option("--beta2 <x>", "Adam's beta2 (default 0.999)")
    .option("--weight-decay <x>", "only with --fixed-norm none")
    .option("--schedule <cosine|linear|constant>", "default cosine")
    .option("--warmup <share>", "share of the steps in which the rates rise (default 0)")
    .option("--clip <x>", "largest global gradient norm")
    .option("--ema <decay>", "keep a moving average of the weights, and use it")
    .option("--label-smoothing <x>", "default 0; with --train head by the number of examples")
    .option("--class-weights <none|auto|name=x,...>", "default none")
    .option("--augmentation <auto|none|name=value,...>", "flip, crop, erase, jitter, mixup (default: by the data)")
    .option("--keep <best|last>", "weights to end with (default best)")
    .option("--patience <n>", "stop after so many epochs without gain")
    .option("--device <cpu|webgpu>", "what to train on (default cpu)")
    .option("--threads <n>", "threads of ONNX Runtime (default: one for each physical core)")
    .option("--out <folder>", "run folder (default: a new one under runs/)")
    .option("--resume [folder]", "go on with the run in that folder, or in --out");
}

/** What commander gives: strings, and true for flags. */
export type RawOptions = Readonly<Record<string, string | boolean | undefined>>;

type TrainInput = z.input<typeof trainSettings>;

/** Settings that the user gave on the command line; what was not given is absent. Throws ISO_ARGUMENT naming the option. */
export function readTrainSettings(options: RawOptions): TrainInput {
  const settings: Record<string, unknown> = {
    model: options.model,
    width: real(options, "width"),
    train: options.train,
    headNode: options.headNode,
    pretrainedRate: real(options, "pretrainedRate"),
    foldedBatchNorm: options.foldedBatchNorm,
    normalize: options.normalize,
    hidden: list(options, "hidden")?.map((text) => toNumber("hidden", text)),
    dropout: real(options, "dropout"),
    dropPath: real(options, "dropPath"),
    patch: integer(options, "patch"),
    dim: integer(options, "dim"),
    depth: integer(options, "depth"),
    heads: integer(options, "heads"),
    epochs: options.epochs === "auto" ? undefined : real(options, "epochs"),
    batchSize: options.batchSize === "auto" ? undefined : integer(options, "batchSize"),
    seed: integer(options, "seed"),
    elr: real(options, "elr"),
    lr: real(options, "lr"),
    scale: real(options, "scale"),
    headNorm: options.headNorm,
    headFeatures: options.headFeatures,
    fixedNorm: options.fixedNorm,
    baseRule: options.baseRule,
    optimizer: options.optimizer,
    momentum: real(options, "momentum"),
    nesterov: options.nesterov,
    beta2: real(options, "beta2"),
    weightDecay: real(options, "weightDecay"),
    schedule: options.schedule,
    warmup: real(options, "warmup"),
    clip: real(options, "clip"),
    ema: real(options, "ema"),
    labelSmoothing: real(options, "labelSmoothing"),
    classWeights: choiceOrPairs(options, "classWeights", ["none", "auto"]),
    augmentation: choiceOrPairs(options, "augmentation", ["none", "auto"]),
    keep: options.keep,
    patience: integer(options, "patience"),
  };
  for (const key of Object.keys(settings)) if (settings[key] === undefined) delete settings[key];
  return settings as TrainInput;
}

/** The data part of the options. */
export function readDataSettings(path: string, options: RawOptions): DataSettings {
  const settings: Record<string, unknown> = {
    path,
    validation: shareOrPath(options, "validation"),
    test: shareOrPath(options, "test"),
    label: options.label,
    strict: options.strict,
    noHeader: options.header === false ? true : undefined,
    imageSize: imageSize(options),
    categorical: list(options, "categorical"),
  };
  for (const key of Object.keys(settings)) if (settings[key] === undefined) delete settings[key];
  return settings as DataSettings;
}

export function integer(options: RawOptions, name: string): number | undefined {
  const value = real(options, name);
  if (value !== undefined && !Number.isInteger(value)) throw wrong(name, options[name], "a whole number");
  return value;
}

export function real(options: RawOptions, name: string): number | undefined {
  const text = options[name];
  return text === undefined ? undefined : toNumber(name, text);
}

/** Accepts 0.003, 3e-3 and 2^-8.5. */
function toNumber(name: string, text: string | boolean): number {
  const power = typeof text === "string" ? /^\s*2\^(-?[\d.]+)\s*$/.exec(text) : null;
  const value = power
    ? 2 ** Number(power[1])
    : typeof text === "string" && text.trim() !== ""
      ? Number(text)
      : Number.NaN;
  if (!Number.isFinite(value)) throw wrong(name, text, "a number");
  return value;
}

function list(options: RawOptions, name: string): string[] | undefined {
  const text = options[name];
  return typeof text === "string" ? text.split(",").map((part) => part.trim()) : undefined;
}

/** A share such as 0.2, or else a path. */
function shareOrPath(options: RawOptions, name: string): number | string | undefined {
  const text = options[name];
  if (typeof text !== "string") return undefined;
  const share = Number(text);
  if (text.trim() === "" || Number.isNaN(share)) return text;
  if (share < 0 || share >= 1) throw wrong(name, text, "a share from 0 to below 1, or a path");
  return share;
}

function imageSize(options: RawOptions): { height: number; width: number } | undefined {
  const text = options.imageSize;
  if (typeof text !== "string") return undefined;
  const match = /^(\d+)(?:x(\d+))?$/.exec(text);
  const [height, width] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  if (!(height > 0 && width > 0)) throw wrong("imageSize", text, "pixels such as 32 or 32x48 (height x width)");
  return { height, width };
}

/** One of the words, or name=value pairs with commas between them. */
function choiceOrPairs(options: RawOptions, name: string, words: readonly string[]): unknown {
  const text = options[name];
  if (typeof text !== "string" || words.includes(text)) return text;
  return Object.fromEntries(
    text.split(",").map((pair) => {
      const [key = "", value = ""] = pair.split("=");
      if (key === "") throw wrong(name, text, `${words.join(", ")} or name=value pairs`);
      if (value === "" || value === "true") return [key, true];
      if (value === "false") return [key, false];
      return [key, toNumber(name, value)];
    }),
  );
}

function wrong(name: string, received: unknown, wanted: string): IsonormError {
  const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  return new IsonormError(
    "ISO_ARGUMENT",
    `${option} takes ${wanted}, but got "${String(received)}"`,
    "See isonorm train --help",
  );
}
