import { inputStatistics } from "../../src/data/core.js";
import { foldScaleInvariantLinear } from "../../src/method/index.js";
import { openNetwork } from "../../src/run/network.js";
import { type PreparedTraining, prepareNetwork } from "../../src/run/prepare.js";
import { makeData, settingsOf, splitsOf, stepOf } from "./step.js";
import { median, quantile } from "./summary.js";
import type { Workload } from "./workloads.js";

/** What the fixed norm and the scale-invariant head add to the step with plain SGD and an ordinary linear head. */
export interface MethodCost {
  readonly workload: string;
  /** Median step. */
  readonly milliseconds: number;
  readonly plainMilliseconds: number;
  /** Ratio of the two, less 1: the median of the pairs, and their quartiles. */
  readonly added: number;
  readonly quarters: readonly [number, number];
  /** 95 % interval of that median over the pairs, by the order statistics of a binomial distribution. */
  readonly interval: readonly [number, number];
  readonly pairs: number;
  readonly nodes: number;
  readonly plainNodes: number;
}

/** Seconds that each pair takes steps for. */
const secondsEach = 5;
const turnMilliseconds = 250;

/**
 * Two sessions of the same graph differ by several percent, each for as long as it lives, by where its buffers lie. So there are many pairs of fresh sessions, one of
 * each step, opened in turn first; a pair takes its steps by turns in one process, so that what slows the machine slows both.
 */
export async function measureMethod(workload: Workload, threads: number, pairs: number): Promise<MethodCost> {
  const [method, plain] = [await prepare(workload, threads, false), await prepare(workload, threads, true)];
  const ratios: number[] = [];
  const times = { method: [] as number[], plain: [] as number[] };
  for (let pair = 0; pair < pairs; pair++) {
    const order = pair % 2 === 0 ? ([method, plain] as const) : ([plain, method] as const);
    const steps = [await openStep(order[0]), await openStep(order[1])] as const;
    const milliseconds: [number[], number[]] = [[], []];
    for (const { step } of steps) for (let warm = 0; warm < 3; warm++) await step();
    const until = performance.now() + 1000 * secondsEach;
    while (performance.now() < until)
      for (const which of [0, 1] as const) milliseconds[which].push(...(await turn(steps[which].step)));
    for (const { release } of steps) await release();
    const [first, second] = [median(milliseconds[0]), median(milliseconds[1])];
    const [own, other] = pair % 2 === 0 ? [first, second] : [second, first];
    ratios.push(own / other - 1);
    times.method.push(own);
    times.plain.push(other);
  }
  await Promise.all([method.plan.evaluator.release(), plain.plan.evaluator.release()]);
  return {
    workload: workload.name,
    milliseconds: median(times.method),
    plainMilliseconds: median(times.plain),
    added: median(ratios),
    quarters: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    interval: medianInterval(ratios),
    pairs,
    nodes: method.step.graph.nodes.length,
    plainNodes: plain.step.graph.nodes.length,
  };
}

async function prepare(workload: Workload, threads: number, plain: boolean): Promise<PreparedTraining> {
  const data = makeData(workload);
  const splits = splitsOf(data);
  const settings = settingsOf(workload, plain);
  const network = await openNetwork(splits, inputStatistics(data), settings, threads);
  const model = { ...network.model, graph: foldScaleInvariantLinear(network.model.graph) };
  return prepareNetwork(plain ? { ...network, model } : network, splits, settings, threads);
}

async function openStep(prepared: PreparedTraining) {
  const runner = await prepared.createRunner();
  const step = stepOf(prepared, runner);
  return { step: async () => (await step()).milliseconds, release: () => runner.release() };
}

/** Milliseconds of some steps in a row. The first two are not counted: the other session's threads still wait for work then, and take a core while they do. */
async function turn(step: () => Promise<number>): Promise<readonly number[]> {
  const taken: number[] = [];
  const until = performance.now() + turnMilliseconds;
  while (performance.now() < until || taken.length < 5) taken.push(await step());
  return taken.slice(2);
}

/** The median of independent values lies between these with a probability of at least 95 %, whatever their distribution. */
function medianInterval(values: readonly number[]): [number, number] {
  const sorted = values.toSorted((a, b) => a - b);
  const { length } = sorted;
  // P(at most k of them lie below the median), k = 0, 1, ...
  let [below, term, rank] = [0, 0.5 ** length, 0];
  while (below + term <= 0.025) {
    below += term;
    rank++;
    term *= (length - rank + 1) / rank;
  }
  const lowest = Math.max(0, rank - 1);
  return [sorted[lowest]!, sorted[length - 1 - lowest]!];
}

export const methodCostHeader = [
  "workload",
  "ms a step",
  "plain ms",
  "method adds %",
  "(95 % interval)",
  "(quarters)",
  "pairs",
  "nodes",
  "plain",
] as const;

export function methodCostCells(cost: MethodCost): readonly string[] {
  const percent = (share: number): string => (100 * share).toFixed(1);
  const span = ([low, high]: readonly [number, number]): string => `${percent(low)} to ${percent(high)}`;
  return [
    cost.workload,
    cost.milliseconds.toFixed(2),
    cost.plainMilliseconds.toFixed(2),
    percent(cost.added),
    span(cost.interval),
    span(cost.quarters),
    String(cost.pairs),
    String(cost.nodes),
    String(cost.plainNodes),
  ];
}
