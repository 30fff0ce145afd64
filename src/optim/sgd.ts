import { IsonormError } from "../errors.js";
import type { Optimizer } from "./optimizer.js";

export interface SgdOptions {
  /** mu in [0, 1); 0 keeps no slot. Default 0.9. */
  readonly momentum?: number;
  /** Default false; needs momentum. */
  readonly nesterov?: boolean;
}

/**
 * Stochastic gradient descent with momentum, in PyTorch's convention (the learning rate stays outside the momentum, no dampening):
 *
 *   m_{i+1} = mu m_i + g,   m_0 = 0
 *   u = m_{i+1},   with Nesterov's momentum u = g + mu m_{i+1}
 *
 * Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013.
 *
 * @example
 * const optimizer = sgd({ momentum: 0.9, nesterov: true });
 * optimizer.slots; // ["momentum"]
 */
export function sgd({ momentum = 0.9, nesterov = false }: SgdOptions = {}): Optimizer {
  if (!(momentum >= 0 && momentum < 1))
    throw new IsonormError("ISO_ARGUMENT", `momentum is ${momentum}`, "Give a number of at least 0 and below 1");
  if (nesterov && momentum === 0)
    throw new IsonormError(
      "ISO_ARGUMENT",
      "Nesterov's momentum was asked for with momentum 0",
      "Give a momentum above 0",
    );
  return {
    name: "sgd",
    settings: { momentum, nesterov },
    slots: momentum === 0 ? [] : ["momentum"],
    scalars: [],
    gradientDegree: 1,
    weightDecay: "coupled",
    direction(b, { gradient, slots: [previous] }) {
      if (!previous) return { direction: gradient, slots: [] };
      const mu = b.scalar(momentum);
      const next = b.plus(b.times(mu, previous), gradient);
      return { direction: nesterov ? b.plus(gradient, b.times(mu, next)) : next, slots: [next] };
    },
  };
}
