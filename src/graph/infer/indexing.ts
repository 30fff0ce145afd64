import { attributeInt } from "../attributes.js";
import type { Value } from "../value.js";
import {
  constantIntegers,
  frontAxis,
  required,
  requireRankAtLeast,
  requireSameType,
  requireVector,
  shapeError,
  withOptional,
} from "./context.js";
import { type InferContext, type InferRule, registerInference } from "./registry.js";

/** data [before, size, after], indices [...] -> [before, ..., after] */
registerInference("Gather", (context) => {
  const data = required(context, 0);
  const indices = requireIndices(context, 1);
  const axis = frontAxis(context, attributeInt(context.attributes, "axis", 0), data.shape.length);
  return [
    { dtype: data.dtype, shape: [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)] },
  ];
});

/** Indices have data's rank and, but for `axis`, no size above data's; the result has the indices' shape. */
registerInference("GatherElements", (context) => {
  const data = required(context, 0);
  const indices = requireIndices(context, 1);
  requireElementIndices(context, data, indices);
  return [{ dtype: data.dtype, shape: indices.shape }];
});

/** The last axis of indices addresses data's axes after the first `batch_dims`. */
registerInference("GatherND", (context) => {
  const data = required(context, 0);
  const indices = requireIndices(context, 1);
  const batch = attributeInt(context.attributes, "batch_dims", 0);
  const addressed = requireTupleIndices(context, data, indices, batch);
  return [{ dtype: data.dtype, shape: [...indices.shape.slice(0, -1), ...data.shape.slice(batch + addressed)] }];
});

/** data with updates [indices' shape] written in place. `Scatter` is the name until opset 11. */
const scatterElements: InferRule = (context) => {
  const data = required(context, 0);
  const indices = requireIndices(context, 1);
  const updates = required(context, 2);
  requireSameType(context, data, updates);
  requireElementIndices(context, data, indices);
  if (updates.shape.join() !== indices.shape.join())
    throw shapeError(context, `updates [${updates.shape.join(", ")}] must have the indices' shape`);
  return [{ dtype: data.dtype, shape: data.shape }];
};
registerInference("ScatterElements", scatterElements);
registerInference("Scatter", scatterElements);

registerInference("ScatterND", (context) => {
  const data = required(context, 0);
  const indices = requireIndices(context, 1);
  const updates = required(context, 2);
  requireSameType(context, data, updates);
  const addressed = requireTupleIndices(context, data, indices, 0);
  const wanted = [...indices.shape.slice(0, -1), ...data.shape.slice(addressed)];
  if (updates.shape.join() !== wanted.join())
    throw shapeError(context, `updates [${updates.shape.join(", ")}] must have shape [${wanted.join(", ")}]`);
  return [{ dtype: data.dtype, shape: data.shape }];
});

/** indices [...], depth scalar, values [off, on] -> [..., depth, ...] with the new axis at `axis`. */
registerInference("OneHot", (context) => {
  const indices = required(context, 0);
  const depth = constantIntegers(context, 1, "depth");
  if (depth?.length !== 1 || depth[0]! < 1)
    throw shapeError(context, `depth must be one number of 1 or more, not [${depth?.join(", ") ?? ""}]`);
  const values = required(context, 2);
  requireVector(context, values, 2, "values");
  const axis = frontAxis(context, attributeInt(context.attributes, "axis", -1), indices.shape.length + 1);
  return [{ dtype: values.dtype, shape: indices.shape.toSpliced(axis, 0, Math.trunc(depth[0]!)) }];
});

/** The k largest and their indices; k is an attribute before opset 10, an input since. */
registerInference("TopK", (context) => {
  const x = required(context, 0);
  const axis = frontAxis(context, attributeInt(context.attributes, "axis", -1), x.shape.length);
  const given = context.opset < 10 ? [attributeInt(context.attributes, "k", -1)] : constantIntegers(context, 1, "K");
  const k = given?.[0] ?? -1;
  if (k < 0 || k > x.shape[axis]!)
    throw shapeError(context, `k = ${k} must lie between 0 and the ${x.shape[axis]} elements of axis ${axis}`);
  const shape = x.shape.with(axis, k);
  return withOptional(context, 2, [
    { dtype: x.dtype, shape },
    { dtype: "int64", shape },
  ]);
});

/** Keeps the upper or lower triangle of the last two axes; the diagonal's offset is an optional scalar. */
registerInference("Trilu", (context) => {
  const { dtype, shape } = required(context, 0);
  requireRankAtLeast(context, required(context, 0), 2, "input");
  return [{ dtype, shape }];
});

/** One length for each sequence, along the batch axis; batch and time are the first two axes. */
registerInference("ReverseSequence", (context) => {
  const x = required(context, 0);
  requireRankAtLeast(context, x, 2, "input");
  const [batch, time] = [
    attributeInt(context.attributes, "batch_axis", 1),
    attributeInt(context.attributes, "time_axis", 0),
  ];
  if (batch + time !== 1 || batch * time !== 0)
    throw shapeError(context, `batch_axis ${batch} and time_axis ${time} must be 0 and 1`);
  requireVector(context, required(context, 1), x.shape[batch]!, "sequence_lens");
  return [{ dtype: x.dtype, shape: x.shape }];
});

function requireIndices(context: InferContext, index: number): Value {
  const indices = required(context, index);
  if (indices.dtype !== "int64" && indices.dtype !== "int32")
    throw shapeError(context, `indices must be int32 or int64, not ${indices.dtype}`);
  return indices;
}

function requireElementIndices(context: InferContext, data: Value, indices: Value): void {
  const axis = frontAxis(context, attributeInt(context.attributes, "axis", 0), data.shape.length);
  if (
    indices.shape.length !== data.shape.length ||
    indices.shape.some((size, other) => other !== axis && size > data.shape[other]!)
  )
    throw shapeError(
      context,
      `indices [${indices.shape.join(", ")}] must have the rank of [${data.shape.join(", ")}] and fit into it but for axis ${axis}`,
    );
}

/** Checks indices whose last axis holds one coordinate for each axis addressed; returns how many these are. */
function requireTupleIndices(context: InferContext, data: Value, indices: Value, batch: number): number {
  requireRankAtLeast(context, indices, batch + 1, "indices");
  const addressed = indices.shape.at(-1)!;
  if (batch < 0 || batch + addressed > data.shape.length)
    throw shapeError(
      context,
      `indices address ${addressed} axes after ${batch} batch axes where data has ${data.shape.length}`,
    );
  if (indices.shape.slice(0, batch).join() !== data.shape.slice(0, batch).join())
    throw shapeError(context, `the first ${batch} axes of data and indices must agree`);
  return addressed;
}
