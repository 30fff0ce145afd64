import { existsSync } from "node:fs";
import { IsonormError } from "../../errors.js";
import {
  type DataSettings,
  deviceNamed,
  isRunFolder,
  newRunFolder,
  physicalCores,
  RunFolder,
  readRun,
  requireModel,
  runTraining,
  type TrainingJob,
} from "../../run/index.js";
import { parseTrainSettings, type TrainSettings } from "../../train/settings.js";
import { Output } from "../output.js";
import { TrainingDisplay } from "../trainingDisplay.js";
import { integer, type RawOptions, readDataSettings, readTrainSettings } from "../trainingOptions.js";

/** `isonorm train` */
export async function train(data: string | undefined, options: RawOptions): Promise<void> {
  const output = new Output({ json: options.json === true });
  const display = new TrainingDisplay(output);
  const job = planJob(data, options);
  const interruption = new AbortController();
  const interrupt = (): void => {
    output.warn("stopping after this step, with a checkpoint");
    interruption.abort();
  };
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  await runTraining(job, { onEvent: (event) => display.show(event), signal: interruption.signal });
}

/** The job that the options ask for: a new run, or one that goes on. */
function planJob(data: string | undefined, options: RawOptions): TrainingJob {
  const given = readTrainSettings(options);
  const resume = options.resume !== undefined;
  const folder = typeof options.resume === "string" ? options.resume : (options.out as string | undefined);
  if (resume && folder === undefined)
    throw new IsonormError(
      "ISO_ARGUMENT",
      "--resume does not say which run to go on with",
      "Give --resume <run folder>",
    );

  if (resume && isRunFolder(folder!)) {
    const run = readRun(folder!);
    const asked = data === undefined ? run.data : readDataSettings(data, options);
    requireSame({ ...run.settings }, given, run.data, asked, folder!);
    return {
      data: run.data,
      settings: run.settings,
      out: folder!,
      resume: true,
      device: deviceNamed(options.device ?? run.device),
      threads: integer(options, "threads") ?? run.threads,
      finish: true,
    };
  }

  if (data === undefined)
    throw new IsonormError(
      resume ? "ISO_CHECKPOINT_MALFORMED" : "ISO_ARGUMENT",
      resume ? `${folder} holds no run to go on with` : "no data was given",
      "Give the folder or table to train on, for example: isonorm train examples/digits",
    );
  if (!existsSync(data))
    throw new IsonormError("ISO_DATA_MISSING", `there is no file or folder ${data}`, "Check the path");
  const settings = parseTrainSettings(given);
  requireModel(settings);
  const device = deviceNamed(options.device ?? "cpu");
  const out = folder ?? newRunFolder("train");
  if (new RunFolder(out).hasRun())
    throw new IsonormError(
      "ISO_ARGUMENT",
      `${out} already holds a run`,
      "Go on with it by --resume, or give another --out",
    );
  return {
    data: readDataSettings(data, options),
    settings,
    out,
    resume,
    device,
    threads: integer(options, "threads") ?? physicalCores(),
    finish: true,
  };
}

/** A resumed run keeps its settings; one that is given again must be the same. */
function requireSame(
  had: TrainSettings,
  given: Readonly<Record<string, unknown>>,
  hadData: DataSettings,
  asked: DataSettings,
  folder: string,
): void {
  const differing = Object.keys(given).find(
    (key) => JSON.stringify(given[key]) !== JSON.stringify(had[key as keyof TrainSettings]),
  );
  if (differing !== undefined)
    throw new IsonormError(
      "ISO_RESUME_MISMATCH",
      `the run in ${folder} has ${differing} ${JSON.stringify(had[differing as keyof TrainSettings])}, but ${JSON.stringify(given[differing])} was given`,
      "Leave the option out to go on with the run, or start a new one in another --out",
    );
  if (JSON.stringify(hadData) !== JSON.stringify(asked))
    throw new IsonormError(
      "ISO_RESUME_MISMATCH",
      `the run in ${folder} has data ${JSON.stringify(hadData)}, but ${JSON.stringify(asked)} was given`,
      "Leave data out to go on with the run, or start a new one in another --out",
    );
}
