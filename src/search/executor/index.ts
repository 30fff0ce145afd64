export type { CurvePoint, Optimum, SearchDone, SearchEvent, TrialEvent, TrialSummary } from "./events.js";
export { studyFile, trialFolder } from "./files.js";
export { type SearchJob, type StudySettings, studySettings } from "./open.js";
export { type RunSearchOptions, runSearch } from "./runSearch.js";
export { type FinishedSearch, Search, type SearchOptions, type StrategyOptions, search, strategyOf } from "./search.js";
