import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ceilingOperations } from "./ceiling.js";
import { type Contestant, type Peer, startOwn, startPeer } from "./contestants.js";
import { median, quantile } from "./summary.js";
import { writeTrainingFile } from "./trainingFile.js";
import type { Workload } from "./workloads.js";

export interface Row {
  readonly workload: string;
  /** See `OpenWorkload`. */
  readonly compileSeconds: number;
  readonly firstStepSeconds: number;
  readonly nodes: number;
  /** Median over the rounds of their medians. */
  readonly milliseconds: number;
  readonly examplesPerSecond: number;
  /** Resident, of a process that only trains. */
  readonly peakMemoryBytes: number;
  /** Of the model's matrix products and convolutions in one step, in 10^9 floating-point operations. */
  readonly gigaOperations: number;
  readonly gflops: number;
  /** GFLOP/s of a 2048^3 matrix product, in turn with the steps. */
  readonly ceilingGflops: number;
  /** Step time over the time that its operations would take at the ceiling. */
  readonly timesLimit: number;
  readonly peer?: Comparison;
}

/** How much longer the other takes: the median of the rounds' ratios, and the quarter and three quarters of them. */
export interface Comparison {
  readonly name: string;
  readonly milliseconds: number;
  readonly ratio: number;
  readonly quarters: readonly [number, number];
  readonly peakMemoryBytes: number;
  /** Largest relative difference between its losses and isonorm's over the first steps from the same weights. */
  readonly lossDifference?: number;
}

export interface MeasureOptions {
  readonly threads: number;
  readonly rounds: number;
  readonly peer?: Peer;
}

/** Steps whose losses are compared, and their learning rate: enough that the loss falls visibly. */
const [comparedSteps, comparedRate] = [4, 0.05];
/** float32 sums in another order, over four steps that each amplify the differences before. */
const lossTolerance = 2e-3;

/**
 * Measures a workload. All contestants have processes of their own, which exist side by side and take turns: in each round each takes steps for about a second, so that what
 * slows the machine slows all.
 */
export async function measure(workload: Workload, options: MeasureOptions): Promise<Row> {
  const { threads, rounds } = options;
  const folder = await mkdtemp(join(tmpdir(), "isonorm-bench-"));
  const running: Contestant[] = [];
  const add = (contestant: Contestant): Contestant => {
    running.push(contestant);
    return contestant;
  };
  try {
    const trainingFile = join(folder, "training.safetensors");
    const ceiling = add(await startOwn("ceiling", workload, threads));
    const own = add(await startOwn("method", workload, threads));
    const [first] = await own.steps(1);
    const others: Contestant[] = [];
    let lossDifference: number | undefined;
    if (options.peer) {
      if (options.peer !== "pytorch") await writeTrainingFile(workload, threads, trainingFile);
      others.push(...(await startPeer(options.peer, workload, threads, trainingFile)).map(add));
      if (options.peer !== "pytorch") lossDifference = await compareLosses(workload, threads, others[0]!);
    }

    const counts = new Map<Contestant, number>();
    for (const contestant of [own, ceiling, ...others]) {
      await contestant.steps(1);
      const [milliseconds] = await contestant.steps(1);
      counts.set(contestant, Math.max(1, Math.min(50, Math.round(1000 / milliseconds!))));
    }
    counts.set(ceiling, 3);
    const times = new Map([own, ceiling, ...others].map((contestant) => [contestant, [] as number[]]));
    for (let round = 0; round < rounds; round++)
      for (const [contestant, list] of times) {
        const results = await contestant.steps(counts.get(contestant)!);
        list.push(contestant === ceiling ? Math.min(...results) : median(results));
      }

    const memory = new Map<Contestant, number>();
    while (running.length > 0) {
      const contestant = running.pop()!;
      memory.set(contestant, await contestant.end());
    }
    const comparisons = others.map((other): Comparison => {
      const ratios = times.get(other)!.map((time, round) => time / times.get(own)![round]!);
      return {
        name: other.name,
        milliseconds: median(times.get(other)!),
        ratio: median(ratios),
        quarters: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
        peakMemoryBytes: memory.get(other)!,
        ...(lossDifference === undefined ? {} : { lossDifference }),
      };
    });
    const milliseconds = median(times.get(own)!);
    const { compileSeconds, nodes, operations } = own.description as Record<string, number>;
    const ceilingGflops = ceilingOperations / 1e6 / median(times.get(ceiling)!);
    const gflops = operations! / 1e6 / milliseconds;
    const [peer] = comparisons.sort((a, b) => a.milliseconds - b.milliseconds);
    return {
      workload: workload.name,
      compileSeconds: compileSeconds!,
      firstStepSeconds: compileSeconds! + first! / 1000,
      nodes: nodes!,
      milliseconds,
      examplesPerSecond: (1000 * workload.batch) / milliseconds,
      peakMemoryBytes: memory.get(own)!,
      gigaOperations: operations! / 1e9,
      gflops,
      ceilingGflops,
      timesLimit: ceilingGflops / gflops,
      ...(peer ? { peer } : {}),
    };
  } finally {
    for (const contestant of running) await contestant.end().catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  }
}

/** That the peer trains the same network: its losses over the first steps against isonorm's with the plain optimizer step. */
async function compareLosses(workload: Workload, threads: number, peer: Contestant): Promise<number> {
  const plain = await startOwn("plain", workload, threads);
  const expected = await plain.losses(comparedSteps, comparedRate);
  await plain.end();
  const losses = await peer.losses(comparedSteps, comparedRate);
  const difference = Math.max(...losses.map((loss, step) => Math.abs(loss / expected[step]! - 1)));
  if (!(difference <= lossTolerance))
    throw new Error(`${peer.name} trains something else on ${workload.name}: losses ${losses}, isonorm's ${expected}`);
  return difference;
}
