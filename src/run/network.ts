import { existsSync } from "node:fs";
import { preprocessedShape } from "../classifier/index.js";
import { type Dataset, type InputStatistics, recordArray, type Splits } from "../data/core.js";
import { IsonormError } from "../errors.js";
import {
  asTrained,
  chooseNormalization,
  describeInput,
  foldedConvolutions,
  importModel,
  insertBatchNormalizations,
  type Moments,
  momentsGraph,
  ownStatistics,
  poolMoments,
  selectTrained,
  standardizeFeatures,
} from "../import/index.js";
import { analyseScaleInvariance, defaultScale } from "../method/index.js";
import { architecture, defaultArchitecture } from "../models/index.js";
import { encode, type Model } from "../onnx/index.js";
import { readModel } from "../onnx/node/index.js";
import type { AskedTrainSettings } from "../train/index.js";
import { openSession } from "./device.js";
import { requireModelMemory } from "./memory.js";
import { recordsTensor } from "./records.js";
import { workerOptions } from "./sessionOptions.js";

/** The network that is trained: a built-in one, or one from a file. */
export interface Network {
  readonly name: string;
  /** In inference form, with its first weights, the scale-invariant classifier at its end. */
  readonly model: Model;
  /** What its input is normalised by. */
  readonly statistics: InputStatistics;
  /** S of the classifier. */
  readonly scale: number;
  /** Whether a fresh classifier alone is trained, on features that stay. */
  readonly classifierAlone: boolean;
  /** Names of the weights that are trained. */
  readonly trained: ReadonlySet<string>;
  /** Names of those among them that come from the file. */
  readonly pretrained: ReadonlySet<string>;
  /** What was done to a model from a file. */
  readonly report: ImportReport | undefined;
}

/** What became of a model from a file. Plain data. */
export interface ImportReport {
  readonly file: string;
  /** The classifier that was found and what took its place, in a sentence. */
  readonly head: string;
  /** What was put before the old input. */
  readonly input: readonly string[];
  readonly normalization: string;
  /** Convolutions without any normalisation behind them, and whether each got a batch normalisation. */
  readonly foldedConvolutions: number;
  readonly insertedBatchNormalizations: number;
  /** Weights that are trained, and all. */
  readonly trained: number;
  readonly weights: number;
}

export const isModelFile = (model: string): boolean => /\.onnx$/i.test(model);

/** Throws ISO_MODEL_UNKNOWN, ISO_MODEL_UNREADABLE, or ISO_ARGUMENT for a setting that only a model from a file has, before any data is read. */
export function requireModel(settings: AskedTrainSettings): void {
  const { model, train, headNode, pretrainedRate } = settings;
  if (isModelFile(model)) {
    if (existsSync(model)) return;
    throw new IsonormError("ISO_MODEL_UNREADABLE", `there is no file ${model}`, "Check the path");
  }
  if (model !== "auto") architecture(model, settings);
  const option =
    train !== "all" ? "--train" : headNode ? "--head-node" : pretrainedRate !== 1 ? "--pretrained-rate" : undefined;
  if (option === undefined) return;
  throw new IsonormError(
    "ISO_ARGUMENT",
    `${option} is for models from an .onnx file: a built-in one starts from random weights`,
    "Leave it out, or give --model its.onnx",
  );
}

/**
 * Builds the network for the data, or reads it.
 *
 * @throws coded errors of models, onnx and import
 */
export async function openNetwork(
  splits: Splits,
  statistics: InputStatistics,
  settings: AskedTrainSettings,
  threads: number,
): Promise<Network> {
  requireModel(settings);
  return isModelFile(settings.model)
    ? fromFile(splits, statistics, settings, threads)
    : builtIn(splits, chooseNormalization(settings.normalize, statistics).statistics, settings);
}

function builtIn({ train }: Splits, statistics: InputStatistics, settings: AskedTrainSettings): Network {
  const shape = preprocessedShape(train.input, statistics);
  const chosen =
    settings.model === "auto" ? defaultArchitecture(shape, settings) : architecture(settings.model, settings);
  const { headNorm: norm, headFeatures: features } = settings;
  const classes = train.classes.length;
  const scale = settings.scale ?? defaultScale(classes, { norm, features });
  const model = chosen.build({ shape, classes, seed: settings.seed, head: { scale, norm, features } });
  const trained = new Set(weightNames(model));
  return {
    name: chosen.name,
    model,
    statistics,
    scale,
    classifierAlone: false,
    trained,
    pretrained: new Set(),
    report: undefined,
  };
}

async function fromFile(
  { train }: Splits,
  statistics: InputStatistics,
  settings: AskedTrainSettings,
  threads: number,
): Promise<Network> {
  const source = readModel(settings.model);
  const own = ownStatistics(source);
  const classifierOnly = settings.train === "head";
  const imported = importModel(source, {
    shape: preprocessedShape(train.input, own?.kind === "table" ? own : statistics),
    classes: train.classes,
    seed: settings.seed,
    scale: settings.scale,
    frozenExamples: classifierOnly ? train.size : undefined,
    norm: settings.headNorm,
    features: settings.headFeatures,
    headNode: settings.headNode,
  });
  const { head } = imported;
  const normalization = chooseNormalization(settings.normalize, statistics, { own, ...imported });
  const select = (model: Model): ReadonlySet<string> =>
    selectTrained(model.graph, weightNames(model), settings.train, head.weight);
  const folded = foldedConvolutions(imported.model.graph, select(imported.model));
  const insert = settings.foldedBatchNorm === "insert" && folded.length > 0;
  const measure = (names: readonly string[]): Promise<readonly Moments[]> =>
    measureMoments(imported.model, names, train, normalization.statistics, threads);
  // A fresh classifier behind a trained network that stays, or most of it, gets its features standardised, once and for all.
  const standardize = settings.train !== "all" && !head.keptWeight;
  const layer = imported.model.graph.nodes.find(({ inputs }) => inputs[1] === head.weight)!;
  const measured = [
    ...(insert ? folded.map(({ outputs }) => outputs[0]!) : []),
    ...(standardize ? [layer.inputs[0]!] : []),
  ];
  const moments = measured.length > 0 ? await measure(measured) : [];
  const inserted = insert ? insertBatchNormalizations(imported.model, folded, moments) : imported.model;
  const { model, fixed } = standardize
    ? standardizeFeatures(inserted, moments.at(-1)!)
    : { model: inserted, fixed: new Set<string>() };
  const trained = new Set([...select(model)].filter((name) => !fixed.has(name)));
  return {
    name: settings.model,
    model,
    statistics: normalization.statistics,
    scale: head.scale,
    classifierAlone: classifierOnly && !head.keptWeight,
    trained,
    pretrained: new Set([...trained].filter((name) => name !== head.weight || head.keptWeight)),
    report: {
      file: settings.model,
      head: head.description,
      input: imported.inputSteps,
      normalization: normalization.words,
      foldedConvolutions: folded.length,
      insertedBatchNormalizations: insert ? folded.length : 0,
      trained: trained.size,
      weights: weightNames(inserted).length,
    },
  };
}

const weightNames = (model: Model): readonly string[] => analyseScaleInvariance(model.graph).map(({ name }) => name);

/** Training examples that batch normalisations which are put in are given the statistics of. */
const mostMeasured = 1024;

async function measureMoments(
  model: Model,
  names: readonly string[],
  data: Dataset,
  statistics: InputStatistics,
  threads: number,
): Promise<readonly Moments[]> {
  const batch = Math.min(64, data.size);
  const measuring = momentsGraph(model, names, data.input, statistics, batch);
  requireModelMemory(measuring, "mean 0", `measuring the model on ${batch} examples`);
  const session = await openSession(encode(measuring), { device: "cpu", threads }, { options: workerOptions });
  try {
    const measured = names.map((): { mean: Float32Array; variance: Float32Array }[] => []);
    // Spread over the whole split, which may stand in the order of its classes.
    const batches = Math.max(1, Math.floor(Math.min(mostMeasured, data.size) / batch));
    const records = recordArray(data.dtype, batch * data.recordLength);
    for (let index = 0; index < batches; index++) {
      const examples = Array.from({ length: batch }, (_, row) =>
        Math.floor(((row * batches + index) * data.size) / (batch * batches)),
      );
      data.read(examples, records);
      const results = await session.run({ records: recordsTensor(data, records, batch) });
      measured.forEach((moments, layer) => {
        const [mean, variance] = ["mean", "variance"].map((name) => results[`${name} ${layer}`]!.data as Float32Array);
        moments.push({ mean: mean!, variance: variance! });
      });
    }
    return measured.map(poolMoments);
  } finally {
    await session.release();
  }
}

/**
 * The size of images that a model from a file declares; undefined where it takes any, or no images.
 *
 * @throws ISO_MODEL_UNSUITABLE for a size that no image has
 */
export function modelImageSize(file: string): { height: number; width: number } | undefined {
  const { height, width } = describeInput(asTrained(readModel(file)).graph);
  if (height === undefined || width === undefined) return undefined;
  if (Math.max(height, width) <= 8192) return { height, width };
  throw new IsonormError(
    "ISO_MODEL_UNSUITABLE",
    `${file} takes images of ${height}x${width} pixels`,
    "Give a model for images of at most 8192x8192",
  );
}
