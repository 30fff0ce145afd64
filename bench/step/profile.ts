import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Graph } from "../../src/onnx/index.js";
import { type Phase, placeNodes } from "./layers.js";
import { multiplications } from "./operations.js";
import { openWorkload } from "./step.js";
import { median } from "./summary.js";
import type { Workload } from "./workloads.js";

/** What one node of the training step costs. */
export interface NodeTime {
  readonly name: string;
  readonly op: string;
  readonly phase: Phase;
  readonly layer: string;
  /** Median over the steps. */
  readonly milliseconds: number;
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
  /** Floating-point operations, where the node multiplies. */
  readonly operations: number;
}

export interface Profile {
  readonly workload: string;
  /** A step under the profiler, which slows it a little: all nodes, and what lies between them. */
  readonly milliseconds: number;
  /** What no node accounts for; median over the steps. */
  readonly betweenNodes: number;
  readonly nodes: readonly NodeTime[];
}

/** Steps of a workload under ONNX Runtime's profiler. */
export async function profileWorkload(workload: Workload, threads: number, steps: number): Promise<Profile> {
  const folder = await mkdtemp(join(tmpdir(), "isonorm-profile-"));
  try {
    const { step, model, release } = await openWorkload(workload, threads, { profilePrefix: join(folder, "step") });
    for (let index = 0; index < steps; index++) await step();
    await release();
    const [file] = (await readdir(folder)).filter((name) => name.startsWith("step"));
    if (!file) throw new Error("ONNX Runtime wrote no profile");
    return readProfile(workload.name, JSON.parse(await readFile(join(folder, file), "utf8")) as ProfilerEvent[], model);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** An event of ONNX Runtime's profile, a trace in Chrome's format. */
export interface ProfilerEvent {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
  readonly args: {
    readonly op_name?: string;
    readonly input_type_shape?: readonly Readonly<Record<string, readonly number[]>>[];
    readonly output_type_shape?: readonly Readonly<Record<string, readonly number[]>>[];
  };
}

/** @param model - the network in inference form, whose nodes name the layers */
export function readProfile(workload: string, events: readonly ProfilerEvent[], model: Graph): Profile {
  const place = placeNodes(model);
  const kernels = new Map<string, ProfilerEvent[]>();
  const gaps: number[] = [];
  let inKernels = 0;
  for (const event of events) {
    if (event.cat === "Session" && event.name === "SequentialExecutor::Execute") {
      gaps.push((event.dur - inKernels) / 1000);
      inKernels = 0;
    }
    if (event.cat !== "Node" || !event.name.endsWith("_kernel_time")) continue;
    inKernels += event.dur;
    const name = event.name.slice(0, -"_kernel_time".length);
    const list = kernels.get(name);
    if (list) list.push(event);
    else kernels.set(name, [event]);
  }
  const shapes = (list: readonly Readonly<Record<string, readonly number[]>>[] = []) =>
    list.map((entry) => Object.values(entry)[0] ?? []);
  const nodes = [...kernels].map(([name, list]): NodeTime => {
    const times = settled(list).map(({ dur }) => dur / 1000);
    const { args } = list[0]!;
    const [inputs, outputs] = [shapes(args.input_type_shape), shapes(args.output_type_shape)];
    const op = args.op_name ?? "";
    return {
      name,
      op,
      ...place(name),
      milliseconds: median(times),
      inputs,
      outputs,
      operations: multiplications(op, inputs, outputs[0] ?? []),
    };
  });
  const betweenNodes = median(settled(gaps));
  return {
    workload,
    milliseconds: nodes.reduce((sum, node) => sum + node.milliseconds, betweenNodes),
    betweenNodes,
    nodes,
  };
}

/** Without the first step, which allocates. */
const settled = <T>(values: readonly T[]): readonly T[] => (values.length > 1 ? values.slice(1) : values);
