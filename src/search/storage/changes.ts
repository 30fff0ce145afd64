import type { z } from "zod";
import { IsonormError } from "../../errors.js";
import type { Candidate } from "../space.js";
import { type Ending, resultSchema, type Study, type Trial, trialSeed } from "../study.js";
import type { Claim, Progress } from "./storage.js";

/** What each call of the contract does to a trial, as pure functions that the backends share. */

export function newTrial(study: Study, number: number, candidate: Candidate): Trial {
  const seed = trialSeed(study.seed, number);
  return {
    studyId: study.id,
    number,
    candidate,
    state: "waiting",
    attempt: 0,
    seed,
    cost: 0,
    done: 0,
    kept: 0,
    wasted: 0,
  };
}

export function claimed(trial: Trial, worker: string, now: number): Trial {
  const { attempt, startedAt = now } = trial;
  return { ...trial, state: "running", attempt: attempt + 1, worker, startedAt, heartbeatAt: now };
}

export function alive(trial: Trial, now: number, progress: Progress = trial): Trial {
  return { ...trial, heartbeatAt: now, done: progress.done, kept: progress.kept };
}

/** Throws ISO_INTERNAL for a result that is not a finite number: such a trial has diverged. */
export function over(trial: Trial, ending: Ending, now: number): Trial {
  if (ending.state === "complete") requireValid(resultSchema, ending.result, `the result of trial ${trial.number}`);
  const cost = ending.state === "complete" ? ending.result.cost : ending.cost;
  return {
    ...trial,
    state: ending.state,
    cost,
    done: cost,
    kept: cost,
    endedAt: now,
    ...(ending.state === "complete" && { result: ending.result }),
    ...(ending.state === "failed" && { error: ending.error }),
  };
}

/** Whether that is the very call that ended the trial. */
export function repeats(trial: Trial, claim: Claim, ending: Ending, now: number): boolean {
  if (trial.attempt !== claim.attempt || trial.endedAt !== now) return false;
  return canonical(over(trial, ending, now)) === canonical(trial);
}

/** The next attempt continues at the last checkpoint. */
export function lost(trial: Trial): Trial {
  const { done, kept, wasted } = trial;
  return { ...trial, state: "lost", wasted: wasted + Math.max(0, done - kept), done: kept };
}

export function requireValid(schema: z.ZodType, value: unknown, what: string): void {
  const parsed = schema.safeParse(value);
  if (parsed.success) return;
  const issue = parsed.error.issues[0]!;
  throw new IsonormError(
    "ISO_INTERNAL",
    `${what} cannot be stored, ${issue.path.join(".")}: ${issue.message}`,
    "Please report this",
  );
}

export function missingStudy(studyId: string, where: string): IsonormError {
  return new IsonormError(
    "ISO_STUDY_MISSING",
    `there is no study ${JSON.stringify(studyId)} in ${where}`,
    "isonorm search --list shows the studies that there are",
  );
}

export function missingTrial(studyId: string, number: number, where: string): IsonormError {
  return new IsonormError(
    "ISO_STUDY_MISSING",
    `study ${JSON.stringify(studyId)} in ${where} has no trial ${number}`,
    "isonorm search --show lists its trials",
  );
}

export function otherStudy(study: Study, where: string): IsonormError {
  return new IsonormError(
    "ISO_RESUME_MISMATCH",
    `${where} already has a study ${JSON.stringify(study.id)} with other settings, data or versions`,
    "Resume it with the settings that it was started with, or choose another output folder",
  );
}

export function otherCandidate(stored: Trial, candidate: Candidate): IsonormError {
  return new IsonormError(
    "ISO_RESUME_MISMATCH",
    `trial ${stored.number} is already there with ${JSON.stringify(stored.candidate)}, not ${JSON.stringify(candidate)}`,
    "Resume with the settings and the version that started the study, or begin a new one",
  );
}

/** JSON with sorted keys and without absent values: equal for equal contents. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
