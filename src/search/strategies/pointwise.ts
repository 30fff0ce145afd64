import { chooseTrial } from "../choose.js";
import { observe, priorBelief } from "../response/index.js";
import { type Point, parameterNames } from "../space.js";
import { fitOf, lowestOf, observations, see } from "./seen.js";
import type { Problem, Rounds, RungReport } from "./strategy.js";

/**
 * One round of given points, then the choice: what grid and random search have in common. With the ELR alone, the response curve is fitted to the result for the report; the choice
 * does not use the fit.
 */
export function* pointwise(problem: Problem, points: readonly Point[], fraction: number, why: string): Rounds {
  const { space, epochs } = problem;
  const finished = yield { candidates: points.map((point) => ({ ...point, fraction, replicate: 0 })), why };
  const seen = see(finished);
  const trials = finished.map(({ number }) => number);
  const onlyElr = parameterNames.every((name) => name === "elr" || space[name] === undefined);
  const rungs: RungReport[] = [];
  if (onlyElr && lowestOf(seen)) {
    const belief = priorBelief(Math.log2(space.elr.base), [Math.log2(space.elr.low), Math.log2(space.elr.high)]);
    const fit = fitOf(observe(belief, observations(seen, problem)), seen);
    rungs.push({ fraction, epochs: fraction * epochs, trials, shift: 0, fit });
  }
  const chosen = chooseTrial(finished, problem.choose, problem.validationExamples);
  const learned = { rungs, others: [] };
  if (chosen)
    return { chosen: chosen.number, end: "chosen", why: `the best of ${points.length} trainings`, ...learned };
  const diverged = finished.some(({ state }) => state === "diverged");
  return {
    chosen: undefined,
    end: diverged ? "all-diverged" : "all-failed",
    why: "no training ended well",
    ...learned,
  };
}
