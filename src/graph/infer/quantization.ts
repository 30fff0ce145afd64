import type { DataType } from "../../onnx/types.js";
import { attributeDataType, attributeInt } from "../attributes.js";
import type { Value } from "../value.js";
import { broadcastInputs } from "./broadcast.js";
import { required, requireRankAtLeast } from "./context.js";
import { convolution } from "./convolution.js";
import { productShape } from "./matmul.js";
import { type InferContext, type InferRule, registerInference } from "./registry.js";

// Quantised tensors: integers q with a scale and a zero point, standing for scale (q - zero point).

/** Its type is the zero point's, or the attribute's since opset 21; uint8 by default. */
registerInference("QuantizeLinear", (context) => {
  const { shape } = required(context, 0);
  required(context, 1);
  const dtype = context.inputs[2]?.dtype ?? attributeDataType(context.attributes, "output_dtype") ?? "uint8";
  return [{ dtype, shape }];
});

/** Its type is the scale's. */
registerInference("DequantizeLinear", (context) => [
  { dtype: required(context, 1).dtype, shape: required(context, 0).shape },
]);

/** q with the scale and the zero point that were chosen for it. */
registerInference("DynamicQuantizeLinear", (context) => [
  { dtype: "uint8", shape: required(context, 0).shape },
  { dtype: "float32", shape: [] },
  { dtype: "uint8", shape: [] },
]);

/** Shapes as of Conv; the operands' types may differ. */
function convolved(context: InferContext, x: Value, w: Value, bias: Value | undefined, dtype: DataType) {
  const alike = (value: Value) => ({ ...value, dtype: x.dtype });
  const [type] = convolution({ ...context, inputs: [x, alike(w), bias && alike(bias)] });
  return [{ dtype, shape: type!.shape }];
}

/** x, w and their zero points. */
registerInference("ConvInteger", (context) =>
  convolved(context, required(context, 0), required(context, 1), undefined, "int32"),
);

/** x, w and y, each with scale and zero point, then the bias: x 0 to 2, w 3 to 5, y's scale 6, its zero point 7. */
registerInference("QLinearConv", (context) =>
  convolved(context, required(context, 0), required(context, 3), context.inputs[8], required(context, 7).dtype),
);

registerInference("MatMulInteger", (context) => [
  { dtype: "int32", shape: productShape(context, required(context, 0).shape, required(context, 1).shape) },
]);

/** a, b and y, each with scale and zero point. */
registerInference("QLinearMatMul", (context) => [
  {
    dtype: required(context, 7).dtype,
    shape: productShape(context, required(context, 0).shape, required(context, 3).shape),
  },
]);

/** ONNX Runtime's: a and b, each with scale and zero point, broadcast. */
for (const op of ["QLinearAdd", "QLinearMul"])
  registerInference(`com.microsoft:${op}`, (context) => {
    const [a, b] = [required(context, 0), required(context, 3)];
    return [{ dtype: a.dtype, shape: broadcastInputs(context, [a, b]) }];
  });

const alike: InferRule = (context) => {
  const { dtype, shape } = required(context, 0);
  return [{ dtype, shape }];
};
for (const op of ["QLinearSigmoid", "QLinearLeakyRelu"]) registerInference(`com.microsoft:${op}`, alike);

/** [N, C, ...] -> [N, C, 1, ...], or with channels_last [N, ..., C] -> [N, 1, ..., C]. */
registerInference("com.microsoft:QLinearGlobalAveragePool", (context) => {
  const x = required(context, 0);
  requireRankAtLeast(context, x, 3, "X");
  const channels = attributeInt(context.attributes, "channels_last", 0) ? x.shape.length - 1 : 1;
  return [{ dtype: x.dtype, shape: x.shape.map((size, axis) => (axis === 0 || axis === channels ? size : 1)) }];
});
