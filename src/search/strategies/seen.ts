import { type CurveFit, describeFit, type Observation, type Posterior, seedNoise, spacing } from "../response/index.js";
import type { FinishedTrial, Problem } from "./strategy.js";

/** A finished trial at its place on the response curve. */
export interface Seen {
  /** log2 ELR, less what the other parameters' values shift it by. */
  readonly x: number;
  readonly trial: FinishedTrial;
}

export function see(trials: readonly FinishedTrial[], shift = 0): Seen[] {
  return trials.map((trial) => ({ x: Math.log2(trial.candidate.elr) - shift, trial }));
}

/** Validation loss of a trial that is complete. */
export function lossOf({ state, result }: FinishedTrial): number | undefined {
  const loss = state === "complete" ? result?.validation.loss : undefined;
  return loss !== undefined && Number.isFinite(loss) ? loss : undefined;
}

/** Losses below that are no better: a millionth of a nat is perfect. */
const perfect = 1e-6;

/** What the seen trials say about the curve; failed ones say nothing, and pruned ones have no result at their rung. */
export function observations(seen: readonly Seen[], { validationExamples }: Problem): Observation[] {
  return seen.flatMap(({ x, trial }): Observation[] => {
    if (trial.state === "diverged") return [{ x, diverged: true }];
    const loss = lossOf(trial);
    if (loss === undefined) return [];
    return [{ x, y: Math.log(Math.max(loss, perfect)), noise: seedNoise(loss, validationExamples) }];
  });
}

/** The seen trial with the lowest loss. */
export function lowestOf(seen: readonly Seen[]): { x: number; loss: number } | undefined {
  const complete = seen.flatMap(({ x, trial }) => {
    const loss = lossOf(trial);
    return loss === undefined ? [] : [{ x, loss: Math.max(loss, perfect) }];
  });
  return complete.reduce<{ x: number; loss: number } | undefined>(
    (best, one) => (best && best.loss <= one.loss ? best : one),
    undefined,
  );
}

/**
 * Places where a full training may be tried: a quarter of an octave apart, up to two octaves outside what was seen, inside the range, and half an octave or more
 * below what diverged. At least one.
 */
export function openPlaces(seen: readonly Seen[], [from, to]: readonly [number, number]): Float64Array {
  const xs = seen.map(({ x }) => x);
  const diverged = seen.filter(({ trial }) => trial.state === "diverged").map(({ x }) => x - 0.5);
  const highest = Math.min(to, Math.max(...xs) + 2, ...diverged);
  const lowest = Math.min(highest, Math.max(from, Math.min(...xs) - 2));
  return Float64Array.from(
    { length: Math.floor((highest - lowest) / spacing + 1e-9) + 1 },
    (_, i) => lowest + i * spacing,
  );
}

/** The fit with its curve over all that was seen and an octave to either side, an eighth of an octave apart. */
export function fitOf(posterior: Posterior, seen: readonly Seen[]): CurveFit {
  const xs = seen.map(({ x }) => x);
  const first = Math.min(...xs) - 1;
  return describeFit(
    posterior,
    Float64Array.from({ length: Math.round((Math.max(...xs) + 1 - first) * 8) + 1 }, (_, i) => first + i / 8),
  );
}

export function costOf(trials: readonly FinishedTrial[]): number {
  return trials.reduce((sum, { cost }) => sum + cost, 0);
}
