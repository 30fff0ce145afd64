/**
 * isonorm for Node: find the effective learning rate, train and use classifiers.
 *
 * @example
 * import { data, models, search } from "isonorm";
 *
 * const study = await search({
 *   data: await data.imageFolder("flowers/"), // a folder a class
 *   model: models.resnet20({ width: 16 }),
 *   epochs: 10,
 * });
 * await study.best.classifier.save("flowers.onnx");
 *
 * @module
 */
export type { Dataset, ImageDescription, InputDescription, TableDescription } from "./data/index.js";
export { type CheckReport, checkData, openForClassifier } from "./data/index.js";
export { type ErrorCode, IsonormError } from "./errors.js";
export type { Evaluation } from "./metrics/index.js";
export {
  Classifier,
  type DataSource,
  type DataSourceOptions,
  type DoneEvent,
  data,
  type EvaluationData,
  type Example,
  openEvaluationData,
  type Prediction,
  packageVersion as version,
  type TableRow,
  type TrainedRun,
  Training,
  type TrainingEvent,
  type TrainOptions,
  train,
} from "./run/index.js";
export * as models from "./run/models.js";
export {
  type FinishedSearch,
  Search,
  type SearchDone,
  type SearchEvent,
  type SearchOptions,
  search,
  type TrialSummary,
} from "./search/executor/index.js";

import { Classifier } from "./run/index.js";

/**
 * Loads an exported classifier: a model.onnx, or the run folder that holds it.
 *
 * @example
 * const classifier = await loadClassifier("flowers.onnx");
 * const [{ label, probability }] = await classifier.predict(["rose.jpg"]);
 */
export const loadClassifier = Classifier.load;
