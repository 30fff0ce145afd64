import type { DataType, Tensor } from "../../onnx/types.js";
import {
  attributeDataType,
  attributeFloat,
  attributeFloats,
  attributeInt,
  attributeInts,
  attributeTensor,
} from "../attributes.js";
import type { TensorType } from "../value.js";
import { constantIntegers, required, requireRank, requireSameType, shapeError } from "./context.js";
import { type InferContext, type InferRule, registerInference } from "./registry.js";

/** The tensor that a Constant node holds, whichever attribute holds it. Throws for sparse and string values. */
export function constantTensor(context: InferContext): Tensor {
  const { attributes } = context;
  const tensor = attributeTensor(attributes, "value");
  if (tensor) return tensor;
  const float = attributeFloat(attributes, "value_float");
  if (float !== undefined) return { dtype: "float32", shape: [], data: Float32Array.of(float) };
  const floats = attributeFloats(attributes, "value_floats");
  if (floats) return { dtype: "float32", shape: [floats.length], data: Float32Array.from(floats) };
  const int = attributeInt(attributes, "value_int");
  if (int !== undefined) return { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(int)) };
  const ints = attributeInts(attributes, "value_ints");
  if (ints) return { dtype: "int64", shape: [ints.length], data: BigInt64Array.from(ints, BigInt) };
  throw shapeError(context, "has none of the values value, value_float, value_floats, value_int, value_ints");
}

registerInference("Constant", (context) => {
  const constant = constantTensor(context);
  return [{ dtype: constant.dtype, shape: constant.shape, constant }];
});

/** Every element is that of the one-element tensor `value`, by default the float 0. */
registerInference("ConstantOfShape", (context) => {
  const shape = constantIntegers(context, 0, "shape");
  if (!shape || shape.some((size) => size < 0)) throw shapeError(context, `[${shape?.join(", ") ?? ""}] is no shape`);
  return [{ dtype: attributeTensor(context.attributes, "value")?.dtype ?? "float32", shape }];
});

/** start, start + delta, ... before limit: max(0, ceil((limit - start) / delta)) numbers. */
registerInference("Range", (context) => {
  const start = required(context, 0);
  requireSameType(context, start, required(context, 1), required(context, 2));
  const [from, to, by] = ["start", "limit", "delta"].map((label, index) => {
    const numbers = constantIntegers(context, index, label);
    if (numbers?.length !== 1) throw shapeError(context, `${label} must be a scalar`);
    return numbers[0]!;
  });
  if (by === 0) throw shapeError(context, "delta is 0");
  return [{ dtype: start.dtype, shape: [Math.max(0, Math.ceil((to! - from!) / by!))] }];
});

registerInference("EyeLike", (context) => {
  const { dtype, shape } = required(context, 0);
  requireRank(context, required(context, 0), 2, "input");
  return [{ dtype: attributeDataType(context.attributes, "dtype", dtype), shape }];
});

/** Like the input, of the attribute's data type where it is given. */
const randomLike: InferRule = (context) => {
  const { dtype, shape } = required(context, 0);
  return [{ dtype: attributeDataType(context.attributes, "dtype", dtype), shape }];
};
for (const op of ["RandomUniformLike", "RandomNormalLike", "Bernoulli"]) registerInference(op, randomLike);

for (const op of ["RandomUniform", "RandomNormal"])
  registerInference(op, (context): readonly TensorType[] => {
    const shape = attributeInts(context.attributes, "shape");
    if (!shape || shape.some((size) => size < 0)) throw shapeError(context, "attribute shape is required");
    const dtype: DataType = attributeDataType(context.attributes, "dtype", "float32");
    return [{ dtype, shape }];
  });
