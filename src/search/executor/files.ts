import { join } from "node:path";

/** The study in a search's run folder. */
export const studyFile = (out: string): string => join(out, "study.db");

/** The run folder of one trial's training: trials/0007. */
export const trialFolder = (out: string, number: number): string =>
  join(out, "trials", String(number).padStart(4, "0"));
