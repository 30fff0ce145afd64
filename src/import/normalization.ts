import { readDescription } from "../classifier/index.js";
import type { ImageStatistics, InputStatistics } from "../data/core.js";
import { IsonormError } from "../errors.js";
import type { Model } from "../onnx/index.js";

/** Mean and deviation of pixel / 255, channel by channel, as models are commonly trained with. */
const common = {
  /** Of ImageNet's training images (torchvision, timm). */
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], words: "ImageNet's mean and deviation" },
  unit: { mean: [0, 0, 0], std: [1, 1, 1], words: "pixels from 0 to 1" },
  signed: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], words: "pixels from -1 to 1" },
  raw: { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255], words: "pixels from 0 to 255" },
} as const;

export type Normalization = "auto" | "data" | keyof typeof common;

export interface NormalizationFacts {
  /** What the model's input was normalised by when it was trained, where it says so. */
  readonly own: InputStatistics | undefined;
  readonly takesBytes: boolean;
  /** Classes of its old classifier. */
  readonly previousClasses: number;
}

/** What a classifier that isonorm exported was trained with; undefined for any other model. */
export function ownStatistics(model: Model): InputStatistics | undefined {
  return model.metadata.has("isonorm.provenance") ? readDescription(model).statistics : undefined;
}

/**
 * What a model's input is to be normalised by. `auto`: what it was trained with, where it says so; bytes as they are, where it takes bytes; ImageNet's
 * statistics for a model with 1,000 classes; else the data's own.
 *
 * @param data - of the training split
 * @throws ISO_ARGUMENT where a choice for images meets a table; ISO_MODEL_UNSUITABLE where an exported model's columns are not the data's
 */
export function chooseNormalization(
  choice: Normalization,
  data: InputStatistics,
  model?: NormalizationFacts,
): { readonly statistics: InputStatistics; readonly words: string } {
  const fromData = { statistics: data, words: "the training data's mean and deviation" };
  if (choice === "data") return fromData;
  if (choice === "auto") {
    if (model?.own) return { statistics: requireFitting(model.own, data), words: "what the model was trained with" };
    if (data.kind === "table" || !model) return fromData;
    if (model.takesBytes) return images(data, "raw");
    return model.previousClasses === 1000 ? images(data, "imagenet") : fromData;
  }
  if (data.kind === "table")
    throw new IsonormError(
      "ISO_ARGUMENT",
      `normalization "${choice}" is for images, and the data is a table`,
      "Use auto or data",
    );
  return images(data, choice);
}

function images(data: ImageStatistics, name: keyof typeof common): { statistics: ImageStatistics; words: string } {
  const { mean, std, words } = common[name];
  const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const grey = data.mean.length === 1;
  return {
    statistics: { kind: "image", mean: grey ? [average(mean)] : mean, std: grey ? [average(std)] : std },
    words,
  };
}

function requireFitting(own: InputStatistics, data: InputStatistics): InputStatistics {
  const columns = (statistics: InputStatistics): number =>
    statistics.kind === "image" ? statistics.mean.length : statistics.numeric.length;
  if (own.kind === data.kind && columns(own) === columns(data)) return own;
  const say = (statistics: InputStatistics): string =>
    statistics.kind === "image"
      ? `images of ${columns(statistics)} channel${columns(statistics) === 1 ? "" : "s"}`
      : `tables of ${columns(statistics)} numeric columns`;
  throw new IsonormError(
    "ISO_MODEL_UNSUITABLE",
    `the model was trained on ${say(own)}, and the data has ${say(data)}`,
    "Give data of the same form",
  );
}
