import type { DataType } from "../../onnx/types.js";
import { attributeDataType, attributeInt } from "../attributes.js";
import type { TensorType } from "../value.js";
import { broadcastInputs, requireBroadcastInto } from "./broadcast.js";
import { frontAxis, isFloat, required, requireFloat, requireSameType, shapeError } from "./context.js";
import { type InferContext, type InferRule, registerInference } from "./registry.js";

/** One input of any type, output alike. */
const alike: InferRule = (context) => {
  const { dtype, shape } = required(context, 0);
  return [{ dtype, shape }];
};

/** One floating-point input, output alike. */
const floatAlike: InferRule = (context) => {
  requireFloat(context, required(context, 0));
  return alike(context);
};

for (const op of ["Neg", "Abs", "Sign", "Relu", "Identity"]) registerInference(op, alike);
for (const op of ["Sqrt", "Reciprocal", "Exp", "Log", "Sigmoid", "Tanh", "Erf", "Floor", "Ceil", "Round"])
  registerInference(op, floatAlike);
for (const op of ["Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh"])
  registerInference(op, floatAlike);
for (const op of ["LeakyRelu", "ThresholdedRelu", "Elu", "Selu", "Celu", "Gelu", "Mish", "Swish"])
  registerInference(op, floatAlike);
for (const op of ["HardSigmoid", "HardSwish", "Softplus", "Softsign", "Shrink"]) registerInference(op, floatAlike);

registerInference("Not", (context) => {
  requireType(context, "bool", 0);
  return alike(context);
});

registerInference("BitwiseNot", (context) => {
  requireInteger(context, 0);
  return alike(context);
});

for (const op of ["IsNaN", "IsInf"])
  registerInference(op, (context) => {
    const x = required(context, 0);
    requireFloat(context, x);
    return [{ dtype: "bool", shape: x.shape }];
  });

/** Operators along one axis; the default axis was 1 before opset 13 and -1 since. */
for (const op of ["Softmax", "LogSoftmax", "Hardmax"])
  registerInference(op, (context) => {
    const x = required(context, 0);
    requireFloat(context, x);
    // Before opset 13 the axis splits the shape in two and may equal the rank.
    const inclusive = context.opset < 13;
    frontAxis(context, attributeInt(context.attributes, "axis", inclusive ? 1 : -1), x.shape.length, inclusive);
    return alike(context);
  });

/** Slope broadcasts into X. */
registerInference("PRelu", (context) => {
  const x = required(context, 0);
  const slope = required(context, 1);
  requireSameType(context, x, slope);
  requireBroadcastInto(context, slope, x.shape, "slope");
  return alike(context);
});

/** The bounds are attributes before opset 11, scalar inputs since. */
registerInference("Clip", (context) => {
  const x = required(context, 0);
  const [, minimum, maximum] = context.inputs;
  requireSameType(context, x, minimum, maximum);
  for (const bound of [minimum, maximum])
    if (bound && bound.shape.length !== 0 && !(bound.shape.length === 1 && bound.shape[0] === 1))
      throw shapeError(context, `a bound must be a scalar, not [${bound.shape.join(", ")}]`);
  return alike(context);
});

/** Both inputs of one type and broadcast; `result` is the output's type, by default the inputs'. */
const binary =
  (result?: DataType): InferRule =>
  (context) => {
    const a = required(context, 0);
    const b = required(context, 1);
    requireSameType(context, a, b);
    return [{ dtype: result ?? a.dtype, shape: broadcastInputs(context, [a, b]) }];
  };

for (const op of ["Add", "Sub", "Mul", "Div", "Mod"]) registerInference(op, binary());
for (const op of ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]) registerInference(op, binary("bool"));
for (const op of ["And", "Or", "Xor"])
  registerInference(op, (context) => {
    requireType(context, "bool", 0);
    return binary("bool")(context);
  });
for (const op of ["BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"])
  registerInference(op, (context) => {
    requireInteger(context, 0);
    return binary()(context);
  });

/** The exponent may have a type of its own; the result has the base's. */
registerInference("Pow", (context) => {
  const base = required(context, 0);
  return [{ dtype: base.dtype, shape: broadcastInputs(context, [base, required(context, 1)]) }];
});

for (const op of ["Min", "Max", "Sum", "Mean"])
  registerInference(op, (context) => {
    const values = context.inputs.map((_, index) => required(context, index));
    const { dtype } = required(context, 0);
    requireSameType(context, ...values);
    return [{ dtype, shape: broadcastInputs(context, values) }];
  });

registerInference("Where", (context) => {
  requireType(context, "bool", 0);
  const condition = required(context, 0);
  const a = required(context, 1);
  const b = required(context, 2);
  requireSameType(context, a, b);
  return [{ dtype: a.dtype, shape: broadcastInputs(context, [condition, a, b]) }];
});

registerInference("Cast", (context) => {
  const dtype = attributeDataType(context.attributes, "to");
  if (!dtype) throw shapeError(context, "attribute to is required");
  return [{ dtype, shape: required(context, 0).shape }];
});

registerInference("CastLike", (context) => [{ dtype: required(context, 1).dtype, shape: required(context, 0).shape }]);

/** The axis along which a running sum or product is taken is a scalar input, which need not be constant. */
for (const op of ["CumSum", "CumProd"])
  registerInference(op, (context): readonly TensorType[] => {
    const axis = required(context, 1);
    if (axis.shape.length > 1 || (axis.shape[0] ?? 1) !== 1)
      throw shapeError(context, `axis must be a scalar, not [${axis.shape.join(", ")}]`);
    return alike(context);
  });

function requireType(context: InferContext, dtype: DataType, index: number): void {
  const value = required(context, index);
  if (value.dtype !== dtype) throw shapeError(context, `input ${index} must be ${dtype}, not ${value.dtype}`);
}

function requireInteger(context: InferContext, index: number): void {
  const { dtype } = required(context, index);
  if (isFloat(dtype) || dtype === "bool" || dtype === "string")
    throw shapeError(context, `takes integer tensors, not ${dtype}`);
}
