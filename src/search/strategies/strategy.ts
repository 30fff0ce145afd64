import { z } from "zod";
import { IsonormError } from "../../errors.js";
import type { CurveFit } from "../response/index.js";
import { type Candidate, spaceSchema } from "../space.js";
import { chooseMetrics, isFinal, type Trial } from "../study.js";

/**
 * A strategy decides what to train next. It is a plain program in rounds: it yields the candidates of a round, and goes on when all of them have ended. So its
 * decisions depend on results alone, never on their order or timing, nor on how many ran side by side.
 *
 * It has no state to save: `nextStep` runs it from the start over the stored trials. A search that was killed continues where it was, and repeats nothing.
 */
export interface Strategy {
  readonly name: string;
  /** A generator without side effects: each call gives the same rounds for the same results. */
  rounds(): Rounds;
}

export type Rounds = Generator<Round, Outcome, readonly FinishedTrial[]>;

export interface Round {
  readonly candidates: readonly Candidate[];
  /** Why these, in a sentence, for people. */
  readonly why: string;
}

/** What a strategy sees of a trial that ended. */
export type FinishedTrial = Pick<Trial, "number" | "candidate" | "state" | "result" | "cost">;

export interface Outcome {
  /** Number of the chosen trial; undefined where none can be chosen. */
  readonly chosen: number | undefined;
  readonly end: "chosen" | "all-diverged" | "all-failed";
  /** Why the search stopped and that trial was chosen, in a sentence. */
  readonly why: string;
  /** What it learned about the ELR at each training length, shortest first. */
  readonly rungs: readonly RungReport[];
  /** What it learned about the other parameters. */
  readonly others: readonly OtherReport[];
}

export interface RungReport {
  readonly fraction: number;
  /** Passes over the data. */
  readonly epochs: number;
  /** Numbers of the trials that the fit has seen. */
  readonly trials: readonly number[];
  readonly fit: CurveFit;
  /** What to add to the fit's log2 ELR for the other parameters' values at this rung. */
  readonly shift: number;
}

export interface OtherReport {
  readonly trial: number;
  /** Change of ln validation loss against the base values, and how much of it noise alone brings. */
  readonly change: number;
  readonly noise: number;
  readonly taken: boolean;
}

/** What every strategy has to know about the search. */
export const problemSchema = z.strictObject({
  space: spaceSchema,
  seed: z.int().nonnegative(),
  /** Of a full training. */
  epochs: z.number().positive(),
  /** Training steps of a full training, at the base batch size. */
  steps: z.int().positive(),
  validationExamples: z.int().positive(),
  baseRule: z.enum(["sgd", "angular"]).default("sgd"),
  /** What the winner is chosen by; ties within the noise go to the lower loss. */
  choose: z.enum(chooseMetrics).default("accuracy"),
});
export type Problem = z.output<typeof problemSchema>;

export type Step =
  /** Train these, in any order and as many at once as one likes; those that already have a trial are left out. */
  | {
      readonly kind: "run";
      readonly trials: readonly { number: number; candidate: Candidate }[];
      readonly round: number;
      readonly why: string;
    }
  /** Every candidate of the round has a trial, and not all of them have ended. */
  | { readonly kind: "wait"; readonly round: number; readonly why: string }
  | { readonly kind: "done"; readonly outcome: Outcome };

/**
 * What is to be done, given all trials of the study so far. Pure: the same trials give the same step.
 * Throws ISO_RESUME_MISMATCH where a stored trial is not what the strategy asks for at its place.
 */
export function nextStep(strategy: Strategy, trials: readonly Trial[]): Step {
  const byNumber = new Map(trials.map((trial) => [trial.number, trial]));
  const rounds = strategy.rounds();
  let asked = 0;
  let turn = rounds.next();
  for (let round = 0; !turn.done; round++) {
    const { candidates, why } = turn.value;
    const numbered = candidates.map((candidate, i) => ({ number: asked + i, candidate }));
    const stored = numbered.map(({ number, candidate }) => {
      const trial = byNumber.get(number);
      if (trial && !sameCandidate(trial.candidate, candidate)) throw mismatch(trial, candidate);
      return trial;
    });
    const missing = numbered.filter((_, i) => stored[i] === undefined);
    if (missing.length > 0) return { kind: "run", trials: missing, round, why };
    if (!stored.every((trial) => isFinal(trial!.state))) return { kind: "wait", round, why };
    asked += candidates.length;
    turn = rounds.next(stored.map((trial) => trial!));
  }
  return { kind: "done", outcome: turn.value };
}

function sameCandidate(one: Candidate, two: Candidate): boolean {
  const entries = (candidate: Candidate) =>
    JSON.stringify(
      Object.entries(candidate)
        .filter(([, value]) => value !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  return entries(one) === entries(two);
}

function mismatch(trial: Trial, candidate: Candidate): IsonormError {
  return new IsonormError(
    "ISO_RESUME_MISMATCH",
    `trial ${trial.number} of the stored study has ${JSON.stringify(trial.candidate)}, but these settings ask for ${JSON.stringify(candidate)}`,
    "Resume with the settings and the version that started the study, or begin a new one",
  );
}

/** Number of the chosen trial. Throws ISO_SEARCH_ALL_DIVERGED or ISO_SEARCH_ALL_FAILED where there is none. */
export function requireChosen({ chosen, end, why }: Outcome, trials: readonly Trial[]): number {
  if (chosen !== undefined) return chosen;
  if (end === "all-diverged")
    throw new IsonormError(
      "ISO_SEARCH_ALL_DIVERGED",
      `the search found no ELR to train with: ${why}`,
      "Look at the data with isonorm check, try a lower --lr, or give a lower range of ELRs",
    );
  const error = trials.find((trial) => trial.error)?.error;
  throw new IsonormError(
    "ISO_SEARCH_ALL_FAILED",
    `the search found no ELR to train with: ${why}${error ? `, the first with ${error.code}: ${error.message}` : ""}`,
    "Mend its cause, and search again into another folder",
  );
}

/** Both in full trainings. */
export function budgetTooSmall(budget: number, needed: number, forWhat: string): IsonormError {
  const rounded = Math.ceil(needed * 100 - 1e-6) / 100;
  return new IsonormError(
    "ISO_BUDGET_TOO_SMALL",
    `a budget of ${budget} full trainings is too small: ${forWhat} needs at least ${rounded}`,
    `Give a budget of ${rounded} or more, search fewer parameters, or train once with isonorm train`,
  );
}
