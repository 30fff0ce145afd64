import { z } from "zod";
import { chooseTrial } from "../choose.js";
import { bestOne, lengthen, observe, outlook, type Posterior, priorBelief } from "../response/index.js";
import { type Candidate, elrShift, searchedParameters } from "../space.js";
import { extension, firstFull, ladder, nextFull, type Range } from "./decisions.js";
import { type OtherPoint, otherCandidates, takeOthers } from "./others.js";
import { costOf, fitOf, lossOf, lowestOf, observations, openPlaces, type Seen, see } from "./seen.js";
import {
  budgetTooSmall,
  type OtherReport,
  type Outcome,
  type Problem,
  type Round,
  type Rounds,
  type RungReport,
  type Strategy,
} from "./strategy.js";

/**
 * The default strategy: short trainings find the neighbourhood of the best ELR, full ones decide.
 *
 * 1. Low rung: five ELRs an octave apart around the base, each for a share of the epochs with the whole schedule compressed into it. While the optimum may well lie beyond
 *    the outermost one (probability over a third), one more that way.
 * 2. Other parameters on request: two values each, one round, at the ELR that is best so far (see `others.ts`).
 * 3. Full rung: the low rung's posterior, blurred by what may change with the length (`lengthen`), says where full trainings have the least regret. One, or a pair astride
 *    the peak if the pair's expected gain exceeds a tenth of the noise between seeds; then one at a time by the same rule, while the budget lasts, at most three. (A pair
 *    rather than the peak first: the first training tells the level of the loss, nothing about the side, so both are better chosen together. See `bestTwo`.)
 *
 * Why a tenth: with a quadratic curve of height h an octave from the optimum and an uncertainty t, one training has the regret h t^2 and a pair gains 0.64 of it. A gain
 * under 0.1 s then means h t^2 < 0.16 s, and a regret above one seed's noise s has a probability near 1% (chi-squared above 6.4), room for the model's errors.
 *
 * Everything trained is charged to the budget, in full trainings. The budget may be exceeded only where all full trainings diverged, and one more is needed to have a winner.
 */
export const bracketSettings = z.strictObject({
  /** Full trainings, the winner included. */
  budget: z.number().positive().default(3),
  /** Share of the epochs that a low-rung trial trains. */
  fraction: z
    .number()
    .gt(0)
    .lt(1)
    .default(1 / 8),
  /** A low-rung trial is not shorter than that, or the schedule would be too coarse to compress; the fraction grows for it. */
  leastSteps: z.int().positive().default(50),
});
export type BracketSettings = z.output<typeof bracketSettings>;

const mostFullTrainings = 3;

export interface Plan {
  /** Share of a full training of each low-rung trial; 1 where full trainings are too short to be compressed. */
  readonly fraction: number;
  /** Number of low-rung trials before any extension. */
  readonly points: number;
}

/** The low rung that a budget allows. Throws ISO_BUDGET_TOO_SMALL. */
export function planBracket(problem: Problem, { budget, fraction: wanted, leastSteps }: BracketSettings): Plan {
  const fraction = Math.min(1, Math.max(wanted, leastSteps / problem.steps));
  const others = 2 * (searchedParameters(problem.space).length - 1);
  const points = Math.min(5, Math.floor((budget - 1) / fraction - others + 1e-9));
  if (points >= 3) return { fraction, points };
  const needed = 1 + (3 + others) * fraction;
  // Full trainings of so few steps that three short ones and a full one cost more than three full ones: train in full at once.
  const tooShort = others === 0 && needed > mostFullTrainings;
  if (tooShort && budget >= 2) return { fraction: 1, points: Math.min(mostFullTrainings, Math.floor(budget)) };
  const steps = Math.ceil(fraction * problem.steps);
  throw budgetTooSmall(
    budget,
    tooShort ? 2 : needed,
    `a low rung of ${3 + others} trainings of ${steps} steps and a full one`,
  );
}

export function bracket(problem: Problem, settings: BracketSettings): Strategy {
  const plan = planBracket(problem, settings);
  return { name: "bracket", rounds: () => bracketRounds(problem, settings, plan) };
}

function* bracketRounds(problem: Problem, { budget }: BracketSettings, { fraction, points }: Plan): Rounds {
  const { space, epochs } = problem;
  const range: Range = [Math.log2(space.elr.low), Math.log2(space.elr.high)];
  const centre = Math.log2(space.elr.base);
  const oneRung = fraction === 1;
  const tried = otherCandidates(space);
  let spent = 0;

  const before = priorBelief(centre, range);
  const low: Seen[] = [];
  let fit: Posterior;
  let places = ladder(centre, points, oneRung ? 1.5 : 1, range);
  let why = `${places.length} ELRs around the default`;
  for (;;) {
    const finished = yield round(places, {}, fraction, 0, `${oneRung ? "full" : "low"} rung: ${why}`);
    low.push(...see(finished));
    spent += costOf(finished);
    fit = observe(before, observations(low, problem));
    if (oneRung || low.every(({ trial }) => trial.state === "failed")) break;
    const further = extension(fit, low, range);
    if (!further || spent + (1 + tried.length) * fraction + 1 > budget + 1e-9) break;
    places = [further.place];
    why = further.why;
  }
  const rungs: RungReport[] = [rungReport(fit, low, fraction, 0, problem)];
  if (!lowestOf(low)) return noneChosen(low, rungs, []);

  let point: OtherPoint = {};
  let others: readonly OtherReport[] = [];
  if (tried.length > 0) {
    const at = bestOne(outlook(fit, openPlaces(low, range))).place;
    const finished = yield {
      candidates: tried.map((other) => candidate(at, other, fraction, elrShift(space, other, problem.baseRule))),
      why: "low rung: the other parameters, one at a time, at the best ELR so far",
    };
    spent += costOf(finished);
    ({ point, others } = takeOthers(tried, finished, fit, at, problem));
  }

  const shift = elrShift(space, point, problem.baseRule);
  const full: Seen[] = oneRung ? low : [];
  const belief = oneRung ? before : lengthen(fit, fraction * epochs, epochs);
  let posterior = oneRung ? fit : observe(belief, []);
  const most = oneRung ? Math.floor(budget) : mostFullTrainings;
  let stop = `${most} full trainings are the most`;
  while (full.filter(({ trial }) => trial.state !== "diverged").length < most) {
    const affordable = Math.floor(budget - spent + 1e-9);
    if (lowestOf(full) && affordable < 1) {
      stop = "the budget is spent";
      break;
    }
    const choice =
      full.length === 0
        ? firstFull(belief, low, range, affordable, problem)
        : nextFull(posterior, full, [...low, ...full], range, problem);
    if (choice.places.length > 0) {
      const finished = yield round(choice.places, point, 1, shift, `full rung: ${choice.why}`);
      full.push(...see(finished, shift));
      spent += costOf(finished);
      posterior = observe(belief, observations(full, problem));
    } else if (!lowestOf(full)) break;
    if (choice.stop && lowestOf(full)) {
      stop = choice.stop;
      break;
    }
    if (full.length > 1 && full.every(({ trial }) => trial.state === "failed")) break;
  }
  if (oneRung) rungs[0] = rungReport(posterior, full, 1, shift, problem);
  else rungs.push(rungReport(posterior, full, 1, shift, problem));

  const chosen = chooseTrial(
    full.map(({ trial }) => trial),
    problem.choose,
    problem.validationExamples,
  );
  if (!chosen) return noneChosen(full, rungs, others);
  const count = full.filter(({ trial }) => lossOf(trial) !== undefined).length;
  return {
    chosen: chosen.number,
    end: "chosen",
    why: `ELR 2^${Math.log2(chosen.candidate.elr).toFixed(2)} is ${count === 1 ? "where the fit expects the least loss" : `the best of ${count} full trainings`}; ${stop}`,
    rungs,
    others,
  };
}

function candidate(place: number, other: OtherPoint, fraction: number, shift: number): Candidate {
  return { ...other, elr: 2 ** (place + shift), fraction, replicate: 0 };
}

function round(places: readonly number[], other: OtherPoint, fraction: number, shift: number, why: string): Round {
  return { candidates: places.map((place) => candidate(place, other, fraction, shift)), why };
}

function rungReport(
  posterior: Posterior,
  seen: readonly Seen[],
  fraction: number,
  shift: number,
  { epochs }: Problem,
): RungReport {
  const trials = seen.map(({ trial }) => trial.number);
  return { fraction, epochs: fraction * epochs, trials, shift, fit: fitOf(posterior, seen) };
}

function noneChosen(seen: readonly Seen[], rungs: readonly RungReport[], others: readonly OtherReport[]): Outcome {
  const diverged = seen.filter(({ trial }) => trial.state === "diverged").map(({ x }) => x.toFixed(1));
  if (diverged.length === 0)
    return { chosen: undefined, end: "all-failed", why: "every training failed", rungs, others };
  return {
    chosen: undefined,
    end: "all-diverged",
    why: `the trainings at ELR ${diverged.map((x) => `2^${x}`).join(", ")} diverged, and none ended well`,
    rungs,
    others,
  };
}
