import { IsonormError } from "../errors.js";
import type { GraphBuilder, Value } from "../graph/index.js";
import { elementCount } from "../onnx/index.js";
import { sumOfSquaresOf } from "./fixedNorm.js";
import type { WeightProof } from "./invariance/index.js";
import type { Granularity } from "./norm.js";

/**
 * The effective learning rate (ELR), the target hyperparameter (the patent's "equivalent learning rate"; FixNorm, arXiv
 * 2103.15345: ELR = learning rate / ||W||^2 for SGD). Two base rules turn it into a step on a weight of norm n:
 *
 * `sgd`: the layer's learning rate is ELR * n^2. L(cW) = L(W) gives dL/dW(cW) = (1/c) dL/dW(W): the gradient shrinks as 1/n, and so
 * does a momentum made of it. A step relative to the weight, ||lr * u|| / n, goes as lr / n^2, so with lr = ELR * n^2 the
 * direction moves alike whatever norm the layer started with.
 *
 * `angular`: W' = W - ELR * n * u / ||u|| (Hyperball, arXiv 2606.16899; the rotational optimizer variants of Kosson et al., ICML
 * 2024, arXiv 2305.17212, fix the expected angle likewise). For u orthogonal to W the step turns W by arctan(ELR): ELR is in
 * radians a step. Part of u along W is undone by the projection, so ELR bounds the angle to first order.
 */
export type BaseRule = "sgd" | "angular";

/**
 * Default ELR of each base rule, before the schedule.
 *
 * `sgd`, 2^-8.5: best or within noise of it for small networks on Fashion-MNIST and digits (docs/evidence/search.md); see `defaultEffectiveLearningRateFor` for larger ones.
 *
 * `angular`, 2^-6 radians a step: on the UCI digits every rate from 2^-7 to 2^-4 came within 0.3 points of the best, for SGD's and
 * Adam's directions, in 5 and in 40 epochs (test/fixtures/optim/angular_default.py); of these it is the lower middle, as longer
 * trainings take smaller angles. One small network: less well founded than the default of `sgd`.
 */
export const defaultEffectiveLearningRates: Readonly<Record<BaseRule, number>> = { sgd: 2 ** -8.5, angular: 2 ** -6 };

/** Scale-invariant parameters up to which the default of `sgd` holds as it is: the largest network that it was measured on densely has 72,000. */
const parametersOfDefault = 75_000;

/** Default ELR of base rule `sgd`. */
export const defaultEffectiveLearningRate = defaultEffectiveLearningRates.sgd;

/**
 * The default ELR of a network whose scale-invariant weights have P elements in all: 2^-8.5, or 2^-8.5 * 75,000 / P where that is less.
 *
 * Derivation. A plain step of base rule `sgd` lowers the loss, to first order, by ELR * sum over weights of n^2 ||g||^2. For a weight W with y = W x,
 * g = d x^T with d = dL/dy, so n^2 ||g||^2 = ||d||^2 n^2 ||x||^2. It does not depend on n, so choose the n at which y, whose scale the normalisation
 * takes out anyway, has mean square 1: with n_out channels of fan_in inputs each, n^2 ||x||^2 = n_out * fan_in, the number of W's elements. ||d||^2
 * does not grow with n_out: each of n_out channels carries 1 / n_out of the signal. So a step changes what the network computes in proportion to
 * ELR * P, and ELR * P is what a default should keep. Per angle: W turns by ELR * n ||g||, about ELR * sqrt(P).
 *
 * Measured (docs/decisions.md; bench/elr): over nine convolutional networks with log2 P from 14 to 22 the best log2 ELR falls from -7.8 to -14.4, by 0.81 a doubling of P,
 * with 0.26 left over. MobileNetV2 0.35: 10.7 % at 2^-8.5, 72.5 % at 2^-10.5. Too low a rate costs little, too high a one everything. Long trainings on few images want more,
 * MLPs less; both have flat optima.
 *
 * Only for base rule `sgd` and one norm for each tensor; where each channel has its own, or the rule is `angular`, the default is that of the base rule.
 */
export function defaultEffectiveLearningRateFor(
  proofs: readonly Pick<WeightProof, "shape" | "scaleInvariant">[],
  rule: BaseRule = "sgd",
  granularity: Granularity | "none" = "tensor",
): number {
  const general = defaultEffectiveLearningRates[rule];
  if (rule !== "sgd" || granularity !== "tensor") return general;
  const parameters = proofs.reduce(
    (sum, { shape, scaleInvariant }) => (scaleInvariant ? sum + elementCount(shape) : sum),
    0,
  );
  return general * Math.min(1, parametersOfDefault / parameters);
}

/** Throws ISO_ELR_INVALID unless the rate is positive and finite. */
export function requireEffectiveLearningRate(rate: number): void {
  if (!(rate > 0 && Number.isFinite(rate)))
    throw new IsonormError(
      "ISO_ELR_INVALID",
      `the effective learning rate is ${rate}`,
      `Give a positive number, for example ${defaultEffectiveLearningRate.toPrecision(4)}`,
    );
}

/**
 * What a layer of norm n multiplies u by with base rule `sgd`, ELR * n^2; with `angular` ELR * n, still to be divided by ||u||, {@link directionLength}.
 *
 * @param rate - ELR times the schedule, with `angular` in radians: scalar
 * @param norm - n: of any shape, a number for each layer or channel
 * @returns shaped like `norm`
 */
export function layerLearningRate(b: GraphBuilder, rule: BaseRule, rate: Value, norm: Value): Value {
  return b.times(rate, rule === "sgd" ? b.square(norm) : norm);
}

/**
 * ||u||, by which base rule `angular` divides.
 *
 * A zero u must give a zero step, not 0 / 0. ||u||^2 is therefore kept at 1e-37 or above, next to the smallest normal float32: it
 * changes nothing while ||u||^2 can be told from zero, and below that the step only gets shorter.
 *
 * @param direction - u: the weight's shape
 * @returns a scalar, or 1 everywhere but on the channel axis
 */
export function directionLength(
  b: GraphBuilder,
  direction: Value,
  granularity: Granularity = "tensor",
  channelAxis = 0,
  parts?: readonly number[],
): Value {
  const sumOfSquares = sumOfSquaresOf(b, direction, granularity, channelAxis, parts);
  return b.sqrt(b.op("Max", [sumOfSquares, b.scalar(1e-37)]));
}
