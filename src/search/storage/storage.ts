import type { Candidate } from "../space.js";
import type { Ending, EpochMetrics, Study, Trial } from "../study.js";

/**
 * Where studies and their trials are kept: the only truth about a search. Whoever runs one, and however often it is killed, what stands here decides what is still to do.
 *
 * The contract, which `storageConformance` tests:
 *
 * - Ownership. A study and its list of trials are written by one owner, the process that runs the search. A trial that is running belongs to the worker that claimed it, and to
 *   nobody else; the claim's attempt number is its fencing token. Anyone may read at any time.
 * - Atomicity. Each call happens as a whole or not at all, also when its process is killed in the middle. What a call has returned survives the process.
 * - Fencing. `claimTrial` raises the trial's attempt number. `heartbeat`, `recordEpoch` and `endTrial` under another attempt number than the present one, or for a trial that is not running,
 *   change nothing and return false. So a worker that was given up for lost and comes back cannot disturb its successor.
 * - Once. A trial ends at most once, and its ending never changes. Repeating the very call that ended it (its answer got lost) returns true and changes nothing.
 * - Concurrency. Calls from several workers, processes or machines (as far as the backend reaches) take effect one after the other: two workers never claim the same attempt.
 * - Values. What is read equals what was written, numbers to the last bit. Returned objects are the caller's; changing them changes nothing stored.
 *
 * Calls that name a study or a trial that is not there throw ISO_STUDY_MISSING. A backend that waits for a lock in vain throws ISO_STUDY_LOCKED, and nothing has then changed.
 */
export interface StudyStorage {
  /** Adds a study. Throws ISO_RESUME_MISMATCH if there is one of that id which differs; adding the same again changes nothing. */
  createStudy(study: Study): Promise<void>;
  /** Oldest first. */
  studies(): Promise<Study[]>;
  study(studyId: string): Promise<Study>;

  /**
   * Adds trials, waiting, all or none, with `trialSeed` as seeds. One that is already there with the same candidate stays as it is; with another candidate it throws ISO_RESUME_MISMATCH.
   */
  addTrials(
    studyId: string,
    trials: readonly { readonly number: number; readonly candidate: Candidate }[],
  ): Promise<void>;
  /** By number. */
  trials(studyId: string): Promise<Trial[]>;

  /**
   * Gives the worker the first trial that is waiting or lost, now running under a new attempt number; undefined where there is none.
   *
   * @param now - milliseconds since 1970
   */
  claimTrial(studyId: string, worker: string, now: number): Promise<Trial | undefined>;
  /** A sign of life. Returns false if the claim is no longer the present one: the worker should stop. */
  heartbeat(claim: Claim, now: number, progress?: Progress): Promise<boolean>;
  /** Adds an epoch to the trial's learning curve, or replaces the one with the same number of steps (a repetition after a checkpoint). Returns false as `heartbeat`. */
  recordEpoch(claim: Claim, metrics: EpochMetrics): Promise<boolean>;
  /** By steps. */
  epochs(studyId: string, number: number): Promise<EpochMetrics[]>;
  /** Ends a trial with its result. Returns false if the claim is no longer the present one: the result is then not kept. */
  endTrial(claim: Claim, ending: Ending, now: number): Promise<boolean>;
  /**
   * Declares running trials without a sign of life since `before` as lost, and charges what they did beyond their last checkpoint as wasted. The owner calls it with Infinity when it starts:
   * what ran under its predecessor is gone.
   *
   * @returns those trials
   */
  loseTrials(studyId: string, before: number): Promise<Trial[]>;

  close(): Promise<void>;
}

/** Who speaks for a trial: the attempt that `claimTrial` returned. */
export type Claim = Pick<Trial, "studyId" | "number" | "attempt">;

/** How far a trial is, and how far its last checkpoint, in full trainings from the trial's start. */
export interface Progress {
  readonly done: number;
  readonly kept: number;
}
