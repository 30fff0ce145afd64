import { IsonormError } from "../../errors.js";
import { packageVersion, readRecord, type SearchRecord } from "../../run/index.js";
import { searchedParameters } from "../space.js";
import type { Outcome } from "../strategies/index.js";
import { isFinal, studyCost, type Trial } from "../study.js";
import { type FinishedWinner, finishWinner } from "./conclude.js";
import { type SearchDone, type SearchEvent, trialSummary } from "./events.js";
import { type OpenSearch, openSearch, type SearchJob } from "./open.js";
import { fitOf, optimaOf, searchReport } from "./report.js";
import { runRounds } from "./rounds.js";
import { interrupted } from "./trial.js";

export interface RunSearchOptions {
  readonly onEvent?: (event: SearchEvent) => void;
  /** Aborting stops all trainings with a checkpoint; the search then rejects with ISO_INTERRUPTED. */
  readonly signal?: AbortSignal;
}

/**
 * A whole search: trials in processes of their own until the strategy is done, the winner's training finished, the report. Everything stands in the run folder, and a search that was
 * stopped or killed goes on where it was.
 *
 * @returns the `done` event
 * @throws coded errors of data, settings and model; ISO_BUDGET_TOO_SMALL, ISO_STUDY_..., ISO_SEARCH_ALL_DIVERGED, ISO_INTERRUPTED
 */
export async function runSearch(job: SearchJob, options: RunSearchOptions = {}): Promise<SearchDone> {
  const signal = options.signal ?? new AbortController().signal;
  const told = new Set<string>();
  const emit = (event: SearchEvent): void => {
    // Every training repeats what is to be said of the data.
    if (event.event === "warning" && told.size === told.add(event.message).size) return;
    options.onEvent?.(event);
  };
  const search = await openSearch(job, emit);
  try {
    return await runOpened(search, emit, signal);
  } finally {
    await search.storage.close();
  }
}

async function runOpened(
  search: OpenSearch,
  emit: (event: SearchEvent) => void,
  signal: AbortSignal,
): Promise<SearchDone> {
  const run = new Run(search);
  try {
    run.write("running");
    for (const message of search.warnings) emit({ event: "warning", message });
    emit(startEvent(search, await search.storage.trials(search.study.id)));
    const tell = (event: SearchEvent): void => {
      emit(event);
      if (event.event === "trial" && isFinal(event.state)) run.write("running");
    };
    const { outcome, trials } = await runRounds(search, tell, signal);
    const done = run.previous
      ? doneEvent(search, run.previous, outcome, trials)
      : await conclude(run, outcome, trials, signal);
    emit(done);
    return done;
  } catch (error) {
    run.writeQuietly(isFailure(error) ? "failed" : "interrupted");
    throw error;
  }
}

/** The search's run.json, and its clock. */
class Run {
  readonly search: OpenSearch;
  /** Results that stand there already: the search was done before, and says again what came out. */
  readonly previous: SearchRecord["results"];
  readonly #started = performance.now();
  readonly #secondsBefore: number;

  constructor(search: OpenSearch) {
    const record = search.folder.hasRun() ? readRecord(search.job.out) : undefined;
    this.search = search;
    this.previous = record?.command === "search" && record.status === "done" ? record.results : null;
    this.#secondsBefore = record?.command === "search" ? record.seconds : 0;
  }

  /** Wall-clock time of the search, of its earlier parts too. */
  get seconds(): number {
    return this.#secondsBefore + (performance.now() - this.#started) / 1000;
  }

  /** Nothing, where the search was done before. */
  write(status: SearchRecord["status"], results: SearchRecord["results"] = null): void {
    if (this.previous) return;
    const { study, settings, data, folder } = this.search;
    folder.writeRun({
      format: 1,
      command: "search",
      version: packageVersion,
      versions: study.versions,
      createdAt: new Date(study.createdAt).toISOString(),
      data: this.search.job.data,
      dataHash: data.hash,
      classes: [...data.classes],
      examples: { train: data.counts.train, validation: data.counts.validation, test: data.counts.test ?? 0 },
      settings: settings.training,
      device: settings.device,
      threads: settings.threads,
      study: study.id,
      strategy: study.strategy,
      choose: settings.choose,
      status,
      seconds: this.seconds,
      results,
    });
  }

  /** Where another error is to be told, one of writing is not. */
  writeQuietly(status: SearchRecord["status"]): void {
    try {
      this.write(status);
    } catch (error) {
      if (!(error instanceof IsonormError)) throw error;
    }
  }
}

function startEvent(search: OpenSearch, trials: readonly Trial[]): SearchEvent {
  const { study, settings, model, data, job } = search;
  return {
    event: "start",
    study: study.id,
    strategy: study.strategy.name,
    choose: settings.choose,
    searched: searchedParameters(study.space),
    model: model.name,
    parameters: model.parameters,
    classes: data.classes,
    dataHash: data.hash,
    examples: { train: data.counts.train, validation: data.counts.validation, test: data.counts.test ?? 0 },
    epochs: settings.training.epochs as number,
    steps: search.steps,
    batchSize: search.batchSize,
    seed: study.seed,
    jobs: search.jobs,
    device: settings.device,
    threads: settings.threads,
    trialsDone: trials.filter(({ state }) => isFinal(state)).length,
    out: job.out,
  };
}

/** The winner finished, the report, and last run.json: a search whose record says that it is done has all its files. */
async function conclude(
  run: Run,
  outcome: Outcome,
  trials: readonly Trial[],
  signal: AbortSignal,
): Promise<SearchDone> {
  const { search } = run;
  const chosen = trials.find(({ number }) => number === outcome.chosen);
  if (signal.aborted) throw interrupted(search);
  const winner = chosen && (await finishWinner(search, chosen, signal));
  const seconds = run.seconds;
  // Loaded here: its chart library takes a while, and bad input must be refused at once.
  const { renderSearchReport } = await import("../../report/index.js");
  const report = await searchReport({ search, trials, outcome, winner: winner?.report ?? null, seconds });
  search.folder.writeReport(renderSearchReport(report));
  if (!chosen || !winner) throw noWinner(search, outcome, trials);
  const results = resultsOf(search, chosen, winner, outcome, { fullRuns: studyCost(trials), seconds });
  run.write("done", results);
  return doneEvent(search, results, outcome, trials);
}

type Results = NonNullable<SearchRecord["results"]>;

function resultsOf(
  search: OpenSearch,
  { number, candidate }: Trial,
  { done }: FinishedWinner,
  outcome: Outcome,
  cost: Results["cost"],
): Results {
  const { elr, fraction: _, replicate: __, ...found } = candidate;
  return {
    trial: number,
    elr,
    scale: found.scale ?? search.scale,
    found,
    why: outcome.why,
    validation: done.validation,
    test: done.test,
    examplesPerSecond: done.examplesPerSecond,
    peakMemoryBytes: done.peakMemoryBytes,
    cost,
  };
}

function doneEvent({ job }: OpenSearch, results: Results, outcome: Outcome, trials: readonly Trial[]): SearchDone {
  const { peakMemoryBytes: _, ...figures } = results;
  const learned = { optima: optimaOf(outcome), fit: fitOf(outcome) };
  return { event: "done", ...figures, ...learned, trials: trials.map(trialSummary), out: job.out };
}

/** Whether the search is over without a winner; any other error leaves it to be resumed. */
function isFailure(error: unknown): boolean {
  return error instanceof IsonormError && /^ISO_SEARCH_ALL_/.test(error.code);
}

/** No training ended well. */
function noWinner({ job }: OpenSearch, outcome: Outcome, trials: readonly Trial[]): IsonormError {
  const report = `see report.html in ${job.out}`;
  const failed = trials.find(({ state }) => state === "failed");
  if (outcome.end === "all-diverged")
    return new IsonormError(
      "ISO_SEARCH_ALL_DIVERGED",
      `${outcome.why}; ${report}`,
      "Lower --lr, clip gradients with --clip, or look for extreme values in the data",
    );
  return new IsonormError(
    "ISO_SEARCH_ALL_FAILED",
    `every training failed, the first with ${failed?.error?.code}: ${failed?.error?.message.replace(/\.$/, "")}; ${report}`,
    "Remove that cause, then start a new search",
  );
}
