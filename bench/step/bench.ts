/**
 * Measures training steps, alone or next to PyTorch's.
 *
 *   npm run bench -- [WORKLOAD ...] [--peer pytorch] [--method] [--rounds 12] [--threads 2] [--json]
 *
 * With --peer each round takes some steps of isonorm and as many of the peer, in turn, NCHW and channels_last each; the ratio is the median over the rounds of the quicker
 * layout's median to isonorm's. With --method the turn goes to the same network with the plain optimizer step, which shows what the fixed norm and its measures cost. Each
 * workload runs in a process of its own. With --json one line a workload.
 *
 *   npm run bench -- [WORKLOAD ...] --profile [--top 20] [--json]
 *
 * shows where a step's time goes by phase, operator, layer and node, from ONNX Runtime's profiler.
 */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { profileWorkload } from "./profile.js";
import { printProfile, profileSummary } from "./profileTables.js";
import { measureCeiling, openWorkload } from "./step.js";
import { median, quantile } from "./summary.js";
import { type Workload, workloads } from "./workloads.js";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    peer: { type: "string" },
    method: { type: "boolean", default: false },
    rounds: { type: "string", default: "12" },
    threads: { type: "string", default: String(availableParallelism()) },
    profile: { type: "boolean", default: false },
    top: { type: "string", default: "20" },
    json: { type: "boolean", default: false },
    worker: { type: "boolean", default: false },
  },
});
const [rounds, threads, top] = [options.rounds, options.threads, options.top].map(Number) as [number, number, number];

interface Row {
  readonly workload: string;
  readonly compileSeconds: number;
  readonly nodes: number;
  readonly milliseconds: number;
  readonly examplesPerSecond: number;
  readonly peakMemoryBytes: number;
  readonly ceilingGflops: number;
  readonly peer?: Comparison | undefined;
  readonly method?: Comparison | undefined;
}

/** How much longer the other takes: the median of the rounds' ratios, and the quarter and three quarters of them. */
interface Comparison {
  readonly name: string;
  readonly milliseconds: number;
  readonly ratio: number;
  readonly quarters: readonly [number, number];
  readonly peakMemoryBytes?: number;
}

/** Whoever can take steps in turn with isonorm. */
interface Contender {
  readonly name: string;
  steps(count: number): Promise<number[]>;
  end(): Promise<number | undefined>;
}

async function pytorch(workload: string, layout: string): Promise<Contender> {
  const script = `${import.meta.dirname}/peer_pytorch.py`;
  const python = process.env.PYTHON ?? "/usr/bin/python3";
  const peer: ChildProcess = spawn(python, ["-W", "ignore", script, workload, layout, String(threads)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: peer.stdout! })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`PyTorch ended early on ${workload}; is ${python} one that has torch?`);
    return value as string;
  };
  await next();
  return {
    name: layout,
    async steps(count) {
      peer.stdin!.write(`steps ${count}\n`);
      return JSON.parse(await next()) as number[];
    },
    async end() {
      peer.stdin!.end();
      return (JSON.parse(await next()) as { peakMemoryBytes: number }).peakMemoryBytes;
    },
  };
}

function workloadOf(name: string): Workload {
  const workload = workloads.find((one) => one.name === name);
  if (workload) return workload;
  throw new Error(`no workload is named ${name}: ${workloads.map((one) => one.name).join(", ")}`);
}

async function measure(name: string): Promise<Row> {
  const workload = workloadOf(name);
  const ceilingGflops = await measureCeiling(threads);
  const own = await openWorkload(workload, threads);
  const contenders: Contender[] = [];
  if (options.peer === "pytorch") {
    const layouts = workload.input.kind === "image" ? ["nchw", "channels_last"] : ["nchw"];
    for (const layout of layouts) contenders.push(await pytorch(name, layout));
  } else if (options.peer !== undefined) throw new Error(`there is no peer ${options.peer}: use pytorch`);
  if (options.method) {
    const plain = await openWorkload(workload, threads, { plain: true });
    contenders.push({
      name: "plain SGD",
      async steps(count) {
        const times: number[] = [];
        for (let step = 0; step < count; step++) times.push(await plain.step());
        return times;
      },
      async end() {
        await plain.release();
        return undefined;
      },
    });
  }
  await own.step();
  // About a second a round and contender, at least three steps.
  const count = Math.max(3, Math.min(50, Math.round(1000 / (await own.step()))));
  const times: number[] = [];
  const others = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    const mine: number[] = [];
    for (let step = 0; step < count; step++) mine.push(await own.step());
    times.push(median(mine));
    for (const [index, contender] of contenders.entries()) others[index]!.push(median(await contender.steps(count)));
  }
  const comparisons: Comparison[] = [];
  for (const [index, contender] of contenders.entries()) {
    const ratios = others[index]!.map((time, round) => time / times[round]!);
    const peakMemoryBytes = await contender.end();
    comparisons.push({
      name: contender.name,
      milliseconds: median(others[index]!),
      ratio: median(ratios),
      quarters: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
      ...(peakMemoryBytes === undefined ? {} : { peakMemoryBytes }),
    });
  }
  await own.release();
  const method = comparisons.find((one) => one.name === "plain SGD");
  const [peer] = comparisons.filter((one) => one !== method).sort((a, b) => a.milliseconds - b.milliseconds);
  const milliseconds = median(times);
  return {
    workload: name,
    compileSeconds: own.compileSeconds,
    nodes: own.nodes,
    milliseconds,
    examplesPerSecond: (1000 * workload.batch) / milliseconds,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    ceilingGflops,
    peer,
    method,
  };
}

/** Each workload in a process of its own, so that its peak memory is its own. */
function inProcess(name: string): Promise<Row> {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, [
      ...process.argv.slice(2).filter((text) => !names.includes(text)),
      "--worker",
      name,
    ]);
    child.once("message", (row) => resolve(row as Row));
    child.once(
      "exit",
      (code) => code !== 0 && reject(new Error(`the process that measured ${name} ended with ${code}`)),
    );
  });
}

const names = positionals.length > 0 ? positionals : workloads.map(({ name }) => name);
if (options.worker) {
  process.send!(await measure(names[0]!));
  process.disconnect();
} else if (options.profile) {
  for (const name of names) {
    const profile = await profileWorkload(workloadOf(name), threads, rounds);
    console.log(options.json ? JSON.stringify(profileSummary(profile, top)) : `${printProfile(profile, top)}\n`);
  }
} else {
  for (const name of names) {
    const row = await inProcess(name);
    if (options.json) {
      console.log(JSON.stringify(row));
      continue;
    }
    const { peer, method } = row;
    const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
    console.log(
      [
        name.padEnd(12),
        `${row.milliseconds.toFixed(1)} ms`.padStart(10),
        `${Math.round(row.examplesPerSecond)} examples/s`.padStart(18),
        `first step after ${row.compileSeconds.toFixed(1)} s`,
        mebibytes(row.peakMemoryBytes),
        ...(peer
          ? [
              `PyTorch ${peer.milliseconds.toFixed(1)} ms (${peer.name}), ratio ${peer.ratio.toFixed(2)} (${peer.quarters.map((q) => q.toFixed(2)).join(" to ")}), ${mebibytes(peer.peakMemoryBytes!)}`,
            ]
          : []),
        ...(method ? [`the method adds ${(100 * (1 / method.ratio - 1)).toFixed(1)} %`] : []),
        `ceiling ${Math.round(row.ceilingGflops)} GFLOP/s`,
      ].join("  "),
    );
  }
}
