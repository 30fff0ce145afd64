export { renderSearchReport } from "./renderSearchReport.js";
export { renderTrainingReport } from "./renderTrainingReport.js";
export type { ReportedTrial, Rung, SearchReport, TrialEpoch, TrialState } from "./searchReport.js";
export { type PlotPoint, type TerminalPlot, type TerminalPlotOptions, terminalPlot } from "./terminalPlot.js";
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
