import type { Candidate } from "../space.js";
import { type Ending, type EpochMetrics, epochMetricsSchema, type Study, studySchema, type Trial } from "../study.js";
import {
  alive,
  canonical,
  claimed,
  lost,
  missingStudy,
  missingTrial,
  newTrial,
  otherCandidate,
  otherStudy,
  over,
  repeats,
  requireValid,
} from "./changes.js";
import type { Claim, Progress, StudyStorage } from "./storage.js";

const where = "this process's memory";

interface Kept {
  readonly study: Study;
  readonly trials: Map<number, Trial>;
  readonly epochs: Map<number, Map<number, EpochMetrics>>;
}

/** Keeps studies for the life of the process: for tests, and for searches in a browser. Each call runs to its end before another starts. */
export class MemoryStorage implements StudyStorage {
  readonly #studies = new Map<string, Kept>();

  async createStudy(study: Study): Promise<void> {
    const kept = this.#studies.get(study.id);
    requireValid(studySchema, study, `study ${study.id}`);
    if (kept && canonical(kept.study) !== canonical(study)) throw otherStudy(study, where);
    if (!kept) this.#studies.set(study.id, { study: structuredClone(study), trials: new Map(), epochs: new Map() });
  }

  async studies(): Promise<Study[]> {
    return structuredClone(
      [...this.#studies.values()].map(({ study }) => study).sort((a, b) => a.createdAt - b.createdAt),
    );
  }

  async study(studyId: string): Promise<Study> {
    return structuredClone(this.#kept(studyId).study);
  }

  async addTrials(
    studyId: string,
    trials: readonly { readonly number: number; readonly candidate: Candidate }[],
  ): Promise<void> {
    const kept = this.#kept(studyId);
    for (const { number, candidate } of trials) {
      const stored = kept.trials.get(number);
      if (stored && canonical(stored.candidate) !== canonical(candidate)) throw otherCandidate(stored, candidate);
    }
    for (const { number, candidate } of trials)
      if (!kept.trials.has(number)) kept.trials.set(number, newTrial(kept.study, number, structuredClone(candidate)));
  }

  async trials(studyId: string): Promise<Trial[]> {
    return structuredClone(this.#sorted(studyId));
  }

  async claimTrial(studyId: string, worker: string, now: number): Promise<Trial | undefined> {
    const open = this.#sorted(studyId).find(({ state }) => state === "waiting" || state === "lost");
    return open && this.#put(claimed(open, worker, now));
  }

  async heartbeat(claim: Claim, now: number, progress?: Progress): Promise<boolean> {
    const trial = this.#present(claim);
    if (trial) this.#put(alive(trial, now, progress));
    return trial !== undefined;
  }

  async recordEpoch(claim: Claim, metrics: EpochMetrics): Promise<boolean> {
    requireValid(epochMetricsSchema, metrics, `an epoch of trial ${claim.number}`);
    const trial = this.#present(claim);
    if (!trial) return false;
    const { epochs } = this.#kept(claim.studyId);
    const ofTrial = epochs.get(claim.number) ?? new Map<number, EpochMetrics>();
    epochs.set(claim.number, ofTrial.set(metrics.steps, structuredClone(metrics)));
    return true;
  }

  async epochs(studyId: string, number: number): Promise<EpochMetrics[]> {
    this.#trial(studyId, number);
    const ofTrial = this.#kept(studyId).epochs.get(number);
    return structuredClone([...(ofTrial?.values() ?? [])].sort((a, b) => a.steps - b.steps));
  }

  async endTrial(claim: Claim, ending: Ending, now: number): Promise<boolean> {
    const trial = this.#present(claim);
    if (!trial) return repeats(this.#trial(claim.studyId, claim.number), claim, ending, now);
    this.#put(over(trial, structuredClone(ending), now));
    return true;
  }

  async loseTrials(studyId: string, before: number): Promise<Trial[]> {
    const silent = this.#sorted(studyId).filter(
      ({ state, heartbeatAt }) => state === "running" && heartbeatAt! < before,
    );
    return silent.map((trial) => this.#put(lost(trial)));
  }

  async close(): Promise<void> {}

  #kept(studyId: string): Kept {
    const kept = this.#studies.get(studyId);
    if (!kept) throw missingStudy(studyId, where);
    return kept;
  }

  #sorted(studyId: string): Trial[] {
    return [...this.#kept(studyId).trials.values()].sort((a, b) => a.number - b.number);
  }

  #trial(studyId: string, number: number): Trial {
    const trial = this.#kept(studyId).trials.get(number);
    if (!trial) throw missingTrial(studyId, number, where);
    return trial;
  }

  /** The trial, if the claim is the present one. */
  #present({ studyId, number, attempt }: Claim): Trial | undefined {
    const trial = this.#trial(studyId, number);
    return trial.state === "running" && trial.attempt === attempt ? trial : undefined;
  }

  #put(trial: Trial): Trial {
    this.#kept(trial.studyId).trials.set(trial.number, trial);
    return structuredClone(trial);
  }
}
