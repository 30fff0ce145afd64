import type { TrainSettings } from "../train/index.js";

export * from "../models/index.js";

/** How a model from a file is trained. */
export type FromOnnxOptions = Partial<
  Pick<TrainSettings, "train" | "headNode" | "pretrainedRate" | "foldedBatchNorm" | "normalize">
>;

/** A model from a file: `train` and `search` take it like a built-in one. */
export interface ModelFile {
  /** The file's path. */
  readonly name: string;
  readonly settings: Readonly<FromOnnxOptions>;
}

/**
 * A classifier from an ONNX file, to be trained or fine-tuned: exported by PyTorch, TensorFlow, Keras or isonorm. The file is read when training starts.
 *
 * @param options.train - which weights: `all` (default), `head`, `last:N` layers, or a regular expression on their names
 * @param options.headNode - name of the node to take for the classifier, by default the last linear layer before the output; one that is none gets a classifier behind it
 * @param options.pretrainedRate - learning rates of old weights, by those of new ones; default 1
 * @param options.foldedBatchNorm - what convolutions get that have no normalisation behind them: `insert` (default) or `plain`
 * @param options.normalize - what pixels are normalised by; default `auto`
 * @example
 * await train({ data: "flowers/", model: models.fromOnnx("resnet18.onnx", { train: "head" }) });
 */
export function fromOnnx(path: string, options: FromOnnxOptions = {}): ModelFile {
  return { name: path, settings: options };
}
