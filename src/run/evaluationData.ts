import { existsSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import {
  type ClassifierData,
  type ClassifierDataOptions,
  type Dataset,
  joinDatasets,
  openData,
  openForClassifier,
  type Splits,
} from "../data/index.js";
import { IsonormError } from "../errors.js";
import type { Classifier } from "./classifier.js";
import type { DataSettings } from "./record.js";
import { isRunFolder, readRecord } from "./runFolder.js";

export interface EvaluationData extends ClassifierData {
  /** Whether it is the data that the classifier was trained on, whose splits are told apart. */
  readonly trainedOn: boolean;
}

/**
 * Opens labelled data to judge a classifier on. Of the data that it was trained on (told by its hash) the default is the test split, or the validation split
 * where there is no test split: examples that training saw say little. Of other data the default is its own test part, or all of it.
 *
 * @throws what `openForClassifier` throws
 */
export async function openEvaluationData(
  classifier: Classifier,
  path: string,
  options: ClassifierDataOptions = {},
): Promise<EvaluationData> {
  const folder = dirname(classifier.path);
  const trainedWith = isRunFolder(folder) ? readRecord(folder).data : undefined;
  const { split, ...asked } = options;
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  const splits = await reopen(classifier, path, trainedWith, given);
  if (splits) return { ...chooseSplit(path, splits, split), trainedOn: true };

  const label = options.label ?? trainedWith?.label;
  const opened = await openForClassifier(path, classifier, { ...options, ...(label === undefined ? {} : { label }) });
  const warnings =
    trainedWith && samePath(path, trainedWith.path) && opened.split === "all"
      ? [
          `The data in ${path} is not as it was when the classifier was trained, so its test split cannot be told: all examples are used, those that it was trained on included.`,
          ...opened.warnings,
        ]
      : opened.warnings;
  return { ...opened, warnings, trainedOn: false };
}

/** The splits of training, where the data is that of training. */
async function reopen(
  { provenance }: Classifier,
  path: string,
  trainedWith: DataSettings | undefined,
  asked: ClassifierDataOptions,
): Promise<Splits | undefined> {
  const { path: _, strict: _strict, ...settings } = trainedWith ?? { path };
  let splits: Splits;
  try {
    splits = await openData(path, { seed: provenance.splitSeed ?? provenance.seed, ...settings, ...asked });
  } catch (error) {
    // Data that cannot be trained on, for instance with one class, may still be evaluated.
    if (error instanceof IsonormError) return undefined;
    throw error;
  }
  if (splits.hash === provenance.dataHash) return splits;
  for (const dataset of [splits.train, splits.validation, splits.test]) dataset?.close();
  return undefined;
}

function chooseSplit(path: string, splits: Splits, wanted: ClassifierDataOptions["split"]): ClassifierData {
  const { train, validation, test, warnings } = splits;
  const split = wanted ?? (test ? "test" : "validation");
  const all = [train, validation, ...(test ? [test] : [])];
  const chosen: Dataset | undefined = split === "all" ? joinDatasets(all) : splits[split];
  if (!chosen) {
    for (const dataset of all) dataset.close();
    throw new IsonormError(
      "ISO_ARGUMENT",
      `the classifier was trained on ${path} without a test split`,
      "Use --split validation",
    );
  }
  const close = (): void => {
    for (const dataset of all) dataset.close();
  };
  return { dataset: { ...chosen, close }, split, warnings };
}

function samePath(a: string, b: string): boolean {
  return existsSync(a) && existsSync(b) && realpathSync(a) === realpathSync(b);
}
