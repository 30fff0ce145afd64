import { attributeString } from "../attributes.js";
import type { TensorType } from "../value.js";
import { required, requireRankAtLeast, requireVector, shapeError, withOptional } from "./context.js";
import { type InferContext, registerInference } from "./registry.js";

/**
 * scores [N, C, d1, ...], labels [N, d1, ...], weights [C] -> the loss: a scalar, or one number a label with reduction "none".
 */
function lossType(context: InferContext): TensorType {
  const scores = required(context, 0);
  const labels = required(context, 1);
  requireRankAtLeast(context, scores, 2, "scores");
  const wanted = scores.shape.toSpliced(1, 1);
  if (labels.shape.join() !== wanted.join())
    throw shapeError(context, `labels must have shape [${wanted.join(", ")}], not [${labels.shape.join(", ")}]`);
  if (labels.dtype !== "int64" && labels.dtype !== "int32")
    throw shapeError(context, `labels must be int32 or int64, not ${labels.dtype}`);
  requireVector(context, context.inputs[2], scores.shape[1]!, "weights");
  const reduction = attributeString(context.attributes, "reduction", "mean");
  if (!["none", "sum", "mean"].includes(reduction))
    throw shapeError(context, `reduction "${reduction}" is none of none, sum, mean`);
  return { dtype: scores.dtype, shape: reduction === "none" ? wanted : [] };
}

/** The optional second output is the logarithm of the softmax. */
registerInference("SoftmaxCrossEntropyLoss", (context) => {
  const { dtype, shape } = required(context, 0);
  return withOptional(context, 1, [lossType(context), { dtype, shape }]);
});

registerInference("NegativeLogLikelihoodLoss", (context) => [lossType(context)]);
