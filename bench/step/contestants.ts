import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "tsdown";
import { IsonormError } from "../../src/errors.js";
import { networks } from "../peers/networks.js";
import type { Workload } from "./workloads.js";

/** Whoever takes steps in turn with others, in a process of its own. */
export interface Contestant {
  readonly name: string;
  /** What the process says of itself. */
  readonly description: Readonly<Record<string, number>>;
  /** Milliseconds of each of so many steps. */
  steps(count: number): Promise<readonly number[]>;
  /** Losses before each of so many steps with that learning rate. */
  losses(count: number, rate: number): Promise<readonly number[]>;
  /** Ends the process; its peak resident memory in bytes. */
  end(): Promise<number>;
}

export const peers = ["pytorch", "tfjs", "jaxjs"] as const;
export type Peer = (typeof peers)[number];

/** Whether the peer's step is written for that workload. */
export const trains = (peer: Peer, { name }: Workload): boolean => peer === "pytorch" || name in networks;

const peersFolder = `${import.meta.dirname}/../peers`;

/** `method`: the step as isonorm takes it; `plain`: with the plain optimizer step; `ceiling`: a matrix product. */
export async function startOwn(
  kind: "method" | "plain" | "ceiling",
  workload: Workload,
  threads: number,
): Promise<Contestant> {
  return start(kind, process.execPath, [await builtContender(), kind, workload.name, String(threads)]);
}

let built: Promise<string> | undefined;

/** `contender.ts` as JavaScript in one file, as users run isonorm: what compiles TypeScript on the way would add 60 MiB to its memory. */
function builtContender(): Promise<string> {
  const outDir = fileURLToPath(new URL("../../.cache/bench-step", import.meta.url));
  built ??= build({
    config: false,
    entry: { contender: `${import.meta.dirname}/contender.ts` },
    outDir,
    format: "esm",
    platform: "node",
    dts: false,
    logLevel: "error",
  }).then(() => join(outDir, readdirSync(outDir).find((name) => /^contender\.m?js$/.test(name))!));
  return built;
}

/** @param trainingFile - see `writeTrainingFile`; PyTorch draws weights of its own */
export async function startPeer(
  peer: Peer,
  workload: Workload,
  threads: number,
  trainingFile: string,
): Promise<readonly Contestant[]> {
  if (peer === "pytorch") {
    const script = `${import.meta.dirname}/peer_pytorch.py`;
    const python = process.env.PYTHON ?? "/usr/bin/python3";
    const layouts = workload.input.kind === "image" ? ["nchw", "channels_last"] : ["nchw"];
    return Promise.all(
      layouts.map((layout) =>
        start(`PyTorch ${layout}`, python, ["-W", "ignore", script, workload.name, layout, String(threads)]),
      ),
    );
  }
  if (!trains(peer, workload))
    throw new IsonormError(
      "ISO_ARGUMENT",
      `the workload ${workload.name} is not written for ${peerNames[peer]}`,
      `Name one of ${Object.keys(networks).join(", ")}`,
    );
  if (!existsSync(`${peersFolder}/node_modules`))
    throw new IsonormError(
      "ISO_ARGUMENT",
      `the peer ${peerNames[peer]} is not installed`,
      "Run npm ci --prefix bench/peers",
    );
  const args = [...process.execArgv, `${peersFolder}/${peer}.ts`, workload.name, trainingFile];
  return [await start(peerNames[peer], process.execPath, args)];
}

const peerNames = { tfjs: "TensorFlow.js", jaxjs: "jax-js" } as const;

async function start(name: string, command: string, args: readonly string[]): Promise<Contestant> {
  const child: ChildProcess = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const next = async <T>(): Promise<T> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${name} ended early: ${command} ${args.join(" ")}`);
    return JSON.parse(value as string) as T;
  };
  const ask = async <T>(line: string): Promise<T> => {
    child.stdin!.write(`${line}\n`);
    return next();
  };
  return {
    name,
    description: await next(),
    steps: (count) => ask(`steps ${count}`),
    losses: (count, rate) => ask(`losses ${count} ${rate}`),
    async end() {
      child.stdin!.end();
      return (await next<{ peakMemoryBytes: number }>()).peakMemoryBytes;
    },
  };
}
