export { renderTrainingReport } from "./renderTrainingReport.js";
export type {
  DataSummary,
  EpochRecord,
  ReportedImage,
  ReportedMistake,
  ReportedWeight,
  Setting,
  TrainingReport,
  TrainingStatus,
} from "./trainingReport.js";
