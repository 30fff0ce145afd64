import { inputStatistics, makeDataset, Random, type Splits } from "../../data/core.js";
import { parseTrainSettings } from "../../train/index.js";
import type { Device } from "../deviceName.js";
import { type Network, openNetwork } from "../network.js";
import { type PreparedTraining, prepareNetwork } from "../prepare.js";

/** A small training on made-up data: `examples` of them, images of `side` x `side` pixels, or rows of a table without it. */
export interface MadeUp {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly side?: number;
  readonly batchSize: number;
  /** Whether Elu takes the place of Relu and Clip: its derivative has no jump. */
  readonly smooth?: boolean;
}

export async function prepareMadeUp(
  { settings, side, batchSize, smooth }: MadeUp,
  device: Device,
): Promise<PreparedTraining> {
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
  const network = await openNetwork(splits, inputStatistics(data), asked, 1);
  return prepareNetwork(smooth ? withElu(network) : network, splits, asked, 1, { device });
}

/** The network with Elu in place of Relu and Clip. */
export function withElu(network: Network): Network {
  const { graph } = network.model;
  const nodes = graph.nodes.map((node) =>
    node.op === "Relu" || node.op === "Clip"
      ? { ...node, op: "Elu", inputs: node.inputs.slice(0, 1), attributes: {} }
      : node,
  );
  return { ...network, model: { ...network.model, graph: { ...graph, nodes } } };
}
