import type { z } from "zod";
import { IsonormError } from "../../errors.js";
import { bracket, bracketSettings } from "./bracket.js";
import { grid, gridSettings } from "./grid.js";
import { random, randomSettings } from "./random.js";
import { type Problem, problemSchema, type Strategy } from "./strategy.js";

export { type BracketSettings, bracket, planBracket } from "./bracket.js";
export { type GridSettings, grid } from "./grid.js";
export { type RandomSettings, random } from "./random.js";
export { sobol } from "./sobol.js";
export * from "./strategy.js";

export const strategyNames = ["bracket", "grid", "random"] as const;
export type StrategyName = (typeof strategyNames)[number];

/**
 * A strategy by its name, from settings as they stand in a study.
 * Throws ISO_ARGUMENT for an unknown name or a wrong setting, ISO_BUDGET_TOO_SMALL.
 *
 * @example
 * const strategy = openStrategy("bracket", problem, { budget: 3 });
 * const step = nextStep(strategy, []); // { kind: "run", trials: [...five candidates], ... }
 */
export function openStrategy(name: string, problem: z.input<typeof problemSchema>, settings: unknown = {}): Strategy {
  const known: Problem = checked(problemSchema, problem, "search problem");
  switch (name) {
    case "bracket":
      return bracket(known, checked(bracketSettings, settings, "bracket setting"));
    case "grid":
      return grid(known, checked(gridSettings, settings, "grid setting"));
    case "random":
      return random(known, checked(randomSettings, settings, "random setting"));
    default:
      throw new IsonormError(
        "ISO_ARGUMENT",
        `there is no search strategy ${JSON.stringify(name)}`,
        `Choose one of ${strategyNames.join(", ")}`,
      );
  }
}

function checked<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new IsonormError(
    "ISO_ARGUMENT",
    `the ${what} ${issue.path.join(".")} is wrong: ${issue.message}`,
    "See isonorm search --help for what it takes",
  );
}
