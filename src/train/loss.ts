import type { GraphBuilder, Value } from "../graph/index.js";
import { int } from "../onnx/types.js";

/**
 * Cross-entropy of softmax(logits) against soft targets, averaged over the batch:
 * L = -1/B sum_i sum_k t_ik log softmax(z_i)_k. Class weights and label smoothing are part of the targets.
 *
 * @param logits - [batch, classes]
 * @param targets - [batch, classes], non-negative
 * @returns `loss`: scalar; `correct`: scalar, how many examples have their largest logit where their largest target is
 */
export function softmaxCrossEntropy(b: GraphBuilder, logits: Value, targets: Value): { loss: Value; correct: Value } {
  const batch = logits.shape[0]!;
  const logProbabilities = b.op("LogSoftmax", [logits], { axis: int(1) });
  const loss = b.times(b.sum(b.times(targets, logProbabilities)), b.scalar(-1 / batch));
  const correct = b.sum(b.abstract("SameLargest", [logits, targets])[0]!);
  return { loss, correct };
}
