import { z } from "zod";
import { deriveSeed } from "../../data/core.js";
import { pointAt, searchedParameters } from "../space.js";
import { pointwise } from "./pointwise.js";
import { sobol } from "./sobol.js";
import { budgetTooSmall, type Problem, type Strategy } from "./strategy.js";

/** Points spread evenly at random over the space: a Sobol sequence scrambled by the study's seed. */
export const randomSettings = z.strictObject({
  /** Trainings; undefined is as many as the budget pays for. */
  points: z.int().min(1).max(100_000).optional(),
  /** Full trainings; 15 unless it or the number of points is given. */
  budget: z.number().positive().optional(),
  fraction: z.number().gt(0).max(1).default(1),
});
export type RandomSettings = z.output<typeof randomSettings>;

/** Throws ISO_BUDGET_TOO_SMALL. */
export function random(problem: Problem, { points, budget, fraction }: RandomSettings): Strategy {
  const { space, seed } = problem;
  const count = points ?? Math.max(1, Math.floor((budget ?? 15) / fraction + 1e-9));
  if (budget !== undefined && budget < count * fraction - 1e-9)
    throw budgetTooSmall(budget, count * fraction, `a random search of ${count} trainings`);
  const dimensions = searchedParameters(space).length;
  const candidates = sobol(count, dimensions, deriveSeed(seed, "random search")).map((shares) =>
    pointAt(space, shares),
  );
  return {
    name: "random",
    rounds: () => pointwise(problem, candidates, fraction, `${count} points of a Sobol sequence`),
  };
}
