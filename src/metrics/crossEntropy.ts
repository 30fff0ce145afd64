import { checkScores, logSumExp } from "./scores.js";

/**
 * Mean cross-entropy in nats, from logits: mean_i (logSumExp(z_i) - z_i[label_i]). Exact where a probability would have
 * rounded to 0 or 1. labels: [examples]; logits: [examples, classes]. NaN where a logit is not finite.
 */
export function crossEntropyFromLogits(labels: Int32Array, logits: Float32Array, classes: number): number {
  const examples = checkScores(labels, logits, classes);
  let sum = 0;
  for (let i = 0; i < examples; i++) {
    sum += logSumExp(logits, i * classes, classes) - logits[i * classes + labels[i]!]!;
  }
  return sum / examples;
}

/**
 * Mean cross-entropy in nats, from probabilities: mean_i -log p_i[label_i]. A probability of 0 counts as the smallest
 * positive float32 number, 2^-149, so one rounded example costs 103 nats and not infinity; use the logits where there are any.
 */
export function crossEntropyFromProbabilities(
  labels: Int32Array,
  probabilities: Float32Array,
  classes: number,
): number {
  const examples = checkScores(labels, probabilities, classes);
  let sum = 0;
  for (let i = 0; i < examples; i++) {
    const probability = probabilities[i * classes + labels[i]!]!;
    sum -= Math.log(probability === 0 ? 2 ** -149 : probability);
  }
  return sum / examples;
}
