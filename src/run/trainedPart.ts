import { createHash } from "node:crypto";
import { join } from "node:path";
import type { InferenceSession } from "onnxruntime-node";
import { preprocessRecords, recordShape } from "../classifier/index.js";
import {
  createPack,
  type Dataset,
  type InputStatistics,
  openCache,
  openPack,
  recordArray,
  recordsPerMebibyte,
  type Splits,
  selectDataset,
  sequentialBatches,
} from "../data/index.js";
import { IsonormError } from "../errors.js";
import { eliminateDeadNodes, GraphBuilder, inline, pruneInitializers } from "../graph/index.js";
import { type Cut, cutFrozen } from "../import/index.js";
import { elementCount, encode, type Graph, type Model, type Tensor } from "../onnx/index.js";
import type { AskedTrainSettings } from "../train/index.js";
import { openSession } from "./device.js";
import { requireModelMemory } from "./memory.js";
import type { Network } from "./network.js";
import { recordsTensor } from "./records.js";
import { workerOptions } from "./sessionOptions.js";

/** What the training step is compiled for: the network and its data, or, where only its end is trained, that end and the features before it. */
export interface TrainedPart {
  readonly model: Model;
  readonly splits: Splits;
  readonly statistics: InputStatistics;
  /** Features of an example; undefined where the whole network is trained on. */
  readonly features: number | undefined;
  /** Closes what was opened besides the data given. */
  close(): void;
}

/** Bytes of features that are kept on disk at most, and that are held in memory. */
const mostBytes = 4 * 2 ** 30;
const mostInMemory = 512 * 2 ** 20;

/**
 * Cuts off a network's frozen part where that is all the same from epoch to epoch, which needs images that are not augmented: its results are computed
 * once for every example, and kept in the cache folder for further trainings.
 *
 * `augmentation: "auto"` means none where the head alone is trained.
 */
export async function trainedPart(
  network: Network,
  splits: Splits,
  settings: AskedTrainSettings,
  threads: number,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<TrainedPart> {
  const whole = { model: network.model, splits, statistics: network.statistics, features: undefined, close() {} };
  const unaugmented =
    settings.augmentation === "none" ||
    (settings.augmentation === "auto" && (settings.train === "head" || splits.train.input.kind === "table"));
  const cut = unaugmented ? cutFrozen(network.model.graph, network.trained) : undefined;
  if (!cut) return whole;
  const extractor = compileFeatures(network, cut, splits.train);
  const features = elementCount(extractor.shape);
  const examples = splits.train.size + splits.validation.size;
  if (4 * features * examples > mostBytes) return whole;

  requireModelMemory(extractor.model, "features", `computing the features of ${extractor.batch} examples`);
  const session = await openSession(encode(extractor.model), { device: "cpu", threads }, { options: workerOptions });
  try {
    const key = createHash("sha256").update(encode(extractor.model)).digest("hex");
    const { folder } = openCache();
    let done = 0;
    const featuresOf = async (data: Dataset): Promise<Dataset> => {
      const path = join(folder, `${hashRecords(data, key)}.features`);
      if (!openPack(path, 0))
        await extract(session, data, extractor.batch, features, path, (count) => onProgress(done + count, examples));
      done += data.size;
      return featureData(data, path, features);
    };
    const train = await featuresOf(splits.train);
    const validation = await featuresOf(splits.validation);
    return {
      model: { ...network.model, graph: extractor.trained },
      splits: { ...splits, train, validation, test: undefined },
      statistics: {
        kind: "table",
        numeric: Array.from({ length: features }, () => ({ mean: 0, std: 1, range: 0, missing: false })),
      },
      features,
      close() {
        train.close();
        validation.close();
      },
    };
  } finally {
    await session.release();
  }
}

interface Extractor {
  /** From `records`, a batch of raw ones, to `features` [batch, features]. */
  readonly model: Model;
  readonly batch: number;
  /** Of an example's features in the network. */
  readonly shape: readonly number[];
  /** The rest of the network, whose input is [batch, features]. */
  readonly trained: TrainedPart["model"]["graph"];
}

function compileFeatures({ model, statistics }: Network, { frozen, trained, features }: Cut, data: Dataset): Extractor {
  const batch = Math.min(64, data.size);
  const b = new GraphBuilder({ opsets: model.opsets });
  const { input } = data;
  const records = b.input("records", input.kind === "image" ? "uint8" : "float32", [batch, ...recordShape(input)]);
  const bindings = new Map([[frozen.inputs[0]!.name, preprocessRecords(b, records, input, statistics)]]);
  const value = inline(b, { ...model, graph: frozen }, bindings, { prefix: "model/" }).get(features)!;
  const shape = value.shape.slice(1);
  b.output("features", b.reshape(value, [batch, elementCount(shape)]));
  return {
    model: { ...model, graph: pruneInitializers(eliminateDeadNodes(b.finish("features"))), metadata: new Map() },
    batch,
    shape,
    trained: fromFlat(trained, features, shape),
  };
}

/** The network's end with a row of features as its input, brought to their shape first. */
function fromFlat(graph: Graph, features: string, shape: readonly number[]): Graph {
  const flat = { name: features, dtype: "float32", shape: ["batch", elementCount(shape)] } as const;
  if (shape.length === 1) return pruneInitializers({ ...graph, inputs: [flat], valueInfo: [] });
  const [name, target] = [`${features}/flat`, `${features}/shape`];
  const reshape = { op: "Reshape", domain: "", name, inputs: [name, target], outputs: [features], attributes: {} };
  const sizes: Tensor = { dtype: "int64", shape: [shape.length + 1], data: BigInt64Array.from([0, ...shape], BigInt) };
  return pruneInitializers({
    ...graph,
    inputs: [{ ...flat, name }],
    nodes: [reshape, ...graph.nodes],
    initializers: new Map([...graph.initializers, [target, sizes]]),
    valueInfo: [],
  });
}

/** Writes the features of all examples, in order, to a file of the cache. */
async function extract(
  session: InferenceSession,
  data: Dataset,
  batch: number,
  features: number,
  path: string,
  onProgress: (done: number) => void,
): Promise<void> {
  const pack = createPack(path, "float32", features);
  try {
    const full = recordArray(data.dtype, batch * data.recordLength);
    for (const { first, count, records } of sequentialBatches(data, batch)) {
      full.set(records);
      const results = await session.run({ records: recordsTensor(data, full, batch) });
      pack.append((results.features!.data as Float32Array).subarray(0, count * features));
      onProgress(first + count);
    }
    pack.finish(data.labels, {});
  } catch (error) {
    pack.abandon();
    throw error;
  }
}

/** SHA-256 of a key and all records: which features they are. */
function hashRecords(data: Dataset, key: string): string {
  const hash = createHash("sha256").update(key);
  for (const { records } of sequentialBatches(data, recordsPerMebibyte(data)))
    hash.update(new Uint8Array(records.buffer, records.byteOffset, records.byteLength));
  return hash.digest("hex");
}

function featureData(data: Dataset, path: string, features: number): Dataset {
  const pack = openPack(path, mostInMemory);
  if (!pack)
    throw new IsonormError(
      "ISO_OUT_NOT_WRITABLE",
      `The cache file ${path} cannot be read back`,
      "Name another cache folder",
    );
  return selectDataset({
    input: {
      kind: "table",
      numeric: Array.from({ length: features }, (_, index) => `feature ${index}`),
      categorical: [],
    },
    classes: data.classes,
    labels: data.labels,
    store: pack.store,
    source: (example) => data.source(example),
  });
}
