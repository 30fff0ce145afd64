/**
 * isonorm for Node: train and use classifiers.
 *
 * @example
 * import { data, models, train } from "isonorm";
 *
 * const run = await train({
 *   data: await data.imageFolder("flowers/"), // a folder a class
 *   model: models.resnet20({ width: 16 }),
 *   epochs: 10,
 * });
 * await run.classifier.save("flowers.onnx");
 *
 * @module
 */
export type { Dataset, ImageDescription, InputDescription, TableDescription } from "./data/index.js";
export { type CheckReport, checkData, openForClassifier } from "./data/index.js";
export { type ErrorCode, IsonormError } from "./errors.js";
export type { Evaluation } from "./metrics/index.js";
export * as models from "./models/index.js";
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

import { Classifier } from "./run/index.js";

/**
 * Loads an exported classifier: a model.onnx, or the run folder that holds it.
 *
 * @example
 * const classifier = await loadClassifier("flowers.onnx");
 * const [{ label, probability }] = await classifier.predict(["rose.jpg"]);
 */
export const loadClassifier = Classifier.load;
