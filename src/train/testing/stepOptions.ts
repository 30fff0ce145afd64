import type { TableStatistics } from "../../data/core.js";
import { sgd } from "../../optim/index.js";
import type { StepOptions } from "../step.js";

/** The method with SGD on the processor, nothing added; for tests that compile a step by themselves. */
export const methodOptions = {
  optimizer: sgd(),
  fixedNorm: "tensor",
  baseRule: "sgd",
  weightDecay: 0,
  clip: undefined,
  ema: undefined,
  seed: 0,
  target: "cpu",
} as const satisfies Partial<StepOptions>;

/** A table of so many numeric columns that come in standardised. */
export function standardisedTable(columns: number) {
  const numeric = Array.from({ length: columns }, (_, index) => `c${index}`);
  const statistics: TableStatistics = {
    kind: "table",
    numeric: numeric.map(() => ({ mean: 0, std: 1, range: 1, missing: false })),
  };
  return { input: { kind: "table", numeric, categorical: [] } as const, statistics };
}
