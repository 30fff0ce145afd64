import { elementCount, type Tensor } from "../../onnx/types.js";
import { attributeInt, attributeInts } from "../attributes.js";
import type { TensorType } from "../value.js";
import { broadcastShapes } from "./broadcast.js";
import { constantIntegers, frontAxes, frontAxis, required, requireSameType, shapeError } from "./context.js";
import { type InferContext, registerInference } from "./registry.js";

/** 0 copies the input's size on that axis (unless allowzero, opset 14), one -1 takes what is left. */
registerInference("Reshape", (context) => {
  const x = required(context, 0);
  const wanted = constantIntegers(context, 1, "shape") ?? [];
  const copies = attributeInt(context.attributes, "allowzero", 0) === 0;
  const broken = (why: string) =>
    shapeError(context, `cannot reshape [${x.shape.join(", ")}] to [${wanted.join(", ")}]: ${why}`);
  const shape = wanted.map((size, axis) => {
    if (size < -1) throw broken(`${size} is no size`);
    if (size !== 0 || !copies) return size;
    const copied = x.shape[axis];
    if (copied === undefined) throw broken(`there is no axis ${axis} to copy`);
    return copied;
  });
  const free = shape.indexOf(-1);
  if (free >= 0) {
    if (shape.lastIndexOf(-1) !== free) throw broken("-1 stands twice");
    const others = elementCount(shape.filter((_, axis) => axis !== free));
    const size = elementCount(x.shape) / others;
    if (!Number.isInteger(size)) throw broken(`${elementCount(x.shape)} elements are no multiple of ${others}`);
    shape[free] = size;
  }
  if (elementCount(shape) !== elementCount(x.shape))
    throw broken(`${elementCount(x.shape)} elements against ${elementCount(shape)}`);
  return [{ dtype: x.dtype, shape }];
});

/** Two axes: the product of the sizes before `axis`, and of those from it on. */
registerInference("Flatten", (context) => {
  const x = required(context, 0);
  const axis = frontAxis(context, attributeInt(context.attributes, "axis", 1), x.shape.length, true);
  return [{ dtype: x.dtype, shape: [elementCount(x.shape.slice(0, axis)), elementCount(x.shape.slice(axis))] }];
});

/** Axes are an attribute before opset 13 and an input since; Squeeze without axes takes every axis of size 1. */
const axesOf = (context: InferContext): readonly number[] | undefined =>
  attributeInts(context.attributes, "axes") ?? constantIntegers(context, 1, "axes");

registerInference("Squeeze", (context) => {
  const x = required(context, 0);
  const axes = axesOf(context);
  const squeezed = new Set(
    axes ? frontAxes(context, axes, x.shape.length) : x.shape.flatMap((size, axis) => (size === 1 ? [axis] : [])),
  );
  for (const axis of squeezed)
    if (x.shape[axis] !== 1) throw shapeError(context, `axis ${axis} has size ${x.shape[axis]}, not 1`);
  return [{ dtype: x.dtype, shape: x.shape.filter((_, axis) => !squeezed.has(axis)) }];
});

registerInference("Unsqueeze", (context) => {
  const x = required(context, 0);
  const axes = axesOf(context);
  if (!axes) throw shapeError(context, "axes are required");
  const rank = x.shape.length + axes.length;
  const added = new Set(frontAxes(context, axes, rank));
  const sizes = [...x.shape];
  return [{ dtype: x.dtype, shape: Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : sizes.shift()!)) }];
});

/** Output axis i is input axis perm[i]; without perm the axes are reversed. */
registerInference("Transpose", (context) => {
  const x = required(context, 0);
  const permutation = attributeInts(context.attributes, "perm") ?? x.shape.map((_, axis) => axis).reverse();
  if (permutation.length !== x.shape.length)
    throw shapeError(context, `perm [${permutation.join(", ")}] must name each of ${x.shape.length} axes once`);
  const shape = frontAxes(context, permutation, x.shape.length).map((axis) => x.shape[axis]!);
  return [{ dtype: x.dtype, shape }];
});

/** Broadcasting both ways: an axis of size 1 in `shape` keeps the input's size. */
registerInference("Expand", (context) => {
  const x = required(context, 0);
  const wanted = constantIntegers(context, 1, "shape") ?? [];
  const shape = broadcastShapes(x.shape, wanted);
  if (!shape) throw shapeError(context, `[${x.shape.join(", ")}] does not expand to [${wanted.join(", ")}]`);
  return [{ dtype: x.dtype, shape }];
});

registerInference("Tile", (context) => {
  const x = required(context, 0);
  const repeats = constantIntegers(context, 1, "repeats") ?? [];
  if (repeats.length !== x.shape.length || repeats.some((times) => times < 0))
    throw shapeError(context, `repeats [${repeats.join(", ")}] must have one count for each of ${x.shape.length} axes`);
  return [{ dtype: x.dtype, shape: x.shape.map((size, axis) => size * repeats[axis]!) }];
});

/** The sizes from axis `start` to before `end` (opset 15), both clamped to the rank. Known before the graph runs. */
registerInference("Shape", (context) => {
  const { shape } = required(context, 0);
  const clamp = (axis: number) => Math.min(Math.max(axis < 0 ? axis + shape.length : axis, 0), shape.length);
  const start = clamp(attributeInt(context.attributes, "start", 0));
  const end = clamp(attributeInt(context.attributes, "end", shape.length));
  return [constantType(shape.slice(start, Math.max(start, end)))];
});

registerInference("Size", (context) => {
  const type = constantType([elementCount(required(context, 0).shape)]);
  return [{ ...type, shape: [], constant: { ...type.constant, shape: [] } as Tensor }];
});

function constantType(sizes: readonly number[]): TensorType {
  const constant: Tensor = { dtype: "int64", shape: [sizes.length], data: BigInt64Array.from(sizes, BigInt) };
  return { dtype: "int64", shape: constant.shape, constant };
}

registerInference("Concat", (context) => {
  const first = required(context, 0);
  const values = context.inputs.map((_, index) => required(context, index));
  requireSameType(context, ...values);
  const given = attributeInt(context.attributes, "axis");
  if (given === undefined) throw shapeError(context, "attribute axis is required");
  const axis = frontAxis(context, given, first.shape.length);
  for (const { shape } of values)
    if (
      shape.length !== first.shape.length ||
      shape.some((size, other) => other !== axis && size !== first.shape[other])
    )
      throw shapeError(
        context,
        `[${first.shape.join(", ")}] and [${shape.join(", ")}] differ in more than axis ${axis}, along which they are joined`,
      );
  const joined = values.reduce((sum, { shape }) => sum + shape[axis]!, 0);
  return [{ dtype: first.dtype, shape: first.shape.with(axis, joined) }];
});

/**
 * Sizes are the attribute `split` before opset 13, an input since; without them equal parts, the last one smaller where it does not come out even
 * (opset 18, `num_outputs`).
 */
registerInference("Split", (context) => {
  const x = required(context, 0);
  const axis = frontAxis(context, attributeInt(context.attributes, "axis", 0), x.shape.length);
  const size = x.shape[axis]!;
  const sizes =
    attributeInts(context.attributes, "split") ?? constantIntegers(context, 1, "split") ?? evenParts(context, size);
  if (sizes.some((part) => part < 0) || sizes.reduce((sum, part) => sum + part, 0) !== size)
    throw shapeError(context, `parts [${sizes.join(", ")}] do not make up the ${size} of axis ${axis}`);
  const named = context.node.outputs.length;
  if (named > 0 && named !== sizes.length)
    throw shapeError(context, `has ${named} outputs for ${sizes.length} parts [${sizes.join(", ")}]`);
  return sizes.map((part) => ({ dtype: x.dtype, shape: x.shape.with(axis, part) }));
});

function evenParts(context: InferContext, size: number): readonly number[] {
  const named = context.opset < 18 ? context.node.outputs.length : 0;
  const parts = attributeInt(context.attributes, "num_outputs", named);
  if (parts < 1) throw shapeError(context, "needs part sizes, or the number of parts in num_outputs");
  const part = Math.ceil(size / parts);
  const last = size - part * (parts - 1);
  if (last < 0 || (context.opset < 18 && last !== part))
    throw shapeError(context, `cannot split ${size} into ${parts} equal parts`);
  return Array.from({ length: parts }, (_, index) => (index === parts - 1 ? last : part));
}
