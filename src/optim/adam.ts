import { IsonormError } from "../errors.js";
import { int } from "../onnx/types.js";
import type { Optimizer } from "./optimizer.js";

export interface AdamOptions {
  /** Decay of the mean of gradients, in [0, 1). Default 0.9. */
  readonly beta1?: number;
  /** Decay of the mean of their squares, in [0, 1). Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
}

/**
 * Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1). With i = 0, 1, ... updates made before and t = i + 1:
 *
 *   m_{i+1} = beta1 m_i + (1 - beta1) g,      v_{i+1} = beta2 v_i + (1 - beta2) g^2,      m_0 = v_0 = 0
 *   u = m_{i+1} / (1 - beta1^t) / (sqrt(v_{i+1} / (1 - beta2^t)) + epsilon)
 *
 * The two corrections are scalars that depend on the step alone: they are computed in float64 outside and fed as inputs
 * `adam/meanCorrection` = 1 / (1 - beta1^t) and `adam/squareCorrection` = 1 / (1 - beta2^t).
 * u does not depend on the gradient's size, so with the fixed norm it goes with base rule `angular`.
 *
 * @example
 * const optimizer = adam({ beta2: 0.99 });
 * optimizer.scalars.map(({ value }) => value(0)); // [10, 100] but for rounding
 */
export function adam({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamOptions = {}): Optimizer {
  for (const [name, beta] of Object.entries({ beta1, beta2 }))
    if (!(beta >= 0 && beta < 1))
      throw new IsonormError("ISO_ARGUMENT", `Adam's ${name} is ${beta}`, "Give a number of at least 0 and below 1");
  if (!(epsilon > 0 && Number.isFinite(epsilon)))
    throw new IsonormError("ISO_ARGUMENT", `Adam's epsilon is ${epsilon}`, "Give a positive number");
  const [meanCorrection, squareCorrection] = ["adam/meanCorrection", "adam/squareCorrection"] as const;
  return {
    name: "adam",
    settings: { beta1, beta2, epsilon },
    slots: ["mean", "square"],
    scalars: [
      { name: meanCorrection, value: (step) => 1 / (1 - beta1 ** (step + 1)) },
      { name: squareCorrection, value: (step) => 1 / (1 - beta2 ** (step + 1)) },
    ],
    gradientDegree: 0,
    weightDecay: "decoupled",
    direction(b, { gradient, slots, scalars }) {
      const [previousMean, previousSquare] = slots as readonly [typeof gradient, typeof gradient];
      const mean = b.plus(b.times(b.scalar(beta1), previousMean), b.times(b.scalar(1 - beta1), gradient));
      const square = b.plus(b.times(b.scalar(beta2), previousSquare), b.times(b.square(gradient), b.scalar(1 - beta2)));
      const deviation = b.sqrt(b.times(square, scalars.get(squareCorrection)!));
      const direction = b.over(b.times(mean, scalars.get(meanCorrection)!), b.plus(deviation, b.scalar(epsilon)));
      // g^2 overflows while g is still finite; u would then be 0 there for good, and nothing else would show it.
      const health = b.op("ReduceMax", [square], { keepdims: int(0) });
      return { direction, slots: [mean, square], health };
    },
  };
}
