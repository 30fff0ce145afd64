import { Random } from "../../data/core.js";
import type { Candidate } from "../space.js";
import type { Outcome, Strategy } from "../strategies/index.js";
import type { Ending, Metrics, Trial } from "../study.js";

/** A made-up training: what it ends with. `seed` differs from trial to trial. */
export type Simulated = (candidate: Candidate, seed: number) => Ending;

/** A trial as a storage would hold it after its end. */
export function ended(number: number, candidate: Candidate, ending: Ending, seed = 0): Trial {
  const { state } = ending;
  const cost = ending.state === "complete" ? ending.result.cost : ending.cost;
  const result = ending.state === "complete" ? ending.result : undefined;
  const error = ending.state === "failed" ? ending.error : undefined;
  return {
    studyId: "simulated",
    number,
    candidate,
    state,
    attempt: 1,
    seed,
    result,
    error,
    cost,
    done: cost,
    kept: cost,
    wasted: 0,
  };
}

export function complete(validation: Partial<Metrics> & { loss: number }, cost: number): Ending {
  const metrics = { accuracy: 1 - validation.loss / 3, macroF1: 1 - validation.loss / 3, ...validation };
  return { state: "complete", result: { validation: metrics, steps: 100, examplesPerSecond: 1000, cost } };
}

export interface SimulatedSearch {
  readonly trials: readonly Trial[];
  readonly outcome: Outcome;
  readonly chosen: Trial | undefined;
  readonly cost: number;
  readonly rounds: number;
}

/** Runs a strategy's rounds with made-up trainings. */
export function simulate(strategy: Strategy, train: Simulated, seed = 0): SimulatedSearch {
  const trials: Trial[] = [];
  const program = strategy.rounds();
  let turn = program.next();
  let rounds = 0;
  for (; !turn.done; rounds++) {
    const made = turn.value.candidates.map((candidate, i) => {
      const number = trials.length + i;
      return ended(number, candidate, train(candidate, 1000 * seed + number), number);
    });
    trials.push(...made);
    turn = program.next(made);
  }
  const outcome = turn.value;
  const chosen = trials.find(({ number }) => number === outcome.chosen);
  return { trials, outcome, chosen, cost: trials.reduce((sum, { cost }) => sum + cost, 0), rounds };
}

/** A response curve to search on. Losses are natural logarithms, ELRs log2. */
export interface Landscape {
  /** Best log2 ELR of a full training. */
  readonly optimum: number;
  /** What the loss of a full training exceeds the least one by, at a distance from the optimum in octaves: ln. */
  readonly height: (octaves: number) => number;
  readonly train: Simulated;
}

export interface LandscapeShape {
  /** Best log2 ELR on the low rung, and how far the full rung's is from it. */
  readonly low?: number;
  readonly drift?: number;
  /** Rise of ln loss one octave below and above the low rung's optimum; a full training's is half as steep. */
  readonly below?: number;
  readonly above?: number;
  /** Form of the rise. */
  readonly form?: (octaves: number) => number;
  /** Standard deviation of ln loss between seeds. */
  readonly noise?: number;
  /** Trainings diverge at that many octaves above the low rung's optimum and higher. */
  readonly diverges?: number;
}

/** Quadratic near the optimum, then straight. Not the model's own function, so that a fit is never exact. */
export const softened = (octaves: number): number => octaves ** 2 / (1 + Math.abs(octaves) / 4);

export function landscape(shape: LandscapeShape): Landscape {
  const { low = -8.5, drift = 0, below = 0.04, above = 0.04, form = softened, noise = 0.02 } = shape;
  const { diverges = Number.POSITIVE_INFINITY } = shape;
  const side = (octaves: number): number => (octaves < 0 ? below : above) * form(octaves);
  const height = (octaves: number): number => side(octaves) / 2;
  return {
    optimum: low + drift,
    height,
    train: ({ elr, fraction }, seed) => {
      const x = Math.log2(elr);
      if (x >= low + diverges) return { state: "diverged", cost: fraction / 4 };
      const expected = fraction < 1 ? Math.log(0.5) + side(x - low) : Math.log(0.35) + height(x - low - drift);
      return complete({ loss: Math.exp(expected + noise * new Random(seed, "noise").normal()) }, fraction);
    },
  };
}

/** `share` quantile. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

export const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
