import { InferenceSession } from "onnxruntime-node";
import { inputStatistics } from "../../src/data/core.js";
import { encode } from "../../src/onnx/index.js";
import { openNetwork } from "../../src/run/network.js";
import { planTraining } from "../../src/run/plan.js";
import { trainedPart } from "../../src/run/trainedPart.js";
import { makeData, settingsOf } from "./step.js";
import type { Workload } from "./workloads.js";

/** Seconds that the parts of compiling a training step take, and what comes out. */
export interface CompileTimes {
  readonly workload: string;
  /** The model in inference form with its first weights. */
  readonly network: number;
  /** Proof of scale invariance, gradients, update, lowering. */
  readonly graph: number;
  /** The graph as bytes. */
  readonly encoding: number;
  /** ONNX Runtime's session. */
  readonly session: number;
  readonly total: number;
  readonly nodes: number;
  /** Of the encoded graph. */
  readonly bytes: number;
}

/** Compiles a workload's training step once, in a process that has compiled nothing before, and does not run it. */
export async function compileTimes(workload: Workload, threads: number): Promise<CompileTimes> {
  const data = makeData(workload);
  const splits = { train: data, validation: data, test: undefined, hash: "", warnings: [] };
  const settings = settingsOf(workload, false);
  const statistics = inputStatistics(data);

  const marks = [performance.now()];
  const mark = (): number => marks.push(performance.now());
  const network = await openNetwork(splits, statistics, settings, threads);
  mark();
  const part = await trainedPart(network, splits, settings, threads);
  const { step } = planTraining(network, part, settings);
  mark();
  const bytes = encode({ ...part.model, graph: step.graph, opsets: step.opsets });
  mark();
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: threads, interOpNumThreads: 1 });
  mark();
  await session.release();
  const [networkTime, graph, encoding, sessionTime] = marks.slice(1).map((time, part) => (time - marks[part]!) / 1000);
  return {
    workload: workload.name,
    network: networkTime!,
    graph: graph!,
    encoding: encoding!,
    session: sessionTime!,
    total: (marks.at(-1)! - marks[0]!) / 1000,
    nodes: step.graph.nodes.length,
    bytes: bytes.length,
  };
}

export function compileTimesAsText(times: CompileTimes): string {
  const seconds = (value: number): string => `${value.toFixed(2)} s`;
  return (
    `${times.workload}: compiled in ${seconds(times.total)} (network and first weights ${seconds(times.network)}, gradients and lowering ${seconds(times.graph)}, ` +
    `encoding ${seconds(times.encoding)}, ONNX Runtime's session ${seconds(times.session)}); ${times.nodes} nodes, ${Math.round(times.bytes / 1024)} KiB`
  );
}
