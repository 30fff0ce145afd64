import { models, type TrainOptions } from "../../src/index.js";
import type { Architecture } from "../../src/models/index.js";

export const table = "bench/elr/table.jsonl";

/** One training: its ELR, and what it came to on the held-out examples; null where it diverged. */
export interface Row {
  readonly network: string;
  readonly log2Elr: number;
  readonly seed: number;
  readonly loss: number | null;
  readonly accuracy: number | null;
  readonly seconds: number;
}

/** A network, the data it learns, and the rates to try. */
export interface Workload {
  readonly name: string;
  readonly data: "digits" | "fashion 14x14" | "fashion 28x28" | "fashion 14x14, 12,000 images";
  readonly network: Pick<TrainOptions, "fixedNorm" | "optimizer"> & { readonly model: Architecture };
  readonly epochs: number;
  readonly seeds: number;
  readonly log2Elrs: readonly number[];
}

const from = (first: number, last: number): number[] =>
  Array.from({ length: (last - first) / 2 + 1 }, (_, index) => first + 2 * index);

const workload = (
  data: Workload["data"],
  model: Architecture,
  label: string,
  log2Elrs: readonly number[],
  {
    epochs = 3,
    seeds = 2,
    ...options
  }: Partial<Pick<TrainOptions, "fixedNorm" | "optimizer">> & { epochs?: number; seeds?: number } = {},
): Workload => ({
  name: `${model.name} ${label}, ${data}`,
  data,
  network: { model, ...options },
  epochs,
  seeds,
  log2Elrs,
});

const [digits, small, large] = ["digits", "fashion 14x14", "fashion 28x28"] as const;
const once = { seeds: 1 };

export const workloads: readonly Workload[] = [
  workload(large, models.mobilenetV2({ width: 0.35 }), "0.35, adam", from(-11, -5), { optimizer: "adam", seeds: 1 }),
  workload(small, models.resnet20(), "16, adam", from(-11, -5), { optimizer: "adam", seeds: 1 }),
  workload(large, models.resnet18(), "64", from(-16.5, -8.5), once),
  workload(large, models.mobilenetV2({ width: 0.35 }), "0.35", from(-14.5, -8.5), once),
  ...[8, 16, 32].map((width) => workload(small, models.convnet({ width }), `${width}`, from(-12.5, -4.5))),
  workload(small, models.convnet({ width: 64 }), "64", from(-14.5, -4.5), once),
  ...[8, 16].map((width) => workload(small, models.resnet20({ width }), `${width}`, from(-12.5, -6.5))),
  ...[128, 512, 1024].map((width) =>
    workload(small, models.mlp({ hidden: [width, width] }), `${width}, ${width}`, from(-16.5, -4.5)),
  ),
  workload(large, models.efficientnetB0(), "1", from(-16.5, -8.5), once),
  workload(small, models.resnet20({ width: 32 }), "32", from(-14.5, -8.5), once),
  workload("fashion 14x14, 12,000 images", models.resnet20(), "16", from(-12.5, -6.5), { epochs: 2, seeds: 1 }),
  ...[8, 32].map((width) =>
    workload(small, models.convnet({ width }), `${width}, adam`, from(-11, -3), { optimizer: "adam", seeds: 1 }),
  ),
  ...[8, 32].map((width) =>
    workload(small, models.convnet({ width }), `${width}, 10 epochs`, from(-12.5, -4.5), { epochs: 10, seeds: 1 }),
  ),
  workload(large, models.mobilenetV2({ width: 0.35 }), "0.35, 10 epochs", [-12.5, -10.9, -10.5, -8.5], {
    epochs: 10,
    seeds: 1,
  }),
  ...[128, 512, 1024].map((width) =>
    workload(digits, models.mlp({ hidden: [width, width] }), `${width}, ${width}`, from(-14.5, -4.5), { epochs: 10 }),
  ),
  workload(small, models.resnet56({ width: 8 }), "8", from(-12.5, -6.5), once),
  ...[8, 32].map((width) =>
    workload(small, models.convnet({ width }), `${width}, norm by channel`, from(-8.5, -0.5), {
      fixedNorm: "channel",
      seeds: 1,
    }),
  ),
];
