import type Database from "libsql";
import type { z } from "zod";
import type { Candidate } from "../space.js";
import {
  type Ending,
  type EpochMetrics,
  epochMetricsSchema,
  type Study,
  studySchema,
  type Trial,
  trialSchema,
} from "../study.js";
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
import { corrupt, translated } from "./driverErrors.js";
import type { Claim, Progress, StudyStorage } from "./storage.js";

interface Row {
  readonly content: string;
}

/**
 * A study file behind the contract. Each call that writes is one transaction that begins by taking the write lock (BEGIN IMMEDIATE), so what it reads cannot change under it.
 * The driver aborts the process on a boolean parameter; only strings and numbers are ever bound.
 */
export class SqliteStorage implements StudyStorage {
  readonly #path: string;
  readonly #database: Database.Database;
  readonly #owner: Database.Database | undefined;

  /** @param owner - holds the lock of the owner until `close` */
  constructor(path: string, database: Database.Database, owner: Database.Database | undefined) {
    this.#path = path;
    this.#database = database;
    this.#owner = owner;
  }

  async createStudy(study: Study): Promise<void> {
    requireValid(studySchema, study, `study ${study.id}`);
    this.#write(() => {
      const [stored] = this.#all("SELECT content FROM study WHERE id = ?", study.id);
      if (stored && canonical(JSON.parse(stored.content)) !== canonical(study)) throw otherStudy(study, this.#path);
      if (!stored) this.#all("INSERT INTO study (id, content) VALUES (?, ?)", study.id, JSON.stringify(study));
    });
  }

  async studies(): Promise<Study[]> {
    return this.#run(() =>
      this.#all("SELECT content FROM study ORDER BY created_at, id").map((row) => this.#parse(studySchema, row)),
    );
  }

  async study(studyId: string): Promise<Study> {
    return this.#run(() => this.#study(studyId));
  }

  async addTrials(
    studyId: string,
    trials: readonly { readonly number: number; readonly candidate: Candidate }[],
  ): Promise<void> {
    this.#write(() => {
      const study = this.#study(studyId);
      for (const { number, candidate } of trials) {
        const stored = this.#find(studyId, number);
        if (stored && canonical(stored.candidate) !== canonical(candidate)) throw otherCandidate(stored, candidate);
        if (!stored) this.#put(newTrial(study, number, candidate));
      }
    });
  }

  async trials(studyId: string): Promise<Trial[]> {
    return this.#run(() => {
      this.#study(studyId);
      return this.#all("SELECT content FROM trial WHERE study_id = ? ORDER BY number", studyId).map((row) =>
        this.#parse(trialSchema, row),
      );
    });
  }

  async claimTrial(studyId: string, worker: string, now: number): Promise<Trial | undefined> {
    return this.#write(() => {
      this.#study(studyId);
      const open =
        "SELECT content FROM trial WHERE study_id = ? AND state IN ('waiting', 'lost') ORDER BY number LIMIT 1";
      const [row] = this.#all(open, studyId);
      return row && this.#put(claimed(this.#parse(trialSchema, row), worker, now));
    });
  }

  async heartbeat(claim: Claim, now: number, progress?: Progress): Promise<boolean> {
    return this.#write(() => {
      const trial = this.#present(claim);
      if (trial) this.#put(alive(trial, now, progress));
      return trial !== undefined;
    });
  }

  async recordEpoch(claim: Claim, metrics: EpochMetrics): Promise<boolean> {
    requireValid(epochMetricsSchema, metrics, `an epoch of trial ${claim.number}`);
    return this.#write(() => {
      const trial = this.#present(claim);
      const insert = "INSERT OR REPLACE INTO epoch (study_id, number, steps, content) VALUES (?, ?, ?, ?)";
      if (trial) this.#all(insert, claim.studyId, claim.number, metrics.steps, JSON.stringify(metrics));
      return trial !== undefined;
    });
  }

  async epochs(studyId: string, number: number): Promise<EpochMetrics[]> {
    return this.#run(() => {
      this.#trial(studyId, number);
      const rows = this.#all(
        "SELECT content FROM epoch WHERE study_id = ? AND number = ? ORDER BY steps",
        studyId,
        number,
      );
      return rows.map((row) => this.#parse(epochMetricsSchema, row));
    });
  }

  async endTrial(claim: Claim, ending: Ending, now: number): Promise<boolean> {
    return this.#write(() => {
      const trial = this.#present(claim);
      if (trial) this.#put(over(trial, ending, now));
      return trial !== undefined || repeats(this.#trial(claim.studyId, claim.number), claim, ending, now);
    });
  }

  async loseTrials(studyId: string, before: number): Promise<Trial[]> {
    return this.#write(() => {
      this.#study(studyId);
      const running = this.#all(
        "SELECT content FROM trial WHERE study_id = ? AND state = 'running' ORDER BY number",
        studyId,
      );
      const silent = running
        .map((row) => this.#parse(trialSchema, row))
        .filter(({ heartbeatAt }) => heartbeatAt! < before);
      return silent.map((trial) => this.#put(lost(trial)));
    });
  }

  async close(): Promise<void> {
    if (this.#database.open) this.#database.close();
    if (this.#owner?.open) this.#owner.close();
  }

  #run<T>(call: () => T): T {
    return translated(this.#path, call);
  }

  #write<T>(change: () => T): T {
    return this.#run(() => this.#database.transaction(change).immediate());
  }

  /** Runs a statement and reads its rows. */
  #all(sql: string, ...values: (string | number)[]): Row[] {
    return this.#database.prepare(sql).all(...values) as Row[];
  }

  #parse<S extends z.ZodType>(schema: S, { content }: Row): z.output<S> {
    try {
      return schema.parse(JSON.parse(content));
    } catch (error) {
      throw corrupt(this.#path, `a record cannot be read (${(error as Error).message.replaceAll(/\s+/g, " ")})`, error);
    }
  }

  #study(studyId: string): Study {
    const [row] = this.#all("SELECT content FROM study WHERE id = ?", studyId);
    if (!row) throw missingStudy(studyId, this.#path);
    return this.#parse(studySchema, row);
  }

  #find(studyId: string, number: number): Trial | undefined {
    const [row] = this.#all("SELECT content FROM trial WHERE study_id = ? AND number = ?", studyId, number);
    return row && this.#parse(trialSchema, row);
  }

  #trial(studyId: string, number: number): Trial {
    const trial = this.#find(studyId, number);
    if (!trial) throw missingTrial(studyId, number, this.#path);
    return trial;
  }

  /** The trial, if the claim is the present one. */
  #present({ studyId, number, attempt }: Claim): Trial | undefined {
    const trial = this.#trial(studyId, number);
    return trial.state === "running" && trial.attempt === attempt ? trial : undefined;
  }

  #put(trial: Trial): Trial {
    const upsert =
      "INSERT INTO trial (study_id, number, content) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET content = excluded.content";
    this.#all(upsert, trial.studyId, trial.number, JSON.stringify(trial));
    return trial;
  }
}
