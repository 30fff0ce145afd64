import { attributeInt, attributeInts } from "../attributes.js";
import type { TensorType, Value } from "../value.js";
import {
  frontAxis,
  required,
  requireFloat,
  requireRankAtLeast,
  requireSameType,
  requireVector,
  shapeError,
} from "./context.js";
import { type InferContext, registerInference } from "./registry.js";
import { type WindowGeometry, windowGeometry } from "./window.js";

/**
 * The abstract operators: what gradient rules and the training step are written in, and `lowering/` turns into ONNX operators.
 *
 * Their attributes are always explicit: `kernel_shape`, `strides`, `dilations` have one entry a spatial axis and `pads` two (all beginnings,
 * then all ends, as ONNX orders them); auto_pad is resolved before. Throughout, N is the number of images, C and K are channels, and
 * the number of spatial axes is free.
 */

/** ReluGrad(dy, y): dy where y > 0, else 0; y is Relu's output. All of one shape. */
registerInference("isonorm:ReluGrad", (context) => {
  const dy = required(context, 0);
  requireShape(context, 1, dy.shape, "y");
  return [typeOf(dy)];
});

/** ClipGrad(dy, x, y): dy where y = x, else 0; y is Clip's output for the input x. All of one shape. */
registerInference("isonorm:ClipGrad", (context) => {
  const dy = required(context, 0);
  requireShape(context, 1, dy.shape, "x");
  requireShape(context, 2, dy.shape, "y");
  return [typeOf(dy)];
});

/** SameLargest(x [N, C], y [N, C]) -> [N]: 1 where the first largest element of a row of x stands where that of y does, else 0. */
registerInference("isonorm:SameLargest", (context) => {
  const x = required(context, 0);
  requireFloat(context, x);
  requireShape(context, 1, x.shape, "y");
  return [{ dtype: x.dtype, shape: [x.shape[0]!] }];
});

/** ChannelSum(x [N, C, ...]) -> [C]: the sum over every axis but the second. The gradient of a bias. */
registerInference("isonorm:ChannelSum", (context) => {
  const x = required(context, 0);
  requireFloat(context, x);
  requireRankAtLeast(context, x, 2, "x");
  return [{ dtype: x.dtype, shape: [x.shape[1]!] }];
});

/** SumOfSquares(x) -> scalar: the squared Frobenius norm; float32's accuracy however many elements x has. */
registerInference("isonorm:SumOfSquares", (context) => {
  const x = required(context, 0);
  requireFloat(context, x);
  return [{ dtype: x.dtype, shape: [] }];
});

/** SumOfSquaresPerChannel(x; axis) -> x's rank, size 1 on every axis but `axis`: the squared norm of each slice along that axis. */
registerInference("isonorm:SumOfSquaresPerChannel", (context) => {
  const x = required(context, 0);
  requireFloat(context, x);
  const axis = frontAxis(context, attributeInt(context.attributes, "axis", 0), x.shape.length);
  return [{ dtype: x.dtype, shape: x.shape.map((size, other) => (other === axis ? size : 1)) }];
});

/**
 * LinearOverNorm(x [N, features], W [classes, features], norm; scale) -> scale (x W^T) / norm: [N, classes]. norm is ||W||, a scalar, or that of each row,
 * [classes]; the gradient takes it to be so.
 */
registerInference("isonorm:LinearOverNorm", (context) => {
  const [x, weight, norm] = [required(context, 0), required(context, 1), required(context, 2)];
  requireSameType(context, x, weight, norm);
  const [rows, classes] = [x.shape[0]!, weight.shape[0]!];
  requireShape(context, 1, [classes, x.shape[1]!], "W");
  requireShape(context, 2, norm.shape.length === 0 ? [] : [classes], "norm");
  return [{ dtype: x.dtype, shape: [rows, classes] }];
});

/**
 * BatchNormTraining(x [N, C, ...], scale [C], bias [C]; epsilon) -> y, mean [C], variance [C].
 *
 * mean and variance are those of the batch, per channel over the other axes; the variance is the population's (divided by the number
 * of elements). y = scale (x - mean) / sqrt(variance + epsilon) + bias.
 */
registerInference("isonorm:BatchNormTraining", (context) => {
  const x = required(context, 0);
  const channel = requireNormalised(context, x, ["scale", "bias"], 1);
  return [typeOf(x), channel, channel];
});

/**
 * BatchNormGrad(dy, x, scale, mean, variance; epsilon) -> dx, dscale [C], dbias [C]: the gradient of BatchNormTraining through y,
 * mean and variance being its outputs.
 */
registerInference("isonorm:BatchNormGrad", (context) => {
  const x = required(context, 1);
  requireShape(context, 0, x.shape, "dy");
  const channel = requireNormalised(context, x, ["scale", "mean", "variance"], 2);
  return [typeOf(x), channel, channel];
});

/**
 * ConvWeightGrad(x [N, C, ...], dy [N, K, ...]; kernel_shape, strides, pads, dilations, group) -> dw [K, C / group, ...kernel_shape]:
 * dw[k, c, t] = sum over images n and positions o of dy[n, k, o] x[n, c, o strides + t dilations - pads], x being 0 outside.
 */
registerInference("isonorm:ConvWeightGrad", (context) => {
  const x = required(context, 0);
  const dy = required(context, 1);
  requireSameType(context, x, dy);
  const group = attributeInt(context.attributes, "group", 1);
  const [images, channels] = [x.shape[0]!, x.shape[1]!];
  if (channels % group !== 0 || dy.shape[1]! % group !== 0)
    throw shapeError(context, `group ${group} does not divide the channels of both x and dy`);
  const { kernel, output } = explicitWindow(context, x.shape.slice(2));
  requireShape(context, 1, [images, dy.shape[1]!, ...output], "dy");
  return [{ dtype: x.dtype, shape: [dy.shape[1]!, channels / group, ...kernel] }];
});

/**
 * ConvInputGrad(dy [N, K, ...], w [K, C / group, ...]; input_shape, kernel_shape, strides, pads, dilations, group) -> dx of `input_shape`
 * [N, C, ...]: dx[n, c, i] = sum over k, o and t with o strides + t dilations - pads = i of dy[n, k, o] w[k, c, t].
 */
registerInference("isonorm:ConvInputGrad", (context) => {
  const dy = required(context, 0);
  const w = required(context, 1);
  requireSameType(context, dy, w);
  const shape = inputShape(context);
  const group = attributeInt(context.attributes, "group", 1);
  const { kernel, output } = explicitWindow(context, shape.slice(2));
  requireShape(context, 0, [shape[0]!, w.shape[0]!, ...output], "dy");
  requireShape(context, 1, [w.shape[0]!, shape[1]! / group, ...kernel], "w");
  return [{ dtype: dy.dtype, shape }];
});

/**
 * MaxPoolGrad(x [N, C, ...], y, dy; kernel_shape, strides, pads, dilations, ceil_mode) -> dx: each window's dy goes to the first, in
 * row-major order, of its largest elements.
 */
registerInference("isonorm:MaxPoolGrad", (context) => {
  const x = required(context, 0);
  const { output } = explicitWindow(context, x.shape.slice(2));
  const pooled = [...x.shape.slice(0, 2), ...output];
  requireShape(context, 1, pooled, "y");
  requireShape(context, 2, pooled, "dy");
  return [typeOf(x)];
});

/**
 * AveragePoolGrad(dy; input_shape, kernel_shape, strides, pads, dilations, ceil_mode, count_include_pad) -> dx of `input_shape` [N, C, ...]:
 * each window's dy divided by the number of elements that the window averages, added to each of them.
 */
registerInference("isonorm:AveragePoolGrad", (context) => {
  const dy = required(context, 0);
  const shape = inputShape(context);
  const { output } = explicitWindow(context, shape.slice(2));
  requireShape(context, 0, [...shape.slice(0, 2), ...output], "dy");
  return [{ dtype: dy.dtype, shape }];
});

function typeOf({ dtype, shape }: Value): TensorType {
  return { dtype, shape };
}

function requireShape(context: InferContext, index: number, shape: readonly number[], label: string): void {
  const value = required(context, index);
  requireFloat(context, value);
  if (value.shape.join() !== shape.join())
    throw shapeError(context, `${label} must have shape [${shape.join(", ")}], not [${value.shape.join(", ")}]`);
}

/** Checks the vectors that go with x, named by `labels` from input `first` on; returns their common type. */
function requireNormalised(context: InferContext, x: Value, labels: readonly string[], first: number): TensorType {
  requireFloat(context, x);
  requireRankAtLeast(context, x, 2, "x");
  labels.forEach((label, index) => {
    requireVector(context, required(context, first + index), x.shape[1]!, label);
  });
  requireSameType(context, ...context.inputs);
  return { dtype: x.dtype, shape: [x.shape[1]!] };
}

function inputShape(context: InferContext): readonly number[] {
  const shape = attributeInts(context.attributes, "input_shape");
  if (!shape) throw shapeError(context, "attribute input_shape is required");
  return shape;
}

function explicitWindow(context: InferContext, input: readonly number[]): WindowGeometry {
  const kernel = attributeInts(context.attributes, "kernel_shape");
  for (const [name, length] of [
    ["kernel_shape", input.length],
    ["strides", input.length],
    ["dilations", input.length],
    ["pads", 2 * input.length],
  ] as const)
    if (attributeInts(context.attributes, name)?.length !== length)
      throw shapeError(context, `attribute ${name} must have ${length} entries`);
  return windowGeometry(context.attributes, input, kernel ?? []);
}
