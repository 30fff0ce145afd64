import { IsonormError } from "../errors.js";
import type { GraphBuilder, Value } from "../graph/index.js";
import { projectToNorm } from "../method/index.js";
import { eachPart, type FixedNormRule, type JointRule } from "./update.js";

/** How a weight is kept at its norm; an `UpdateRule` says so. */
type NormRule =
  | Pick<FixedNormRule, "kind" | "norm0" | "granularity" | "channelAxis" | "parts">
  | { readonly kind: "plain" };

/**
 * Exponential moving average of a weight, which starts at W_0 (Polyak and Juditsky 1992; with decay, Tarvainen and Valpola, arXiv
 * 1703.01780):
 *
 *   A' = A + (1 - d) (W - A)
 *
 * With the fixed norm A' is put back to Norm_0 as the weight is: W and A have norm Norm_0 and point in different directions, so
 * their mean is shorter. While batch normalisation uses the batch's statistics that would not matter, W being scale-invariant;
 * but at inference it uses running statistics, gathered with weights of norm Norm_0, and a shorter weight would no longer fit them.
 * Running statistics need no average of their own beyond the one that they are.
 *
 * @param average - A: the weight's shape
 * @param weight - W after its update
 * @param remainder - 1 - d: scalar; see `averageRemainder`
 * @param rule - of the weight's update
 * @returns A'
 */
export function movingAverage(
  b: GraphBuilder,
  average: Value,
  weight: Value,
  remainder: Value,
  rule: NormRule | JointRule<NormRule>,
): Value {
  const next = b.plus(average, b.times(b.minus(weight, average), remainder));
  return eachPart<NormRule>(b, rule, [next], ([part], one) =>
    one.kind === "plain"
      ? part!
      : projectToNorm(b, part!, one.norm0, one.granularity, one.channelAxis, one.parts).weight,
  );
}

/**
 * 1 - d_i for update i = 0, 1, ...: d_i = min(decay, (1 + i) / (10 + i)), so that the first weights, which are still close to the
 * random start, are soon forgotten (TensorFlow's ExponentialMovingAverage with num_updates).
 *
 * @param decay - d in (0, 1), as 0.999
 */
export function averageRemainder(decay: number, step: number): number {
  if (!(decay > 0 && decay < 1))
    throw new IsonormError(
      "ISO_ARGUMENT",
      `the decay of the moving average is ${decay}`,
      "Give a number between 0 and 1",
    );
  return 1 - Math.min(decay, (1 + step) / (10 + step));
}
