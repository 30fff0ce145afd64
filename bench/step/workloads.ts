import type { InputDescription } from "../../src/data/index.js";
import { IsonormError } from "../../src/errors.js";

/** One training step that is measured: a built-in model on made-up data. The same names stand in peer_pytorch.py and, without those that take depthwise convolutions or attention, in bench/peers. */
export interface Workload {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>> & { readonly model: string };
  readonly input: InputDescription;
  readonly batch: number;
  readonly classes: number;
  /** Left out unless it is named: too large for a machine of a few GiB. */
  readonly onlyByName?: boolean;
}

const image = (side: number, channels: 1 | 3): InputDescription => ({
  kind: "image",
  height: side,
  width: side,
  channels,
});
const table = (columns: number): InputDescription => ({
  kind: "table",
  numeric: Array.from({ length: columns }, (_, column) => `c${column}`),
  categorical: [],
});

export const workloads: readonly Workload[] = [
  { name: "resnet20", settings: { model: "resnet20", width: 16 }, input: image(32, 3), batch: 128, classes: 10 },
  { name: "resnet20w32", settings: { model: "resnet20", width: 32 }, input: image(32, 3), batch: 128, classes: 10 },
  { name: "mlp", settings: { model: "mlp", hidden: [1024, 1024] }, input: table(784), batch: 256, classes: 10 },
  {
    name: "mobilenetv2",
    settings: { model: "mobilenetv2", width: 0.5, dropout: 0 },
    input: image(96, 3),
    batch: 32,
    classes: 10,
  },
  { name: "convnet", settings: { model: "convnet" }, input: image(14, 1), batch: 128, classes: 10 },
  { name: "digits", settings: { model: "mlp", hidden: [128, 128] }, input: table(64), batch: 64, classes: 10 },
  {
    name: "vit-tiny",
    settings: { model: "vit-tiny", patch: 4, dropPath: 0 },
    input: image(32, 3),
    batch: 32,
    classes: 10,
  },
  {
    name: "resnet50",
    settings: { model: "resnet50" },
    input: image(224, 3),
    batch: 32,
    classes: 1000,
    onlyByName: true,
  },
];

export function workloadOf(name: string): Workload {
  const workload = workloads.find((one) => one.name === name);
  if (workload) return workload;
  throw new IsonormError(
    "ISO_ARGUMENT",
    `no workload is named ${name}`,
    `Name one of ${workloads.map((one) => one.name).join(", ")}`,
  );
}
