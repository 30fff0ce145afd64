import { IsonormError } from "../errors.js";
import { type AugmentationSettings, noAugmentation, recordAugmenter } from "./augment.js";
import type { Dataset } from "./dataset.js";
import { mixup } from "./mixup.js";
import { epochOrder, Random } from "./random.js";
import { recordArray } from "./sequential.js";
import { type ClassWeights, classWeightVector, targetRows } from "./targets.js";

export interface BatchSettings {
  readonly dataset: Dataset;
  /** Examples a batch, at least 1. */
  readonly batchSize: number;
  readonly seed: number;
  /** None by default; `defaultAugmentation` knows what suits the data. */
  readonly augmentation?: AugmentationSettings;
  /** In [0, 1); 0 by default. */
  readonly labelSmoothing?: number;
  /** "none" by default. */
  readonly classWeights?: ClassWeights;
}

export interface Batch {
  /** [count, ...record] */
  readonly records: Uint8Array | Float32Array;
  /** Soft targets with class weights, label smoothing and mixup folded in; [count, classes]. */
  readonly targets: Float32Array;
  /** Examples in this batch: always `batchSize`. */
  readonly count: number;
}

/** Where a training takes its batches from: a {@link BatchSource}, or what prepares its batches ahead. */
export interface BatchFeed {
  readonly batchSize: number;
  /** The batch of that number; the caller may keep it. */
  batch(epoch: number, index: number): Batch | Promise<Batch>;
}

/** The training batches of a run, each a pure function of (settings, epoch, index): a resumed run sees what the interrupted one would have seen. */
export interface BatchSource extends BatchFeed {
  readonly settings: BatchSettings;
  /** What was asked for, or the size of the dataset where that is smaller. */
  readonly batchSize: number;
  /** Full batches in an epoch; the rest of an epoch's order is left out, and is another rest in every epoch. */
  readonly batchesPerEpoch: number;
  readonly warnings: readonly string[];
  /** Freshly allocated. 0 <= index < batchesPerEpoch */
  batch(epoch: number, index: number): Batch;
}

/**
 * @throws ISO_ARGUMENT for a batch size, smoothing or class weight out of range, ISO_DATA_EMPTY for a dataset without examples
 * @example
 * const source = batchSource({ dataset: splits.train, batchSize: 128, seed: 0 });
 * const { records, targets } = source.batch(0, 0);
 */
export function batchSource(settings: BatchSettings): BatchSource {
  const { dataset, seed, augmentation = noAugmentation, labelSmoothing = 0, classWeights = "none" } = settings;
  if (dataset.size === 0)
    throw new IsonormError("ISO_DATA_EMPTY", "The split has no examples", "Give data with examples");
  if (!(Number.isInteger(settings.batchSize) && settings.batchSize >= 1)) {
    throw new IsonormError("ISO_ARGUMENT", `The batch size is ${settings.batchSize}`, "Give an integer of at least 1");
  }
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new IsonormError(
      "ISO_ARGUMENT",
      `Label smoothing is ${labelSmoothing}`,
      "Give a number from 0 up to, but not including, 1",
    );
  }
  const batchSize = Math.min(settings.batchSize, dataset.size);
  const warnings =
    batchSize < settings.batchSize
      ? [
          `The training split has ${dataset.size} examples: the batch size is ${batchSize} instead of ${settings.batchSize}.`,
        ]
      : [];
  const batchesPerEpoch = Math.floor(dataset.size / batchSize);
  const classes = dataset.classes.length;
  const rows = targetRows(classWeightVector(classWeights, dataset), labelSmoothing);
  const augment = dataset.input.kind === "image" ? recordAugmenter(augmentation, dataset.input) : undefined;
  const draws = new Random(seed, "augment");
  const shareDraws = new Random(seed, "mixup share");
  const partnerDraws = new Random(seed, "mixup partner");
  let held: { epoch: number; order: Uint32Array } | undefined;

  return {
    settings,
    batchSize,
    batchesPerEpoch,
    warnings,
    batch(epoch, index) {
      if (!(Number.isInteger(index) && index >= 0 && index < batchesPerEpoch)) {
        throw new IsonormError(
          "ISO_INTERNAL",
          `Batch ${index} of ${batchesPerEpoch} was asked for`,
          "Report this as a bug",
        );
      }
      if (held?.epoch !== epoch) held = { epoch, order: epochOrder(seed, epoch, dataset.size) };
      const examples = held.order.subarray(index * batchSize, (index + 1) * batchSize);
      const records = recordArray(dataset.dtype, batchSize * dataset.recordLength);
      const targets = new Float32Array(batchSize * classes);
      dataset.read(examples, records);
      for (let i = 0; i < batchSize; i++) {
        const label = dataset.labels[examples[i]!]!;
        targets.set(rows.subarray(label * classes, (label + 1) * classes), i * classes);
        augment?.(records as Uint8Array, i * dataset.recordLength, draws.at(epoch, examples[i]!));
      }
      if (augmentation.mixup > 0) {
        const alpha = augmentation.mixup;
        const shares = Float64Array.from(examples, (example) => shareDraws.at(epoch, example).beta(alpha, alpha));
        const partners = partnerDraws.at(epoch, index).shuffle(Uint32Array.from(examples, (_, i) => i));
        mixup({ input: dataset.input, records, targets, count: batchSize, partners, shares });
      }
      return { records, targets, count: batchSize };
    },
  };
}
