import { IsonormError } from "../../errors.js";
import {
  architectureSettings,
  Classifier,
  deviceNamed,
  newRunFolder,
  Ongoing,
  physicalCores,
  data as sources,
  type TrainOptions,
} from "../../run/index.js";
import { parseTrainSettings } from "../../train/index.js";
import { type ParameterName, parameterNames } from "../space.js";
import { type StrategyName, strategyNames } from "../strategies/index.js";
import { type ChooseMetric, chooseMetrics } from "../study.js";
import type { SearchDone, SearchEvent } from "./events.js";
import type { SearchJob } from "./open.js";
import { runSearch } from "./runSearch.js";

/** How a search goes about it; everything has a default. */
export interface StrategyOptions {
  /** "bracket" by default. */
  readonly strategy?: StrategyName;
  /** Full trainings that the search may cost, winner included. Bracket: 3 by default. */
  readonly budget?: number;
  /** Trainings of a grid or random search, 15 by default. */
  readonly trials?: number;
  /** Bracket: share of the epochs that the short trainings take; 1/8 by default. */
  readonly lowRung?: number;
  /** What the winner is chosen by, on the validation split; "accuracy" by default. */
  readonly choose?: ChooseMetric;
  /** Parameters to search besides the effective learning rate. */
  readonly search?: readonly Exclude<ParameterName, "elr">[];
}

/** Everything that `isonorm search` takes, by the same names. */
export interface SearchOptions
  extends StrategyOptions,
    Omit<TrainOptions, "elr" | "keep" | "patience" | "onEvent" | "signal" | "resume" | "threads"> {
  /** Go on with the search in `out`, which must have the same settings and data. */
  readonly resume?: boolean;
  /** Threads that all trainings share; one for each physical core by default. */
  readonly threads?: number;
  /** Trainings side by side at most; by default as many as there are threads and memory for, and one on a graphics processor. */
  readonly jobs?: number;
  /** Gets every event as it comes. */
  readonly onEvent?: (event: SearchEvent) => void;
  /** Aborting stops all trainings with a checkpoint; the search then rejects with ISO_INTERRUPTED. */
  readonly signal?: AbortSignal;
}

/** What a search ends with: its figures, and the winner ready to use. */
export interface FinishedSearch extends Omit<SearchDone, "event"> {
  readonly best: {
    /** Number of the trial. */
    readonly trial: number;
    readonly elr: number;
    readonly validation: SearchDone["validation"];
    readonly test: SearchDone["test"];
    readonly classifier: Classifier;
  };
}

/**
 * Finds the effective learning rate for the data and trains with it.
 *
 * @returns awaited, the finished search; iterated, the events on the way
 * @throws (as rejection) every coded error of data, model and files; ISO_BUDGET_TOO_SMALL, ISO_SEARCH_ALL_DIVERGED, ISO_STUDY_..., ISO_INTERRUPTED
 * @example
 * const study = await search({ data: await data.imageFolder("flowers/"), model: models.resnet20({ width: 16 }), epochs: 10 });
 * console.log(study.elr, study.trials.length);
 * await study.best.classifier.save("flowers.onnx");
 */
export function search(options: SearchOptions): Search {
  return new Search(options);
}

/** A search under way: a promise of its result that can also be iterated for its events. */
export class Search extends Ongoing<FinishedSearch, SearchEvent> {
  constructor(options: SearchOptions) {
    super((record) => start(options, record));
  }
}

async function start(options: SearchOptions, record: (event: SearchEvent) => void): Promise<FinishedSearch> {
  const { data, model, out = newRunFolder("search"), resume = false, onEvent, signal, ...rest } = options;
  const { strategy, budget, trials, lowRung, choose, search, device, threads, jobs, ...settings } = rest;
  const source = typeof data === "string" ? await sources.open(data) : data;
  const done = await runSearch(
    {
      data: source.settings,
      arrays: source.kind === "arrays" ? source.arrays : undefined,
      settings: parseTrainSettings({ ...architectureSettings(model), ...settings }),
      ...strategyOf({ strategy, budget, trials, lowRung, choose, search }),
      out,
      resume,
      device: device === undefined ? undefined : deviceNamed(device),
      threads,
      jobs,
    },
    {
      onEvent(event) {
        record(event);
        onEvent?.(event);
      },
      signal,
    },
  );
  const { event: _, ...figures } = done;
  const { trial, elr, validation, test } = done;
  const classifier = await Classifier.load(out, { threads: threads ?? physicalCores() });
  return { ...figures, best: { trial, elr, validation, test, classifier } };
}

/** The part of a job that says how to search. Throws ISO_ARGUMENT. */
export function strategyOf(options: StrategyOptions): Pick<SearchJob, "strategy" | "searched" | "choose"> {
  const { strategy: name = "bracket", budget, trials, lowRung, choose = "accuracy", search = [] } = options;
  oneOf("strategy", name, strategyNames);
  oneOf("metric to choose by", choose, chooseMetrics);
  for (const parameter of search) oneOf("parameter to search", parameter, parameterNames.slice(1));
  const searched = parameterNames.filter((parameter) => parameter !== "elr" && search.includes(parameter));
  if (name === "bracket" && trials !== undefined)
    throw unsuited("a number of trials", "bracket decides on it itself, within a budget");
  if (name !== "bracket" && lowRung !== undefined) throw unsuited("a low rung", `${name} has none`);
  const settings = {
    bracket: () => ({ budget: budget ?? 3, fraction: lowRung }),
    grid: () => ({ budget, points: trials === undefined ? undefined : { elr: gridPoints(trials, searched.length) } }),
    random: () => ({ budget, points: trials }),
  }[name]();
  return {
    strategy: {
      name,
      settings: Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)),
    },
    searched: searched as SearchJob["searched"],
    choose,
  };
}

/** Points on the ELR's axis such that the whole grid, with three points on every other axis, has at most that many. */
function gridPoints(trials: number, others: number): number {
  const points = Math.floor(trials / 3 ** others);
  if (points >= 1) return points;
  throw unsuited(`a grid of ${trials}`, `with ${others} further parameters it has at least ${3 ** others} trials`);
}

function unsuited(what: string, why: string): IsonormError {
  return new IsonormError("ISO_ARGUMENT", `the search cannot have ${what}: ${why}`, "See isonorm search --help");
}

function oneOf(what: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new IsonormError(
    "ISO_ARGUMENT",
    `there is no ${what} ${JSON.stringify(value)}`,
    `Choose one of ${choices.join(", ")}`,
  );
}
