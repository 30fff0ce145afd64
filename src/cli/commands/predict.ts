import { existsSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, sep } from "node:path";
import {
  decodeImage,
  type ImageDescription,
  isImageName,
  openRowsForClassifier,
  type TableDescription,
} from "../../data/index.js";
import { IsonormError } from "../../errors.js";
import { Classifier, deviceNamed, type Prediction } from "../../run/index.js";
import { percent } from "../format.js";
import { Output } from "../output.js";
import { integer, type RawOptions } from "../trainingOptions.js";

/** Images decoded before they are run together. */
const imagesAtOnce = 32;

/** `isonorm predict` */
export async function predict(model: string, inputs: readonly string[], options: RawOptions): Promise<void> {
  const output = new Output({ json: options.json === true });
  const top = integer(options, "top") ?? 3;
  if (top < 1) throw new IsonormError("ISO_ARGUMENT", `--top is ${top}`, "Give a number of classes, at least 1");
  for (const path of inputs)
    if (!existsSync(path))
      throw new IsonormError("ISO_DATA_MISSING", `there is no file or folder ${path}`, "Check the path");
  const classifier = await Classifier.load(model, {
    threads: integer(options, "threads"),
    device: deviceNamed(options.device ?? "cpu"),
  });
  const printer = new Printer(output, classifier.classes, top);
  try {
    const { input } = classifier;
    if (input.kind === "image") await predictImages(classifier, input, inputs, printer);
    else for (const path of inputs) await predictTable(classifier, input, path, printer, options);
    output.event({ event: "done", model: classifier.path, examples: printer.examples, skipped: printer.skipped } as {
      event: string;
    });
  } finally {
    await classifier.release();
  }
}

async function predictImages(
  classifier: Classifier,
  input: ImageDescription,
  inputs: readonly string[],
  printer: Printer,
): Promise<void> {
  let files: string[] = [];
  for (const path of inputs) files = files.concat(statSync(path).isDirectory() ? await imagesBelow(path) : [path]);
  for (let first = 0; first < files.length; first += imagesAtOnce) {
    const decoded = await Promise.all(
      files.slice(first, first + imagesAtOnce).map(async (file) => {
        try {
          return { file, pixels: await decodeImage(file, input) };
        } catch (error) {
          if (error instanceof IsonormError) return { file, error };
          throw error;
        }
      }),
    );
    const readable = decoded.flatMap(({ file, pixels }) => (pixels ? [{ file, pixels }] : []));
    const predictions = await classifier.predictRecords(recordsOf(readable.map(({ pixels }) => pixels)));
    let next = 0;
    for (const { file, error } of decoded) {
      if (error) printer.skip(error.message);
      else printer.print(file, predictions[next++]!);
    }
  }
  if (printer.examples > 0) return;
  throw new IsonormError(
    "ISO_DATA_IMAGE_UNREADABLE",
    files.length === 0 ? `there are no images in ${inputs.join(", ")}` : "none of the images could be read",
    "Give image files, or folders that hold some",
  );
}

/** Images in the folder and below, by name; hidden ones are left out. */
async function imagesBelow(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  const shown = names.filter((name) => !name.split(sep).some((part) => part.startsWith(".")));
  return shown
    .filter(isImageName)
    .sort()
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
}

function recordsOf(images: readonly Uint8Array[]) {
  const recordLength = images[0]?.length ?? 0;
  return {
    dtype: "uint8",
    size: images.length,
    recordLength,
    read(wanted: ArrayLike<number>, into: Uint8Array | Float32Array, offset = 0): void {
      for (let i = 0; i < wanted.length; i++) into.set(images[wanted[i]!]!, offset + i * recordLength);
    },
  } as const;
}

async function predictTable(
  classifier: Classifier,
  input: TableDescription,
  path: string,
  printer: Printer,
  options: RawOptions,
): Promise<void> {
  const rows = await openRowsForClassifier(path, input, options.header === false ? { noHeader: true } : {});
  try {
    for (const message of rows.warnings) printer.warn(message);
    for await (const { first, predictions } of classifier.predictBatches(rows))
      predictions.forEach((prediction, row) => {
        printer.print(rows.source(first + row), prediction);
      });
  } finally {
    rows.close();
  }
}

/** Prints predictions as they come, and counts them. */
class Printer {
  examples = 0;
  skipped = 0;
  readonly #output: Output;
  readonly #classes: readonly string[];
  readonly #top: number;

  constructor(output: Output, classes: readonly string[], top: number) {
    this.#output = output;
    this.#classes = classes;
    this.#top = top;
  }

  print(source: string, { label, probability, probabilities }: Prediction): void {
    this.examples++;
    const top = Array.from(probabilities, (probability, index) => ({ label: this.#classes[index]!, probability }))
      .sort((a, b) => b.probability - a.probability)
      .slice(0, this.#top);
    // Not both: of a large table the lines for people would drown its warnings.
    if (this.#output.json)
      this.#output.event({ event: "prediction", source, label, probability, top } as { event: string });
    else
      this.#output.say(
        `${source}: ${top.map((candidate) => `${candidate.label} ${percent(candidate.probability)}`).join(", ")}`,
      );
  }

  skip(message: string): void {
    this.skipped++;
    this.warn(message);
  }

  warn(message: string): void {
    this.#output.event({ event: "warning", message } as { event: string });
    this.#output.warn(message);
  }
}
