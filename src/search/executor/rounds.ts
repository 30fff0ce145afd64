import { setMaxListeners } from "node:events";
import { IsonormError } from "../../errors.js";
import { nextStep, type Outcome, type Step } from "../strategies/index.js";
import { type Ending, isFinal, type Trial } from "../study.js";
import { type SearchEvent, trialEvent } from "./events.js";
import type { OpenSearch } from "./open.js";
import { atLastCheckpoint, attempt, giveBack, interrupted, takenOver } from "./trial.js";

/** A trial whose process vanishes that often, without having come to another checkpoint in between, has failed. */
const mostLosses = 5;

type Round = Extract<Step, { kind: "run" }>;

/** The rounds of a study: each one's trials, as many side by side as the search allows, until the strategy is done. */
export async function runRounds(
  search: OpenSearch,
  emit: (event: SearchEvent) => void,
  signal: AbortSignal,
): Promise<{ readonly outcome: Outcome; readonly trials: readonly Trial[] }> {
  const { storage, study, strategy } = search;
  await recover(search);
  for (let finished: Trial[] = []; ; ) {
    const step = nextStep(strategy, finished);
    const trials = await storage.trials(study.id);
    if (step.kind === "done") return { outcome: step.outcome, trials };
    if (step.kind === "wait") throw stuck(step.why);
    const numbers = step.trials.map(({ number }) => number);
    const end = Math.max(...numbers) + 1;
    if (trials.length < end || !trials.slice(0, end).every(({ state }) => isFinal(state))) {
      await storage.addTrials(study.id, step.trials);
      emit({ event: "round", round: step.round, why: step.why, trials: numbers });
      await runRound(search, step, emit, signal);
    }
    finished = (await storage.trials(study.id)).slice(0, end);
  }
}

/** What nobody runs any more, all of it or one trial, is lost; its next attempt begins at its last checkpoint. */
async function recover(search: OpenSearch, only?: number): Promise<void> {
  const { storage, study } = search;
  for (const trial of await storage.trials(study.id))
    if (trial.state === "running" && trial.number === (only ?? trial.number))
      await giveBack(search, trial, atLastCheckpoint(search, trial, trial));
}

/**
 * Runs the open trials of a round.
 *
 * A trial's number of threads can change the last bits of its results (sums of floating-point numbers are taken in another order), so it depends on the study's threads and on the
 * size of the round alone, never on how many trials run at a time.
 *
 * @throws the first error that is not a trial's own, after all others have stopped with a checkpoint; ISO_INTERRUPTED
 */
async function runRound(
  search: OpenSearch,
  round: Round,
  emit: (event: SearchEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const { storage, study, settings } = search;
  const threads = Math.max(1, Math.floor(settings.threads / round.trials.length));
  const running = new Set<Promise<void>>();
  const losses = new Map<number, { count: number; kept: number }>();
  let sideBySide = search.jobs;
  let failure: unknown;
  const stop = new AbortController();
  const stopping = AbortSignal.any([signal, stop.signal]);
  setMaxListeners(0, stopping);

  const tell = async (number: number): Promise<void> => {
    const trial = (await storage.trials(study.id))[number]!;
    // What was given back may have been claimed again by now.
    emit(trialEvent(isFinal(trial.state) ? trial : { ...trial, state: "lost" }));
  };
  const record = async (trial: Trial, ending: Ending): Promise<void> => {
    if (!(await storage.endTrial(trial, ending, Date.now()))) throw takenOver(trial);
  };
  const run = async (trial: Trial): Promise<void> => {
    emit(trialEvent(trial));
    const end = await attempt(search, trial, { threads, emit, signal: stopping }).catch(async (error: unknown) => {
      // Whatever ends the search may well stand in the way of this too; resuming makes up for it.
      await recover(search, trial.number).catch(() => {});
      throw error;
    });
    if (end.kind === "ended") {
      await record(trial, end.ending);
    } else if (end.kind === "stopped") {
      await giveBack(search, trial, end.progress);
    } else {
      const { kept } = end.progress;
      const before = losses.get(trial.number);
      const count = before && before.kept >= kept ? before.count + 1 : 1;
      losses.set(trial.number, { count, kept });
      if (count < mostLosses) await giveBack(search, trial, end.progress);
      else await record(trial, { state: "failed", cost: kept, error: errorOf(end.error) });
      // Memory is the likeliest thing that a process is killed for.
      if (count > 1) sideBySide = Math.max(1, sideBySide - 1);
    }
    await tell(trial.number);
  };

  while (true) {
    while (!stopping.aborted && running.size < sideBySide) {
      const trial = await storage.claimTrial(study.id, `process ${process.pid}`, Date.now());
      if (!trial) break;
      const work: Promise<void> = run(trial)
        .catch((error: unknown) => {
          failure ??= error;
          stop.abort();
        })
        .finally(() => running.delete(work));
      running.add(work);
    }
    if (running.size === 0) break;
    await Promise.race(running);
  }
  if (failure !== undefined) throw failure;
  if (signal.aborted) throw interrupted(search);
}

/** A strategy that is given ended trials only has nothing to wait for. */
function stuck(why: string): IsonormError {
  return new IsonormError(
    "ISO_INTERNAL",
    `the search waits although all trials have ended (${why})`,
    "Please report this",
  );
}

function errorOf(error: unknown): { code: string; message: string } {
  const code = error instanceof IsonormError ? error.code : "ISO_WORKER_LOST";
  return { code, message: error instanceof Error ? error.message : String(error) };
}
