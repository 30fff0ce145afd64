import { elementCount } from "../../onnx/types.js";
import { attributeDataType, attributeFloat, attributeInt, attributeInts } from "../attributes.js";
import type { TensorType } from "../value.js";
import { requireBroadcastInto } from "./broadcast.js";
import {
  frontAxes,
  frontAxis,
  required,
  requireFloat,
  requireRankAtLeast,
  requireVector,
  shapeError,
  withOptional,
} from "./context.js";
import { type InferContext, type InferRule, registerInference } from "./registry.js";

/**
 * X [N, C, ...], four vectors [C]. Y alone when serving; when training also the new running mean and variance [C]
 * (training_mode, opset 14), before opset 14 followed by the batch's own, wherever the node names five outputs.
 */
registerInference("BatchNormalization", (context) => {
  const x = required(context, 0);
  requireFloat(context, x);
  requireRankAtLeast(context, x, 2, "X");
  const channels = x.shape[1]!;
  ["scale", "B", "mean", "var"].forEach((label, index) => {
    requireVector(context, required(context, index + 1), channels, label);
  });
  const statistic: TensorType = { dtype: required(context, 3).dtype, shape: [channels] };
  const y: TensorType = { dtype: x.dtype, shape: x.shape };
  if (context.opset < 14) return withOptional(context, 1, [y, statistic, statistic, statistic, statistic]);
  return attributeInt(context.attributes, "training_mode", 0)
    ? [y, statistic, statistic]
    : withOptional(context, 1, [y]);
});

/** Statistics over the axes from `axis` on; they are optional outputs, with size 1 on those axes. */
const overTrailingAxes =
  (statistics: number): InferRule =>
  (context) => {
    const x = required(context, 0);
    requireFloat(context, x);
    const axis = frontAxis(context, attributeInt(context.attributes, "axis", -1), x.shape.length);
    const normalized = x.shape.slice(axis);
    requireBroadcastInto(context, required(context, 1), normalized, "scale");
    requireBroadcastInto(context, context.inputs[2], normalized, "bias");
    const statistic: TensorType = {
      dtype: attributeDataType(context.attributes, "stash_type", "float32"),
      shape: x.shape.map((size, other) => (other < axis ? size : 1)),
    };
    return withOptional(context, 1, [
      { dtype: x.dtype, shape: x.shape },
      ...Array.from({ length: statistics }, () => statistic),
    ]);
  };
/** Optional outputs: mean, and 1 / standard deviation. */
registerInference("LayerNormalization", overTrailingAxes(2));
/** Optional output: 1 / root mean square. */
registerInference("SimplifiedLayerNormalization", overTrailingAxes(1));
registerInference("RMSNormalization", overTrailingAxes(0));

registerInference("InstanceNormalization", (context) => {
  const x = required(context, 0);
  requireRankAtLeast(context, x, 3, "X");
  return perChannel(context, x.shape[1]!);
});

/** Scale and bias are one number a group before opset 21, one a channel since. */
registerInference("GroupNormalization", (context) => {
  const x = required(context, 0);
  requireRankAtLeast(context, x, 3, "X");
  const groups = attributeInt(context.attributes, "num_groups");
  if (groups === undefined || groups < 1 || x.shape[1]! % groups !== 0)
    throw shapeError(context, `num_groups ${groups} must divide X's ${x.shape[1]} channels`);
  return perChannel(context, context.opset < 21 ? groups : x.shape[1]!);
});

function perChannel(context: InferContext, length: number): readonly TensorType[] {
  const { dtype, shape } = required(context, 0);
  requireFloat(context, required(context, 0));
  requireVector(context, required(context, 1), length, "scale");
  requireVector(context, required(context, 2), length, "bias");
  return [{ dtype, shape }];
}

registerInference("LpNormalization", (context) => {
  const { dtype, shape } = required(context, 0);
  frontAxis(context, attributeInt(context.attributes, "axis", -1), shape.length);
  return [{ dtype, shape }];
});

registerInference("LRN", (context) => {
  const { dtype, shape } = required(context, 0);
  requireRankAtLeast(context, required(context, 0), 2, "X");
  if (attributeInt(context.attributes, "size") === undefined) throw shapeError(context, "attribute size is required");
  return [{ dtype, shape }];
});

registerInference("MeanVarianceNormalization", (context) => {
  const { dtype, shape } = required(context, 0);
  frontAxes(context, attributeInts(context.attributes, "axes") ?? [0, 2, 3], shape.length);
  if (elementCount(shape) === 0) throw shapeError(context, "the mean of no elements is undefined");
  return [{ dtype, shape }];
});

/** The mask is an optional output: bool since opset 10, of X's type before. */
registerInference("Dropout", (context) => {
  const { dtype, shape } = required(context, 0);
  const ratio = context.inputs[1]?.constant?.data[0] ?? attributeFloat(context.attributes, "ratio", 0.5);
  if (!(Number(ratio) >= 0 && Number(ratio) < 1)) throw shapeError(context, `ratio ${ratio} is not in [0, 1)`);
  return withOptional(context, 1, [
    { dtype, shape },
    { dtype: context.opset < 10 ? dtype : "bool", shape },
  ]);
});
