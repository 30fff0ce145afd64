import { attributeInt, attributeInts } from "../attributes.js";
import type { Value } from "../value.js";
import { constantIntegers, frontAxes, frontAxis, required, shapeError } from "./context.js";
import { type InferContext, registerInference } from "./registry.js";

/**
 * The axes that a Reduce* node sums over, counted from the front, ascending. They are an attribute at first and an input since
 * opset 13 (ReduceSum) or 18 (the others); none means all, or none at all with noop_with_empty_axes.
 */
export function reducedAxes(context: InferContext, x: Value): readonly number[] {
  const { attributes } = context;
  const axes = attributeInts(attributes, "axes") ?? constantIntegers(context, 1, "axes") ?? [];
  if (axes.length === 0)
    return attributeInt(attributes, "noop_with_empty_axes", 0) ? [] : x.shape.map((_, axis) => axis);
  return frontAxes(context, axes, x.shape.length).toSorted((a, b) => a - b);
}

export function reducedShape(
  shape: readonly number[],
  axes: readonly number[],
  keepDimensions: boolean,
): readonly number[] {
  const reduced = new Set(axes);
  return keepDimensions
    ? shape.map((size, axis) => (reduced.has(axis) ? 1 : size))
    : shape.filter((_, axis) => !reduced.has(axis));
}

for (const op of ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"])
  registerInference(`Reduce${op}`, (context) => {
    const x = required(context, 0);
    const keep = attributeInt(context.attributes, "keepdims", 1) !== 0;
    return [{ dtype: x.dtype, shape: reducedShape(x.shape, reducedAxes(context, x), keep) }];
  });

for (const op of ["ArgMax", "ArgMin"])
  registerInference(op, (context) => {
    const x = required(context, 0);
    const axis = frontAxis(context, attributeInt(context.attributes, "axis", 0), x.shape.length);
    if (x.shape[axis] === 0) throw shapeError(context, `axis ${axis} has no elements`);
    const keep = attributeInt(context.attributes, "keepdims", 1) !== 0;
    return [{ dtype: "int64", shape: reducedShape(x.shape, [axis], keep) }];
  });
