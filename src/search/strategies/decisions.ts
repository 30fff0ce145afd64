import {
  type Belief,
  bestNext,
  bestOne,
  bestTwo,
  expectedNoise,
  outlook,
  type Posterior,
  probabilityAbove,
  seedNoise,
  spacing,
} from "../response/index.js";
import { lowestOf, openPlaces, type Seen } from "./seen.js";
import type { Problem } from "./strategy.js";

/** The bracket's decisions, each a function of what was seen. Places are log2 ELR at the base values of the other parameters. */

/** Expected gain, in units of the noise between seeds, from which on another full training is made. Derived in `bracket.ts`. */
const worthwhile = 0.1;
/** Probability that the optimum lies beyond the outermost point, from which on the low rung is extended. */
const beyond = 1 / 3;

export type Range = readonly [number, number];

/** `count` places `step` octaves apart around the centre, inside the range; with an even count the extra one is on the low side, which cannot diverge. */
export function ladder(centre: number, count: number, step: number, [from, to]: Range): number[] {
  const places = Array.from({ length: count }, (_, i) => centre + (i - Math.floor(count / 2)) * step);
  return places.filter((x) => x >= from - 1e-9 && x <= to + 1e-9);
}

/** Where the low rung needs another point because the optimum may well lie outside it; two octaves on where it may well lie outside the next one too. */
export function extension(
  fit: Belief,
  low: readonly Seen[],
  [from, to]: Range,
): { place: number; why: string } | undefined {
  const xs = low.map(({ x }) => x);
  const [bottom, top] = [Math.min(...xs), Math.max(...xs)];
  const aboveOf = (place: number): number => probabilityAbove(fit, place);
  const belowOf = (place: number): number => 1 - probabilityAbove(fit, place - spacing / 2);
  const sides = [
    {
      probability: aboveOf(top),
      place: Math.min(to, top + (aboveOf(top + 1) > beyond ? 2 : 1)),
      side: "above",
      open: top < to,
    },
    {
      probability: belowOf(bottom),
      place: Math.max(from, bottom - (belowOf(bottom - 1) > beyond ? 2 : 1)),
      side: "below",
      open: bottom > from,
    },
  ];
  const side = sides
    .filter(({ probability, open }) => open && probability > beyond)
    .sort((a, b) => b.probability - a.probability)[0];
  return (
    side && {
      place: side.place,
      why: `the best ELR lies ${side.side} the tried ones with probability ${side.probability.toFixed(2)}`,
    }
  );
}

/** Places for the next full trainings, none to stop; `stop` says why none, or no more after these. */
export interface FullChoice {
  readonly places: readonly number[];
  readonly why: string;
  readonly stop?: string;
}

/** @param affordable - full trainings that the budget still allows */
export function firstFull(
  belief: Belief,
  low: readonly Seen[],
  range: Range,
  affordable: number,
  problem: Problem,
): FullChoice {
  const view = outlook(belief, openPlaces(low, range));
  const one = bestOne(view);
  const single = { places: [one.place], why: "the ELR of least expected loss" };
  if (affordable < 2) return single;
  const noise = seedNoise(lowestOf(low)!.loss, problem.validationExamples);
  const between = noise * expectedNoise(view);
  const two = bestTwo(view, noise);
  const gain = one.regret - two.regret;
  if (gain <= worthwhile * between) return { ...single, stop: unworthy(gain, between) };
  return { places: two.pair, why: `two ELRs astride the peak, the second of which ${worthy(gain, between)}` };
}

/** @param seen - everything that limits where to train; `full` is what was trained in full */
export function nextFull(
  posterior: Posterior,
  full: readonly Seen[],
  seen: readonly Seen[],
  range: Range,
  problem: Problem,
): FullChoice {
  const view = outlook(posterior, openPlaces(seen, range));
  const best = lowestOf(full);
  if (!best) {
    // What failed says nothing; below what diverged, at least an octave.
    const diverged = full.filter(({ trial }) => trial.state === "diverged").map(({ x }) => x - 1);
    const place = Math.max(range[0], Math.min(bestOne(view).place, ...diverged));
    if (full.some(({ x, trial }) => trial.state === "diverged" && x <= place + spacing)) return { places: [], why: "" };
    return { places: [place], why: "no full training has ended well yet, so one that is safer" };
  }
  const noise = seedNoise(best.loss, problem.validationExamples);
  const between = noise * expectedNoise(view);
  const { place, gain } = bestNext(view, posterior, { x: best.x, y: Math.log(best.loss) }, noise);
  if (gain <= worthwhile * between) return { places: [], why: "", stop: unworthy(gain, between) };
  return { places: [place], why: `one more, which ${worthy(gain, between)}` };
}

const percent = (share: number): string => `${(100 * share).toPrecision(2)}%`;
const worthy = (gain: number, between: number): string =>
  `is expected to lower the loss by ${percent(gain)} (noise between seeds ${percent(between)})`;
const unworthy = (gain: number, between: number): string =>
  `another full training is expected to lower the loss by just ${percent(Math.max(0, gain))} (noise between seeds ${percent(between)})`;
