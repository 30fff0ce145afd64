import { inputStatistics, makeDataset, Random, type Splits } from "../../data/core.js";
import { parseTrainSettings } from "../../train/index.js";
import type { Device } from "../deviceName.js";
import { type PreparedTraining, prepareTraining } from "../prepare.js";

/** A small training on made-up data: `examples` of them, images of `side` x `side` pixels, or rows of a table without it. */
export interface MadeUp {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly side?: number;
  readonly batchSize: number;
}

export function prepareMadeUp({ settings, side, batchSize }: MadeUp, device: Device): Promise<PreparedTraining> {
  const [classes, columns, size] = [4, 16, 4 * batchSize];
  const random = new Random("made up");
  const data = makeDataset({
    records:
      side === undefined
        ? Float32Array.from({ length: size * columns }, () => random.normal())
        : Uint8Array.from({ length: size * side * side * 3 }, () => random.int(256)),
    labels: Array.from({ length: size }, (_, example) => example % classes),
    classes: Array.from({ length: classes }, (_, label) => `class ${label}`),
    input:
      side === undefined
        ? { kind: "table", numeric: Array.from({ length: columns }, (_, column) => `c${column}`), categorical: [] }
        : { kind: "image", height: side, width: side, channels: 3 },
  });
  const splits: Splits = { train: data, validation: data, test: undefined, hash: "", warnings: [] };
  const asked = parseTrainSettings({ ...settings, batchSize, epochs: 5, augmentation: "none" });
  return prepareTraining(splits, inputStatistics(data), asked, 1, { device });
}
