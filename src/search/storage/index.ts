export { openStudyFile, type StudyFileOptions } from "./file.js";
export { MemoryStorage } from "./memory.js";
export type { Claim, Progress, StudyStorage } from "./storage.js";
