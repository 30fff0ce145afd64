import { existsSync } from "node:fs";
import type { z } from "zod";
import { IsonormError } from "../errors.js";
import type { Architecture } from "../models/index.js";
import { parseTrainSettings, type trainSettings } from "../train/index.js";
import { Classifier } from "./classifier.js";
import { type DataSource, data as sources } from "./dataSource.js";
import { type Device, deviceNamed } from "./deviceName.js";
import type { DoneEvent, TrainingEvent } from "./events.js";
import type { ModelFile } from "./models.js";
import { Ongoing } from "./ongoing.js";
import { physicalCores } from "./physicalCores.js";
import { newRunFolder, RunFolder } from "./runFolder.js";
import { runTraining } from "./spawn.js";

/** Everything that `isonorm train` takes, by the same names. */
export interface TrainOptions extends Omit<z.input<typeof trainSettings>, "model"> {
  /** From `data.imageFolder` and the like, or a path. */
  readonly data: DataSource | string;
  /** From `models.resnet20({ width: 16 })` or `models.fromOnnx("its.onnx")` and the like, or a name; by default chosen by the data. */
  readonly model?: Architecture | ModelFile | string;
  /** Run folder; a new one under runs/ by default. */
  readonly out?: string;
  /** Go on with the run in `out`, which must have the same settings and data. */
  readonly resume?: boolean;
  /** What to train on; the processor by default. */
  readonly device?: Device;
  /** Threads of ONNX Runtime; one for each physical core by default. */
  readonly threads?: number;
  /** Gets every event as it comes. */
  readonly onEvent?: (event: TrainingEvent) => void;
  /** Aborting stops after the step under way, with a checkpoint; the training then rejects with ISO_INTERRUPTED. */
  readonly signal?: AbortSignal;
}

/** What a training ends with: its figures, and the classifier ready to use. */
export interface TrainedRun extends Omit<DoneEvent, "event"> {
  readonly classifier: Classifier;
}

/**
 * Trains a classifier in a process of its own.
 *
 * @returns awaited, the trained run; iterated, the events on the way
 * @throws (as rejection) every coded error of data, model and files; ISO_DIVERGED, ISO_INTERRUPTED
 * @example
 * const run = await train({ data: await data.imageFolder("flowers/"), model: models.resnet20({ width: 16 }), epochs: 10 });
 * console.log(run.test?.accuracy);
 * await run.classifier.save("flowers.onnx");
 */
export function train(options: TrainOptions): Training {
  return new Training(options);
}

/** A training under way: a promise of its result that can also be iterated for its events. */
export class Training extends Ongoing<TrainedRun, TrainingEvent> {
  constructor(options: TrainOptions) {
    super((record) => start(options, record));
  }
}

async function start(options: TrainOptions, record: (event: TrainingEvent) => void): Promise<TrainedRun> {
  const {
    data,
    model,
    out: wanted,
    resume = false,
    device = "cpu",
    threads = physicalCores(),
    onEvent,
    signal,
    ...rest
  } = options;
  const settings = parseTrainSettings({ ...architectureSettings(model), ...rest });
  const source = typeof data === "string" ? await sources.open(data) : data;
  const out = wanted ?? newRunFolder("train");
  if (!resume && existsSync(out) && new RunFolder(out).hasRun())
    throw new IsonormError(
      "ISO_ARGUMENT",
      `${out} already holds a run`,
      "Pass resume to go on with it, or give another out",
    );
  const done = await runTraining(
    {
      data: source.settings,
      arrays: source.kind === "arrays" ? source.arrays : undefined,
      settings,
      out,
      resume,
      device: deviceNamed(device),
      threads,
      finish: true,
    },
    {
      onEvent(event) {
        record(event);
        onEvent?.(event);
      },
      ...(signal ? { signal } : {}),
    },
  );
  const { event: _, ...figures } = done;
  return { ...figures, classifier: await Classifier.load(out, { threads }) };
}

/** A model as the settings that build or read it in the process that trains. */
export function architectureSettings(model: TrainOptions["model"]): Partial<z.input<typeof trainSettings>> {
  if (model === undefined) return {};
  if (typeof model === "string") return { model };
  return { model: model.name, ...model.settings };
}
