import { describeFit, type Posterior } from "../response/index.js";
import { type ParameterName, type Point, type Space, searchedParameters } from "../space.js";
import { observations, see } from "./seen.js";
import type { FinishedTrial, OtherReport, Problem } from "./strategy.js";

/** The bracket's step over the parameters other than the ELR: two values of each on the low rung, the rest at the base. Effects are taken to add up. */

export type OtherPoint = Omit<Point, "elr">;

/**
 * The two values tried for each:
 * scale: half and double. The ELR moves along ELR S = constant for plain SGD (`elrShift`), so what is left is how confident the softmax may get.
 * momentum: a memory 1 / (1 - momentum) half and twice as long, at the same ELR / (1 - momentum): 0.8 and 0.95 around 0.9.
 * batchSize: half and double at the same ELR / B: twice the steps, or half as many.
 * labelSmoothing: a quarter and a half of its range above the base: 0.05 and 0.1 above 0.
 * lr: a quarter and four times; its optimum is broad.
 */
const steps: Readonly<
  Record<Exclude<ParameterName, "elr">, (base: number, high: number) => readonly [number, number]>
> = {
  scale: (base) => [base / 2, base * 2],
  momentum: (base) => [1 - 2 * (1 - base), 1 - (1 - base) / 2],
  batchSize: (base) => [Math.round(base / 2), base * 2],
  labelSmoothing: (base, high) => [base + (high - base) / 4, base + (high - base) / 2],
  lr: (base) => [base / 4, base * 4],
};

export function otherCandidates(space: Space): OtherPoint[] {
  return searchedParameters(space).flatMap((name) => {
    if (name === "elr") return [];
    const { low, base, high } = space[name]!;
    return steps[name](base, high)
      .map((value) => Math.min(high, Math.max(low, value)))
      .map((value) => ({ [name]: value }));
  });
}

/**
 * Takes for each parameter the better of its two values, if its ln loss lies below what the low rung's fit expects at the base values by more than one standard deviation of
 * (noise between seeds, fit) together. Chance alone passes that for one value in six; what it then takes is as good as the base, and a real gain of two deviations is missed once in six.
 *
 * @param at - log2 ELR at the base values, at which all were tried
 */
export function takeOthers(
  tried: readonly OtherPoint[],
  finished: readonly FinishedTrial[],
  fit: Posterior,
  at: number,
  problem: Problem,
): { point: OtherPoint; others: OtherReport[] } {
  const { curve, noiseFactor } = describeFit(fit, Float64Array.of(at));
  const [base] = curve;
  const expected = Math.log(base!.loss);
  const deviation = Math.log(base!.upper / base!.loss);
  const reports = finished.map((trial) => {
    const [seen] = observations(see([trial]), problem);
    if (!seen || !("y" in seen))
      return { trial: trial.number, change: Number.POSITIVE_INFINITY, noise: 0, taken: false };
    return {
      trial: trial.number,
      change: seen.y - expected,
      noise: Math.hypot(noiseFactor * seen.noise, deviation),
      taken: false,
    };
  });
  let point: OtherPoint = {};
  const others = reports.map((report, i): OtherReport => {
    const rival = reports[i ^ 1]!;
    const taken =
      report.change < -report.noise &&
      (report.change < rival.change || (report.change === rival.change && i % 2 === 0));
    if (taken) point = { ...point, ...tried[i] };
    return { ...report, taken };
  });
  return { point, others };
}
