import { IsonormError } from "../../errors.js";
import type { InputDescription } from "../dataset.js";
import { readIdxPart } from "../idx/packed-idx.js";
import { packImages, type UnreadableImage } from "../images/packed-images.js";
import type { DataOptions } from "../options.js";
import type { Part } from "../part.js";
import type { RecordLayout } from "../select.js";
import { describeTable, tableLayout } from "../tables/layout.js";
import { readTable } from "../tables/packed-table.js";
import { openTable } from "../tables/reader.js";
import { detectData, type FoundData, type SplitName } from "./detect.js";

/** A part, and how its records become records of the input. */
export interface LoadedPart {
  readonly part: Part;
  /** Undefined where records are used as they are stored. */
  layout(input: InputDescription): RecordLayout | undefined;
  readonly facts: PartFacts;
}

/** What a check reports of a part besides its records. */
export interface PartFacts {
  readonly unreadable: readonly UnreadableImage[];
  /** Images of each "WIDTHxHEIGHT" and each mode, before scaling. */
  readonly sizes: Readonly<Record<string, number>>;
  readonly modes: Readonly<Record<string, number>>;
  /** Columns that were left out. */
  readonly omitted: readonly string[];
}

const noFacts: PartFacts = { unreadable: [], sizes: {}, modes: {}, omitted: [] };

export interface LoadedData {
  readonly train: LoadedPart;
  readonly validation: LoadedPart | undefined;
  readonly test: LoadedPart | undefined;
  /** The input that training on those records of the training part settles. */
  describe(trainingRecords: Uint32Array): InputDescription;
  readonly warnings: readonly string[];
}

/**
 * Decodes the training part and the splits that are given, be it by the data set or by the options. Where the options give a share instead, a split of the
 * data set's own is left out.
 */
export async function loadData(path: string, options: DataOptions): Promise<LoadedData> {
  const found = await detectData(path);
  const warnings: string[] = [];
  const origin = async (split: "validation" | "test"): Promise<FoundData | undefined> => {
    const option = options[split];
    if (typeof option === "string") return await sameForm(found, option, path);
    if (found.splits[split] === undefined) return undefined;
    if (option === undefined) return { kind: found.kind, splits: { train: found.splits[split] } } as FoundData;
    if (option > 0)
      warnings.push(`The data's own ${split} split is not used: a share of the training split is asked for.`);
    return undefined;
  };
  if (found.splits.train === undefined) {
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `${path} holds ${Object.keys(found.splits).join(" and ")} data, and no training data`,
      "Add training data",
    );
  }
  const given = { validation: await origin("validation"), test: await origin("test") };
  const opened: LoadedPart[] = [];
  const keep = <T extends { readonly loaded: LoadedPart }>(load: T): T => {
    opened.push(load.loaded);
    return load;
  };
  try {
    const { loaded: train, describe, loadOther } = keep(await loadTraining(found, options));
    const other = async (split: "validation" | "test"): Promise<LoadedPart | undefined> => {
      const source = given[split];
      if (!source) return undefined;
      const loaded = await loadOther(source, split, typeof options[split] === "string", warnings);
      if (loaded) opened.push(loaded);
      return loaded;
    };
    return { train, validation: await other("validation"), test: await other("test"), describe, warnings };
  } catch (error) {
    for (const { part } of opened) part.store.close();
    throw error;
  }
}

async function sameForm(found: FoundData, option: string, path: string): Promise<FoundData> {
  const other = await detectData(option);
  if (other.kind === found.kind) return other;
  const names = { images: "a folder of images", idx: "a folder of IDX files", table: "a table" };
  throw new IsonormError(
    "ISO_DATA_FORMAT",
    `${option} is ${names[other.kind]}, and ${path} is ${names[found.kind]}`,
    "Give validation and test data in the form of the training data",
  );
}

/** Of a data set named for one split, the part that is meant: that split if it has it, else its training part, else whatever it has. */
function meantPart<T>(splits: Readonly<Partial<Record<SplitName, T>>>, split: SplitName): T {
  return (splits[split] ?? splits.train ?? splits.test ?? splits.validation)!;
}

interface LoadedTraining {
  readonly loaded: LoadedPart;
  describe(trainingRecords: Uint32Array): InputDescription;
  /** undefined where a table that only happens to lie beside the training data has no labels. */
  loadOther(source: FoundData, split: SplitName, asked: boolean, warnings: string[]): Promise<LoadedPart | undefined>;
}

async function loadTraining(found: FoundData, options: DataOptions): Promise<LoadedTraining> {
  switch (found.kind) {
    case "images": {
      const part = await packImages(found.splits.train!, undefined, options);
      const wrap = (loaded: typeof part): LoadedPart => {
        const { unreadable, sizes, modes } = loaded;
        return { part: loaded, layout: () => undefined, facts: { ...noFacts, unreadable, sizes, modes } };
      };
      return {
        loaded: wrap(part),
        describe: () => part.input,
        async loadOther(source, split) {
          return wrap(await packImages(meantPart((source as typeof found).splits, split), part.input, options));
        },
      };
    }
    case "idx": {
      const part = await readIdxPart(found.splits.train!, options);
      const { height, width, channels } = part.input;
      const facts = (size: number): PartFacts => ({
        ...noFacts,
        sizes: { [`${width}x${height}`]: size },
        modes: { [`idx ${channels === 1 ? "grey" : "rgb"}`]: size },
      });
      const wrap = (loaded: Part): LoadedPart => ({
        part: loaded,
        layout: () => undefined,
        facts: facts(loaded.store.size),
      });
      return {
        loaded: wrap(part),
        describe: () => part.input,
        async loadOther(source, split) {
          const files = meantPart((source as typeof found).splits, split);
          const loaded = await readIdxPart(files, options);
          requireSameImages(files.images, loaded.input, part.input);
          return wrap(loaded);
        },
      };
    }
    case "table": {
      const part = await readTable(found.splits.train!, undefined, options);
      const named = (kind: string) => part.columns.filter((column) => column.kind === kind).map(({ name }) => name);
      const form = { numeric: named("numeric"), categorical: named("categorical"), label: part.label };
      const wrap = (loaded: typeof part): LoadedPart => ({
        part: loaded,
        layout: (input) => (input.kind === "table" ? tableLayout(loaded.columns, input) : undefined),
        facts: { ...noFacts, omitted: named("omitted") },
      });
      return {
        loaded: wrap(part),
        describe: (records) => describeTable(part.columns, part.store, records),
        async loadOther(source, split, asked, warnings) {
          const path = meantPart((source as typeof found).splits, split);
          if (!asked && !(await openTable(path, options)).columns.includes(part.label!)) {
            warnings.push(`${path} has no label column ${JSON.stringify(part.label)}, and is not used.`);
            return undefined;
          }
          return wrap(await readTable(path, form, options));
        },
      };
    }
  }
}

/** @throws ISO_DATA_FORMAT where the images differ in size or channels */
export function requireSameImages(path: string, found: InputDescription, wanted: InputDescription): void {
  const text = (input: InputDescription): string =>
    input.kind === "image" ? `${input.width}x${input.height} with ${input.channels} channels` : "rows of a table";
  if (text(found) === text(wanted)) return;
  throw new IsonormError(
    "ISO_DATA_FORMAT",
    `The images of ${path} are ${text(found)}, and ${text(wanted)} are needed`,
    "Give images of that size",
  );
}
