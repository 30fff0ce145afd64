import { IsonormError } from "../errors.js";
import type { GraphBuilder, Value } from "../graph/index.js";

export interface ClippedGradients {
  /** In the order given; undefined where there was none. */
  readonly gradients: readonly (Value | undefined)[];
  /**
   * sqrt(sum_k ||g_k||^2) before clipping: a scalar. Join it to the updates' health: where squares overflow it is infinite, and the
   * clipped gradients are then zero, which must not pass for a step.
   */
  readonly norm: Value | undefined;
}

/**
 * Clipping by the global norm (Pascanu et al., arXiv 1211.5063, algorithm 1): all gradients together are scaled down to norm
 * `limit` where their common norm is above it,
 *
 *   g_k <- g_k * limit / max(norm, limit),     norm = sqrt(sum_k ||g_k||^2)
 *
 * The denominator is at least `limit`, so nothing is divided by zero, and gradients within the limit are multiplied by exactly 1.
 *
 * @param gradients - undefined for weights that the loss does not depend on
 * @param limit - the largest norm allowed, > 0
 */
export function clipByGlobalNorm(
  b: GraphBuilder,
  gradients: readonly (Value | undefined)[],
  limit: number,
): ClippedGradients {
  if (!(limit > 0 && Number.isFinite(limit)))
    throw new IsonormError("ISO_ARGUMENT", `the gradient norm to clip at is ${limit}`, "Give a positive number");
  const squares = gradients.flatMap((gradient) => (gradient ? b.abstract("SumOfSquares", [gradient]) : []));
  if (squares.length === 0) return { gradients, norm: undefined };
  const norm = b.sqrt(b.op("Sum", squares));
  const largest = b.scalar(limit);
  const factor = b.over(largest, b.op("Max", [norm, largest]));
  return { gradients: gradients.map((gradient) => gradient && b.times(gradient, factor)), norm };
}
