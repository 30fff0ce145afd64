import { z } from "zod";
import { parameterNames, pointAt, searchedParameters } from "../space.js";
import { pointwise } from "./pointwise.js";
import { budgetTooSmall, type Problem, type Strategy } from "./strategy.js";

/** All combinations of evenly spaced points on every parameter's axis, its range's ends included. */
export const gridSettings = z.strictObject({
  /** Points on each parameter's axis: 15 for the ELR and 3 for others unless given. */
  points: z.partialRecord(z.enum(parameterNames), z.int().min(1).max(1000)).default({}),
  /** Full trainings; undefined is as many as the grid takes. */
  budget: z.number().positive().optional(),
  fraction: z.number().gt(0).max(1).default(1),
});
export type GridSettings = z.output<typeof gridSettings>;

/** Throws ISO_BUDGET_TOO_SMALL. */
export function grid(problem: Problem, { points, budget, fraction }: GridSettings): Strategy {
  const { space } = problem;
  const axes = searchedParameters(space).map((name) => shares(points[name] ?? (name === "elr" ? 15 : 3)));
  const combinations = axes.reduce<number[][]>(
    (all, axis) => all.flatMap((one) => axis.map((share) => [...one, share])),
    [[]],
  );
  const cost = combinations.length * fraction;
  if (budget !== undefined && budget < cost - 1e-9)
    throw budgetTooSmall(budget, cost, `a grid of ${combinations.length} trainings`);
  const candidates = combinations.map((combination) => pointAt(space, combination));
  return { name: "grid", rounds: () => pointwise(problem, candidates, fraction, `a grid of ${candidates.length}`) };
}

/** Evenly spaced from 0 to 1; a single one in the middle. */
function shares(count: number): number[] {
  return Array.from({ length: count }, (_, i) => (count === 1 ? 0.5 : i / (count - 1)));
}
