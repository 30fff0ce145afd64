import { statSync } from "node:fs";
import { join } from "node:path";
import type { InferenceSession } from "onnxruntime-node";
import { type ClassifierDescription, type Provenance, readDescription, serving } from "../classifier/index.js";
import { type Dataset, decodeImage, type InputDescription, type RecordSource } from "../data/index.js";
import { IsonormError } from "../errors.js";
import { argmax, type Evaluation } from "../metrics/index.js";
import { encode, type Model } from "../onnx/index.js";
import { readModel, writeModel } from "../onnx/node/index.js";
import type { Device } from "./deviceName.js";
import { runFiles } from "./runFolder.js";
import { evaluateServed, type ServedBatch, servedBatches } from "./served.js";
import { type TableRow, tableRecords } from "./tableRows.js";

/** What a classifier says of one example. */
export interface Prediction {
  readonly label: string;
  /** Probability of that label. */
  readonly probability: number;
  /** Of every class, in the order of `classes`. [classes] */
  readonly probabilities: Float32Array;
}

/** An image as a path or as the content of an image file; or a row of a table, by column name. */
export type Example = string | Uint8Array | TableRow;

/** Images decoded before they are run together: they are held uncompressed. */
const imagesAtOnce = 64;

/**
 * A trained classifier, as it stands in a model.onnx: the file itself is what runs.
 *
 * @example
 * const classifier = await Classifier.load("runs/flowers");
 * const [{ label, probability }] = await classifier.predict(["rose.jpg"]);
 */
export class Classifier {
  /** The file that it was loaded from. */
  readonly path: string;
  readonly classes: readonly string[];
  readonly input: InputDescription;
  readonly provenance: Provenance;
  readonly #model: Model;
  readonly #session: InferenceSession;

  private constructor(path: string, model: Model, description: ClassifierDescription, session: InferenceSession) {
    this.path = path;
    this.classes = description.classes;
    this.input = description.input;
    this.provenance = description.provenance;
    this.#model = model;
    this.#session = session;
  }

  /**
   * @param path - an exported model.onnx, or a run folder that holds one
   * @param options.threads - of ONNX Runtime; all cores by default
   * @param options.device - what it runs on; the processor by default
   * @throws ISO_DEVICE_UNAVAILABLE, ISO_MODEL_UNREADABLE, ISO_ONNX_... for what is no whole ONNX file, ISO_MODEL_UNSUITABLE for one that isonorm did not export
   */
  static async load(
    path: string,
    options: { readonly threads?: number; readonly device?: Device } = {},
  ): Promise<Classifier> {
    const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
    const file = isFolder ? join(path, runFiles.model) : path;
    const model = readModel(file);
    const description = readDescription(model);
    requireInterface(file, model, description);
    // Loaded here: a command that only starts a training in another process must not wait for ONNX Runtime.
    const { openSession } = await import("./device.js");
    try {
      const session = await openSession(
        encode(model),
        { device: "cpu", ...options },
        // The file itself is what runs: it was not lowered.
        { provider: "webgpu" },
      );
      return new Classifier(file, model, description, session);
    } catch (cause) {
      if (cause instanceof IsonormError) throw cause;
      throw unsuitable(file, `ONNX Runtime cannot load it (${cause instanceof Error ? cause.message : String(cause)})`);
    }
  }

  /**
   * Labels and probabilities, in the order of the examples.
   *
   * @throws ISO_DATA_MISSING and ISO_DATA_IMAGE_UNREADABLE naming the image; ISO_DATA_FORMAT, ISO_DATA_NOT_NUMERIC and ISO_DATA_NOT_FINITE naming row and column
   */
  async predict(examples: readonly Example[]): Promise<Prediction[]> {
    const predictions: Prediction[] = [];
    const atOnce = this.input.kind === "image" ? imagesAtOnce : 4096;
    for (let first = 0; first < examples.length; first += atOnce) {
      const records = await this.#records(examples.slice(first, first + atOnce), first);
      predictions.push(...(await this.predictRecords(records)));
    }
    return predictions;
  }

  /** Predictions for records as `Dataset.read` gives them. */
  async predictRecords(records: RecordSource): Promise<Prediction[]> {
    const all: Prediction[] = [];
    for await (const { predictions } of this.predictBatches(records)) all.push(...predictions);
    return all;
  }

  /** The same batch by batch, for more records than memory holds predictions. `first` is the index of a batch's first record. */
  async *predictBatches(records: RecordSource): AsyncGenerator<{ first: number; predictions: Prediction[] }> {
    for await (const { first, count, probabilities } of servedBatches(this.#session, this.input, records)) {
      const predictions = Array.from({ length: count }, (_, row): Prediction => {
        const own = probabilities.slice(row * this.classes.length, (row + 1) * this.classes.length);
        const best = argmax(own, 0, own.length);
        return { label: this.classes[best]!, probability: own[best]!, probabilities: own };
      });
      yield { first, predictions };
    }
  }

  /**
   * Judges the classifier on labelled examples, opened for it by `openForClassifier` or with its own input and classes.
   *
   * @param onBatch - gets every batch's scores
   */
  evaluate(dataset: Dataset, onBatch?: (batch: ServedBatch) => void): Promise<Evaluation> {
    return evaluateServed(this.#session, dataset, onBatch);
  }

  /** Writes the classifier as an ONNX file, all of it or nothing. Throws ISO_OUT_NOT_WRITABLE. */
  async save(path: string): Promise<void> {
    try {
      writeModel(path, this.#model);
    } catch (cause) {
      const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
      throw new IsonormError("ISO_OUT_NOT_WRITABLE", `cannot write ${path} (${reason})`, "Choose another path", {
        cause,
      });
    }
  }

  /** Frees the runtime's memory; the classifier cannot be used afterwards. */
  async release(): Promise<void> {
    await this.#session.release();
  }

  async #records(examples: readonly Example[], first: number): Promise<RecordSource> {
    const { input } = this;
    if (input.kind === "table") return tableRecords(examples, input, first);
    const length = input.height * input.width * input.channels;
    const pixels = new Uint8Array(examples.length * length);
    const decode = async (example: Example, index: number): Promise<void> => {
      if (typeof example !== "string" && !(example instanceof Uint8Array))
        throw new IsonormError(
          "ISO_DATA_FORMAT",
          `example ${first + index} is a row of a table, and the classifier takes images`,
          "Give paths of images, or the contents of image files",
        );
      pixels.set(await decodeImage(example, input), index * length);
    };
    await Promise.all(examples.map(decode));
    return {
      dtype: "uint8",
      size: examples.length,
      recordLength: length,
      read(wanted, into, offset = 0) {
        for (let i = 0; i < wanted.length; i++)
          into.set(pixels.subarray(wanted[i]! * length, (wanted[i]! + 1) * length), offset + i * length);
      },
    };
  }
}

/** Refuses a file whose metadata and graph do not fit together: running it would fail, or give numbers without meaning. */
function requireInterface(path: string, { graph }: Model, { input, classes }: ClassifierDescription): void {
  const wanted: Record<string, string> = {};
  if (input.kind === "image") wanted[serving.pixels] = `uint8[${input.height},${input.width},${input.channels}]`;
  else {
    if (input.numeric.length > 0) wanted[serving.features] = `float32[${input.numeric.length}]`;
    if (input.categorical.length > 0) wanted[serving.categories] = `string[${input.categorical.length}]`;
  }
  const describe = (values: Model["graph"]["inputs"]): Record<string, string> =>
    Object.fromEntries(values.map(({ name, dtype, shape }) => [name, `${dtype}[${(shape ?? []).slice(1)}]`]));
  const inputs = describe(graph.inputs);
  for (const name of new Set([...Object.keys(wanted), ...Object.keys(inputs)]))
    if (inputs[name] !== wanted[name])
      throw unsuitable(
        path,
        `its input ${name} is ${inputs[name] ?? "missing"}, and its metadata says ${wanted[name] ?? "that there is none"}`,
      );
  const outputs = describe(graph.outputs);
  for (const name of [serving.logits, serving.probabilities])
    if (outputs[name] !== `float32[${classes.length}]`)
      throw unsuitable(
        path,
        `its output ${name} is ${outputs[name] ?? "missing"}, and its metadata names ${classes.length} classes`,
      );
}

function unsuitable(path: string, reason: string): IsonormError {
  return new IsonormError(
    "ISO_MODEL_UNSUITABLE",
    `${path} is no classifier that isonorm exported: ${reason}`,
    "Use a model.onnx from a run folder, unchanged",
  );
}
