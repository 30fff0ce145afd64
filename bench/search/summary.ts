import type { Replay, Step } from "./replay.js";

/** What many replays of one method show. A regret is Infinity while there is no full training to keep. */

/** Costs are multiples of an eighth of a full training; this is far less. */
const rounding = 1e-6;

/** Regret of what the run would keep when that much has been spent; a run that ended keeps its last. */
export function regretAt(run: readonly Step[], cost: number): number {
  const last = run.findLast(([spent]) => spent <= cost + rounding);
  return last?.[1] ?? Number.POSITIVE_INFINITY;
}

/** The smallest value that at least that share of the values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length - 1e-9) - 1)]!;
}

export function regretQuantile({ runs }: Pick<Replay, "runs">, cost: number, share: number): number {
  return quantile(
    runs.map((run) => regretAt(run, cost)),
    share,
  );
}

/** Cost of each run, in full trainings. */
export function costs({ runs }: Pick<Replay, "runs">): number[] {
  return runs.map((run) => run.at(-1)![0]);
}

/** Regret that each run ends with. */
export function finalRegrets({ runs }: Pick<Replay, "runs">): number[] {
  return runs.map((run) => run.at(-1)![1] ?? Number.POSITIVE_INFINITY);
}

/** The least cost from which on that share of the runs is within the bound at every later cost too; undefined where there is none up to the dearest run's end. */
export function costToReach(replay: Pick<Replay, "runs">, bound: number, share: number): number | undefined {
  const every = [...new Set(replay.runs.flatMap((run) => run.map(([cost]) => cost)))].sort((a, b) => b - a);
  let reached: number | undefined;
  for (const cost of every) {
    if (regretQuantile(replay, cost, share) > bound) break;
    reached = cost;
  }
  return reached;
}

/** Wilson's interval for a share that was seen `successes` times in n, at 95 % (JASA 22, 1927). */
export function shareInterval(successes: number, n: number): readonly [number, number] {
  const z = 1.96;
  const p = successes / n;
  const centre = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [centre - half, centre + half];
}
