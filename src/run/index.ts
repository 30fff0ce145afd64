export { Classifier, type Example, type Prediction } from "./classifier.js";
export { type ArraySource, type DataSource, type DataSourceOptions, data } from "./dataSource.js";
export { type EvaluationData, openEvaluationData } from "./evaluationData.js";
export type { DoneEvent, Score, TrainingEvent } from "./events.js";
export type { TrainingJob } from "./job.js";
export {
  type DataSettings,
  dataSettings,
  isRunFolder,
  newRunFolder,
  RunFolder,
  type RunRecord,
  readRun,
  runFiles,
} from "./runFolder.js";
export type { ServedBatch } from "./served.js";
export { type RunTrainingOptions, runTraining } from "./spawn.js";
export type { TableRow } from "./tableRows.js";
export { type TrainedRun, Training, type TrainOptions, train } from "./training.js";
export { packageVersion, versions } from "./versions.js";
