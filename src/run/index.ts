export type { DoneEvent, Score, TrainingEvent } from "./events.js";
export type { TrainingJob } from "./job.js";
export { type DataSettings, dataSettings, isRunFolder, RunFolder, type RunRecord, readRun, runFiles } from "./runFolder.js";
export { type RunTrainingOptions, runTraining } from "./spawn.js";
export { packageVersion, versions } from "./versions.js";
