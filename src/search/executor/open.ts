import { existsSync } from "node:fs";
import { freemem } from "node:os";
import { basename, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type ArraySplits, inputStatistics, type Splits } from "../../data/index.js";
import { IsonormError } from "../../errors.js";
import type { DataSummary } from "../../report/index.js";
import {
  closeSplits,
  type DataSettings,
  type Device,
  dataSettings,
  devices,
  estimateMemory,
  openJobData,
  openNetwork,
  type PlannedTraining,
  physicalCores,
  planTraining,
  RunFolder,
  requireAvailable,
  type TrainedPart,
  trainedPart,
  versions,
} from "../../run/index.js";
import { type AskedTrainSettings, resolvedTrainSettings } from "../../train/index.js";
import { defaultSpace, type ParameterName } from "../space.js";
import { openStudyFile, type StudyStorage } from "../storage/index.js";
import { openStrategy, type Strategy, type StrategyName } from "../strategies/index.js";
import { type ChooseMetric, chooseMetrics, type Study } from "../study.js";
import type { SearchEvent } from "./events.js";
import { studyFile } from "./files.js";

/** A search as it is asked for: plain data. */
export interface SearchJob {
  readonly data: DataSettings;
  /** Labelled records in memory, in place of those that lie at `data.path`. */
  readonly arrays?: ArraySplits | undefined;
  /** Of the trainings; `seed` is the study's and the splits'. */
  readonly settings: AskedTrainSettings;
  readonly strategy: { readonly name: StrategyName; readonly settings: Readonly<Record<string, unknown>> };
  /** Parameters to search besides the effective learning rate. */
  readonly searched: readonly Exclude<ParameterName, "elr">[];
  readonly choose: ChooseMetric;
  /** Run folder. */
  readonly out: string;
  /** Go on with the study in the folder, if it has one. */
  readonly resume: boolean;
  /** What the trainings run on; by default the processor, or what the study that goes on ran on. */
  readonly device?: Device | undefined;
  /** Threads that all trainings share; one for each physical core by default. */
  readonly threads?: number | undefined;
  /** Trainings side by side at most; by default as many as there are threads and memory for, and one on a graphics processor. Has no influence on results. */
  readonly jobs?: number | undefined;
}

/** What a study's `settings` hold: with the data, all that decides its trials. */
export const studySettings = z.strictObject({
  data: dataSettings,
  /** With "auto" and defaults resolved; `elr` is where the search begins. */
  training: resolvedTrainSettings,
  choose: z.enum(chooseMetrics),
  /** Studies of versions that knew no other ran on the processor. */
  device: z.enum(devices).default("cpu"),
  threads: z.int().positive(),
});
export type StudySettings = z.output<typeof studySettings>;

/** A search that is ready to run: its study stands in its storage, which this process owns. */
export interface OpenSearch {
  readonly job: SearchJob;
  readonly folder: RunFolder;
  readonly storage: StudyStorage;
  readonly study: Study;
  readonly settings: StudySettings;
  readonly strategy: Strategy;
  readonly model: { readonly name: string; readonly parameters: number };
  readonly scale: number;
  readonly data: DataSummary;
  /** Steps of a full training, and examples of a step, at the base values. */
  readonly steps: number;
  readonly batchSize: number;
  readonly jobs: number;
  readonly warnings: readonly string[];
}

/**
 * Opens data and study. Nothing is left behind where that fails.
 *
 * @throws coded errors of data, settings and model; ISO_BUDGET_TOO_SMALL; ISO_STUDY_LOCKED, ISO_STUDY_NEWER, ISO_STUDY_CORRUPT; ISO_RESUME_MISMATCH naming what differs
 */
export async function openSearch(job: SearchJob, emit: (event: SearchEvent) => void): Promise<OpenSearch> {
  requireSearchable(job.settings);
  const folder = new RunFolder(job.out);
  const path = studyFile(job.out);
  const resumed = job.resume && existsSync(path);
  if (!job.resume && (folder.hasRun() || existsSync(path)))
    throw new IsonormError(
      "ISO_ARGUMENT",
      `${job.out} already holds a run`,
      "Go on with it by --resume, or give another --out",
    );
  let storage: StudyStorage | undefined;
  try {
    await requireAvailable(job.device ?? "cpu");
    // A study that cannot be opened is to be told of before the data is read.
    if (resumed) storage = openStudyFile(path, { own: true });
    const data = { ...job.data, seed: job.data.seed ?? job.settings.seed };
    const splits = await openJobData({ ...job, data }, (event) => {
      if (event.event === "preparing") emit(event);
    });
    let part: TrainedPart | undefined;
    try {
      const [stored] = (await storage?.studies()) ?? [];
      const threads = job.threads ?? (stored ? studySettings.parse(stored.settings).threads : physicalCores());
      const device = job.device ?? (stored ? studySettings.parse(stored.settings).device : "cpu");
      const asked: AskedTrainSettings = { ...job.settings, keep: "last", patience: undefined };
      const network = await openNetwork(splits, inputStatistics(splits.train), asked, threads);
      // Features that the trials will read are computed once, here.
      part = await trainedPart(network, splits, asked, threads, (done, total) =>
        emit({ event: "preparing", what: "features", done, total }),
      );
      const planned = planTraining(network, part, asked, device);
      if (network.report) emit({ event: "import", ...network.report, features: part.features ?? null });
      const wanted = studyOf({ ...job, data, device, threads }, planned, splits);
      const strategy = openStrategy(
        job.strategy.name,
        {
          space: wanted.space,
          seed: wanted.seed,
          epochs: planned.settings.epochs as number,
          steps: planned.totalSteps,
          validationExamples: splits.validation.size,
          baseRule: planned.settings.baseRule,
          choose: job.choose,
        },
        job.strategy.settings,
      );
      storage ??= openStudyFile(path, { own: true });
      if (stored) requireSame(stored, wanted, job.out);
      else await storage.createStudy(wanted);
      const study = stored ?? wanted;
      const settings = studySettings.parse(study.settings);
      return {
        job: { ...job, data },
        folder,
        storage,
        study,
        settings,
        strategy,
        model: { name: network.name, parameters: planned.parameters },
        scale: network.scale,
        data: {
          path: data.path,
          hash: splits.hash,
          classes: splits.train.classes,
          counts: {
            train: splits.train.size,
            validation: splits.validation.size,
            ...(splits.test && { test: splits.test.size }),
          },
        },
        steps: planned.totalSteps,
        batchSize: planned.batches.batchSize,
        jobs: job.jobs ?? (device === "cpu" ? sideBySide(settings.threads, estimateMemory(planned)) : 1),
        warnings: [...splits.warnings, ...planned.warnings, ...otherVersions(study)],
      };
    } finally {
      part?.close();
      closeSplits(splits);
    }
  } catch (error) {
    await storage?.close();
    folder.removeIfEmpty();
    throw error;
  }
}

/** Settings under which a search would have nothing to find, or would judge by something else than what a training ends with. */
function requireSearchable({ fixedNorm, keep, patience }: AskedTrainSettings): void {
  const wrong =
    fixedNorm === "none"
      ? "without a fixed norm there is no effective learning rate to search"
      : keep === "best"
        ? "a search compares the weights that trainings end with, so it cannot keep the best ones on the way"
        : patience !== undefined
          ? "a search compares whole trainings, so they cannot stop early"
          : undefined;
  if (wrong)
    throw new IsonormError(
      "ISO_ARGUMENT",
      wrong,
      "Leave out --fixed-norm none, --keep best and --patience in a search",
    );
}

/** As many trainings as there are threads, and as fit into four fifths of the memory that is free now. */
function sideBySide(threads: number, bytesEach: number): number {
  return Math.max(1, Math.min(threads, Math.floor((0.8 * freemem()) / bytesEach)));
}

function studyOf(
  job: SearchJob & { readonly device: Device; readonly threads: number },
  { settings, network: { scale }, batches }: PlannedTraining,
  splits: Splits,
): Study {
  const { elr, momentum, labelSmoothing, lr, seed } = settings;
  const { data, choose, device, threads } = job;
  const shared: StudySettings = { data, training: settings, choose, device, threads };
  return {
    id: basename(resolve(job.out)),
    seed,
    space: defaultSpace({ elr, scale, momentum, batchSize: batches.batchSize, labelSmoothing, lr }, job.searched),
    strategy: plain(job.strategy),
    settings: plain(shared),
    dataHash: splits.hash,
    versions: versions(),
    createdAt: Date.now(),
  };
}

/** Without absent values, as a storage gives it back. */
const plain = <T>(value: T): { -readonly [K in keyof T]: T[K] } => JSON.parse(JSON.stringify(value));

/** Throws ISO_RESUME_MISMATCH naming the first thing that is not as it was. The data may lie at another path. */
function requireSame(had: Study, wanted: Study, out: string): void {
  if (had.dataHash !== wanted.dataHash)
    throw new IsonormError(
      "ISO_RESUME_MISMATCH",
      `the data in ${studySettings.parse(wanted.settings).data.path} is not what the search in ${out} was started with`,
      "Bring it back as it was, or start a new search in another --out",
    );
  const [before, now] = [decisive(had), decisive(wanted)];
  for (const name of new Set([...Object.keys(before), ...Object.keys(now)]))
    if (!isDeepStrictEqual(before[name], now[name]))
      throw new IsonormError(
        "ISO_RESUME_MISMATCH",
        `the search in ${out} has ${name} ${JSON.stringify(before[name])}, but ${JSON.stringify(now[name])} was given`,
        "Leave the option out to go on with the search, or start a new one in another --out",
      );
}

function decisive({ settings, strategy, space }: Study): Record<string, unknown> {
  const { data, training, choose, device, threads } = studySettings.parse(settings);
  const { path: _, ...dataOptions } = data;
  const all = {
    ...training,
    ...dataOptions,
    strategy: strategy.name,
    ...(strategy.settings as object),
    choose,
    device,
    threads,
  };
  return { ...plain(all), "the search space": space };
}

function otherVersions({ versions: had }: Study): string[] {
  const now = versions();
  return ["isonorm", "onnxruntime-node"]
    .filter((name) => had[name] !== undefined && had[name] !== now[name])
    .map(
      (name) => `The search was started with ${name} ${had[name]}, this is ${now[name]}: results may differ slightly.`,
    );
}
