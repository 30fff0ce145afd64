import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { IsonormError } from "../../errors.js";
import { studyFile } from "../../search/executor/index.js";
import {
  epochRows,
  openStudyFile,
  type Row,
  type StudyStorage,
  studyRows,
  toCsv,
  toJson,
  toText,
  trialRows,
} from "../../search/index.js";
import { Output } from "../output.js";
import { integer, type RawOptions } from "../trainingOptions.js";

/** `isonorm search --list`, `--show` and `--export`: studies, trials, or the epochs of one trial, as a table. */
export async function studies(folder: string | undefined, options: RawOptions): Promise<void> {
  const given = folder ?? (typeof options.out === "string" ? options.out : undefined);
  const { name, rows } = options.list === true ? await listed(given) : await shown(given, options);
  const format = options.export;
  if (format === undefined) {
    const output = new Output({ json: options.json === true });
    output.event({ event: name, [name]: rows } as { event: string });
    output.say(rows.length === 0 ? `no ${name}` : toText(rows).trimEnd());
    return;
  }
  if (options.json === true)
    throw new IsonormError("ISO_ARGUMENT", "--export and --json are both given", "Give one of them");
  if (format !== "csv" && format !== "json")
    throw new IsonormError(
      "ISO_ARGUMENT",
      `--export takes csv or json, but got "${String(format)}"`,
      "Give one of them",
    );
  process.stdout.write(format === "csv" ? toCsv(rows) : toJson(rows));
}

interface Table {
  /** What a row is, in the plural. */
  readonly name: "studies" | "trials" | "epochs";
  readonly rows: Row[];
}

/** The study in the folder given, else those in all folders under runs/. */
async function listed(given: string | undefined): Promise<Table> {
  const folders = given === undefined ? foldersOfRuns() : [given];
  const rows: Row[] = [];
  for (const folder of folders)
    await reading(folder, async (storage) => {
      const all = await storage.studies();
      const withTrials = all.map(async (study) => ({ study, trials: await storage.trials(study.id) }));
      rows.push(...studyRows(await Promise.all(withTrials)).map((row) => ({ ...row, folder })));
    });
  return { name: "studies", rows };
}

function foldersOfRuns(): string[] {
  if (!existsSync("runs")) return [];
  return readdirSync("runs")
    .map((name) => join("runs", name))
    .filter((folder) => existsSync(studyFile(folder)))
    .sort();
}

async function shown(folder: string | undefined, options: RawOptions): Promise<Table> {
  if (folder === undefined)
    throw new IsonormError(
      "ISO_ARGUMENT",
      "no run folder was given",
      "Give the folder of a search, for example: isonorm search --show 3 --out runs/flowers",
    );
  const trial = typeof options.show === "string" ? integer(options, "show") : undefined;
  return reading(folder, async (storage): Promise<Table> => {
    const [study] = await storage.studies();
    if (!study) return { name: "trials", rows: [] };
    return trial === undefined
      ? { name: "trials", rows: trialRows(await storage.trials(study.id)) }
      : { name: "epochs", rows: epochRows(trial, await storage.epochs(study.id, trial)) };
  });
}

async function reading<T>(folder: string, read: (storage: StudyStorage) => Promise<T>): Promise<T> {
  const storage = openStudyFile(studyFile(folder), { create: false });
  try {
    return await read(storage);
  } finally {
    await storage.close();
  }
}
