import type { GraphBuilder, Value } from "../graph/index.js";

/** A number that depends on the step, computed outside the graph and fed to it as a float32 scalar. */
export interface OptimizerScalar {
  /** The graph input's name. */
  readonly name: string;
  /** @param step - updates made before this one: 0 for the first */
  value(step: number): number;
}

export interface DirectionInput {
  /** dL/dW: the weight's shape */
  readonly gradient: Value;
  /** In the order of `Optimizer.slots`, each of the weight's shape; all zero before the first step. */
  readonly slots: readonly Value[];
  /** By name, as declared in `Optimizer.scalars`. */
  readonly scalars: ReadonlyMap<string, Value>;
}

export interface Direction {
  /** u: the weight's shape. A plain step is W' = W - learning rate * u. */
  readonly direction: Value;
  /** The slots after the step. */
  readonly slots: readonly Value[];
  /** A scalar that is not finite where a slot overflowed without u showing it; absent where that cannot be. */
  readonly health?: Value;
}

/**
 * What turns a gradient into the direction u of an update. An optimizer knows neither learning rates nor norms: `updateWeight`
 * puts those around it, so each works with the fixed norm and without.
 */
export interface Optimizer {
  readonly name: string;
  readonly settings: Readonly<Record<string, number | boolean>>;
  /** Names of what it remembers for each weight, in order. */
  readonly slots: readonly string[];
  readonly scalars: readonly OptimizerScalar[];
  /**
   * Degree of u in the gradient: 1 if u doubles with it (SGD), 0 if u does not depend on its size (Adam). Base rule `sgd` needs 1.
   */
  readonly gradientDegree: 0 | 1;
  /**
   * How weight decay, where a plain baseline asks for it, enters: `coupled` adds decay * W to the gradient (L2 regularisation,
   * torch.optim.SGD); `decoupled` shrinks W by learning rate * decay beside the step (AdamW, arXiv 1711.05101).
   */
  readonly weightDecay: "coupled" | "decoupled";
  direction(b: GraphBuilder, input: DirectionInput): Direction;
}
