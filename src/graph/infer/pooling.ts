import { attributeInts } from "../attributes.js";
import { constantIntegers, required, requireFloat, requireRankAtLeast, shapeError, withOptional } from "./context.js";
import { requireOutput, requireWindow } from "./convolution.js";
import { type InferContext, registerInference } from "./registry.js";
import { windowGeometry } from "./window.js";

/** X [N, C, d1, ...] -> [N, C, 1, ...] */
for (const op of ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
  registerInference(op, (context) => {
    const x = required(context, 0);
    requireFloat(context, x);
    requireRankAtLeast(context, x, 3, "X");
    return [{ dtype: x.dtype, shape: x.shape.map((size, axis) => (axis < 2 ? size : 1)) }];
  });

/** X [N, C, d1, ...] -> [N, C, o1, ...] */
function pooledShape(context: InferContext): readonly number[] {
  const x = required(context, 0);
  requireRankAtLeast(context, x, 3, "X");
  const kernel = requireKernel(context);
  requireWindow(context, kernel);
  const geometry = requireOutput(context, windowGeometry(context.attributes, x.shape.slice(2), kernel));
  const rank = kernel.length;
  // A window must not lie in the padding alone: there the mean divides by zero and the maximum has no element.
  if (kernel.some((size, axis) => Math.max(geometry.pads[axis]!, geometry.pads[axis + rank]!) >= size))
    throw shapeError(
      context,
      `pads [${geometry.pads.join(", ")}] must be smaller than the kernel [${kernel.join(", ")}]`,
    );
  return [...x.shape.slice(0, 2), ...geometry.output];
}

for (const op of ["AveragePool", "LpPool"])
  registerInference(op, (context) => {
    requireFloat(context, required(context, 0));
    return [{ dtype: required(context, 0).dtype, shape: pooledShape(context) }];
  });

/** The optional second output holds each maximum's index into X as one long row. */
registerInference("MaxPool", (context) => {
  const shape = pooledShape(context);
  return withOptional(context, 1, [
    { dtype: required(context, 0).dtype, shape },
    { dtype: "int64", shape },
  ]);
});

/** The smallest input that MaxPool would give X for, (o - 1) s + k - pads, or the shape asked for by the third input. */
registerInference("MaxUnpool", (context) => {
  const x = required(context, 0);
  const indices = required(context, 1);
  requireRankAtLeast(context, x, 3, "X");
  if (indices.shape.join() !== x.shape.join()) throw shapeError(context, "X and the indices must have one shape");
  const kernel = requireKernel(context);
  requireWindow(context, kernel);
  const asked = constantIntegers(context, 2, "output_shape");
  if (asked && asked.length !== x.shape.length)
    throw shapeError(context, `output_shape [${asked.join(", ")}] must have rank ${x.shape.length}`);
  const rank = kernel.length;
  const strides = attributeInts(context.attributes, "strides") ?? kernel.map(() => 1);
  const pads = attributeInts(context.attributes, "pads") ?? kernel.flatMap(() => [0, 0]);
  const spatial = kernel.map(
    (size, axis) => (x.shape[axis + 2]! - 1) * strides[axis]! + size - pads[axis]! - pads[axis + rank]!,
  );
  return [{ dtype: x.dtype, shape: asked ?? [...x.shape.slice(0, 2), ...spatial] }];
});

function requireKernel(context: InferContext): readonly number[] {
  const kernel = attributeInts(context.attributes, "kernel_shape");
  if (!kernel) throw shapeError(context, "attribute kernel_shape is required");
  return kernel;
}
