import { existsSync } from "node:fs";
import { IsonormError } from "../../errors.js";
import { deviceNamed, newRunFolder, requireModel } from "../../run/index.js";
import {
  runSearch,
  type SearchJob,
  type StrategyOptions,
  strategyOf,
  studyFile,
  studySettings,
} from "../../search/executor/index.js";
import { openStudyFile, type ParameterName, type Study, searchedParameters } from "../../search/index.js";
import { parseTrainSettings } from "../../train/settings.js";
import { Output } from "../output.js";
import { SearchDisplay } from "../searchDisplay.js";
import { integer, type RawOptions, readDataSettings, readTrainSettings, real } from "../trainingOptions.js";

/** `isonorm search` */
export async function search(data: string | undefined, options: RawOptions): Promise<void> {
  if (options.list === true || options.show !== undefined || options.export !== undefined)
    return (await import("./studies.js")).studies(data, options);
  const output = new Output({ json: options.json === true });
  const display = new SearchDisplay(output);
  const job = await planSearch(data, options);
  const interruption = new AbortController();
  const interrupt = (): void => {
    output.warn("stopping the trainings after this step, with checkpoints");
    interruption.abort();
  };
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  await runSearch(job, { onEvent: (event) => display.show(event), signal: interruption.signal });
}

/** The job that the options ask for: a new search, or one that goes on. */
async function planSearch(data: string | undefined, options: RawOptions): Promise<SearchJob> {
  const resume = options.resume !== undefined;
  const folder = typeof options.resume === "string" ? options.resume : (options.out as string | undefined);
  if (resume && folder === undefined)
    throw new IsonormError(
      "ISO_ARGUMENT",
      "--resume does not say which search to go on with",
      "Give --resume <run folder>",
    );
  const how = {
    out: folder ?? newRunFolder("search"),
    resume,
    device: options.device === undefined ? undefined : deviceNamed(options.device),
    threads: integer(options, "threads"),
    jobs: jobs(options),
  };
  const given = readTrainSettings(options);
  const stored = resume ? await storedStudy(folder!) : undefined;
  if (stored) {
    const { data: hadData, training, choose } = studySettings.parse(stored.settings);
    return {
      ...how,
      data: { ...hadData, ...(data === undefined ? {} : readDataSettings(data, options)) },
      settings: parseTrainSettings({ ...training, ...given }),
      ...strategyLike(stored, { choose, ...readStrategy(options) }),
    };
  }
  if (data === undefined)
    throw new IsonormError(
      resume ? "ISO_STUDY_MISSING" : "ISO_ARGUMENT",
      resume ? `${folder} holds no search to go on with` : "no data was given",
      "Give the folder or table to train on, for example: isonorm search examples/digits",
    );
  if (!existsSync(data))
    throw new IsonormError("ISO_DATA_MISSING", `there is no file or folder ${data}`, "Check the path");
  const settings = parseTrainSettings(given);
  requireModel(settings);
  return { ...how, data: readDataSettings(data, options), settings, ...strategyOf(readStrategy(options)) };
}

/** The study in a folder that a search has begun in. */
async function storedStudy(folder: string): Promise<Study | undefined> {
  if (!existsSync(studyFile(folder))) return undefined;
  const storage = openStudyFile(studyFile(folder), { create: false });
  try {
    return (await storage.studies())[0];
  } finally {
    await storage.close();
  }
}

/** How to search as before, except for what is given again. What then differs is told of by name. */
function strategyLike({ strategy, space }: Study, given: StrategyOptions): ReturnType<typeof strategyOf> {
  const had = strategy.settings as { budget?: number; fraction?: number };
  const name = given.strategy ?? (strategy.name as StrategyOptions["strategy"]);
  const same = name === strategy.name;
  const asked = strategyOf({
    ...given,
    strategy: name,
    ...(same && { budget: given.budget ?? had.budget, lowRung: given.lowRung ?? had.fraction }),
    search: given.search ?? (searchedParameters(space).slice(1) as Exclude<ParameterName, "elr">[]),
  });
  return same ? { ...asked, strategy: { ...asked.strategy, settings: { ...had, ...asked.strategy.settings } } } : asked;
}

function readStrategy(options: RawOptions): StrategyOptions {
  const parameters =
    typeof options.search === "string"
      ? options.search.split(",").map((name) => name.trim().replace(/-([a-z])/g, (_, letter) => letter.toUpperCase()))
      : undefined;
  const given = {
    strategy: options.strategy,
    budget: real(options, "budget"),
    trials: integer(options, "trials"),
    lowRung: real(options, "lowRung"),
    choose: options.choose,
    search: parameters,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function jobs(options: RawOptions): number | undefined {
  const value = integer(options, "jobs");
  if (value === undefined || value >= 1) return value;
  throw new IsonormError("ISO_ARGUMENT", `--jobs is ${value}`, "Give how many trainings may run at a time, at least 1");
}
