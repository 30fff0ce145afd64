import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import {
  type Dataset,
  type InputStatistics,
  inputStatistics,
  makeDataset,
  openData,
  type Splits,
} from "../../src/data/index.js";

/** What the tables are made on: a network, its data, and the lengths of a full training. */
export interface Workload {
  readonly name: string;
  readonly model: string;
  readonly batchSize: number;
  /** Passes over the data of a full training. */
  readonly epochs: readonly number[];
  readonly augmentation: Record<string, boolean> | "none";
  open(): Promise<{ splits: Splits; statistics: InputStatistics }>;
}

export const workloads: readonly Workload[] = [
  {
    name: "digits-mlp",
    model: "mlp",
    batchSize: 64,
    epochs: [40],
    augmentation: "none",
    async open() {
      // A larger validation split than the default: 145 examples would drown every difference in noise.
      const splits = await openData("examples/digits", { seed: 0, validation: 0.3, test: 0 });
      return { splits, statistics: inputStatistics(splits.train) };
    },
  },
  {
    name: "fashion-convnet",
    model: "convnet",
    batchSize: 128,
    epochs: [6, 18],
    augmentation: { flip: true },
    async open() {
      const folder = "../shared/data/fashion-mnist";
      if (!existsSync(folder)) throw new Error(`${folder} is missing: this table needs Fashion-MNIST there`);
      const pixels = gunzipSync(readFileSync(`${folder}/train-images-idx3-ubyte.gz`)).subarray(16);
      const labels = gunzipSync(readFileSync(`${folder}/train-labels-idx1-ubyte.gz`)).subarray(8);
      const part = (first: number, size: number): Dataset =>
        makeDataset({
          records: pooled(pixels.subarray(first * 784, (first + size) * 784), size),
          labels: labels.subarray(first, first + size),
          classes: Array.from({ length: 10 }, (_, label) => String(label)),
          input: { kind: "image", height: 14, width: 14, channels: 1 },
        });
      const train = part(0, 12_000);
      const splits: Splits = {
        train,
        validation: part(12_000, 4_000),
        test: undefined,
        hash: "fashion-mnist 14x14",
        warnings: [],
      };
      return { splits, statistics: inputStatistics(train) };
    },
  },
];

/** 28x28 to 14x14 by the mean of each 2x2 block. */
function pooled(pixels: Uint8Array, images: number): Uint8Array {
  const result = new Uint8Array(images * 196);
  for (let image = 0; image < images; image++)
    for (let y = 0; y < 14; y++)
      for (let x = 0; x < 14; x++) {
        const at = image * 784 + 56 * y + 2 * x;
        result[image * 196 + 14 * y + x] =
          (pixels[at]! + pixels[at + 1]! + pixels[at + 28]! + pixels[at + 29]! + 2) >> 2;
      }
  return result;
}
