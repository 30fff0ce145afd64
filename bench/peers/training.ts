import { readFileSync } from "node:fs";
import { decodeSafetensors } from "../../src/safetensors/index.js";
import { serve } from "../step/serve.js";
import { networks } from "./networks.js";

export interface Weight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A training that a peer takes over from isonorm. */
export interface Training {
  readonly network: (typeof networks)[string];
  /** [batch, channels, height, width] or [batch, features] */
  readonly input: Weight;
  /** [batch, classes] */
  readonly targets: Weight;
  /** Before the first step, by name. */
  readonly weights: ReadonlyMap<string, Weight>;
  /** S of the classifier. */
  readonly scale: number;
}

/** One training step with momentum 0.9 and no decay; the loss before it. */
export type Step = (rate: number) => Promise<number>;

export const momentum = 0.9;
export const epsilon = 1e-5;

/** Serves the training named by the command line: `PEER.ts WORKLOAD TRAINING_FILE`. */
export async function serveTraining(open: (training: Training) => Promise<Step>): Promise<void> {
  const [workload, file] = process.argv.slice(2) as [string, string];
  const network = networks[workload];
  if (!network) throw new Error(`${workload} is not written for this peer; ${Object.keys(networks).join(", ")} are`);
  const { tensors, metadata } = decodeSafetensors(readFileSync(file));
  const weights = new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: data as Float32Array }]));
  const taken = (name: string): Weight => {
    const tensor = weights.get(name)!;
    weights.delete(name);
    return tensor;
  };
  const [input, targets] = [taken("input"), taken("targets")];
  const step = await open({ network, input, targets, weights, scale: Number(metadata.scale) });
  await serve(
    {},
    {
      async steps(count) {
        const times: number[] = [];
        for (let index = 0; index < count; index++) {
          const before = performance.now();
          // Small, as isonorm's: what is measured must not diverge on noise.
          await step(1e-4);
          times.push(performance.now() - before);
        }
        return times;
      },
      async losses(count, rate) {
        const losses: number[] = [];
        for (let index = 0; index < count; index++) losses.push(await step(rate));
        return losses;
      },
    },
  );
}
