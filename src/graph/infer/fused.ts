import { required, requireFloat, requireSameType, requireVector } from "./context.js";
import { type InferRule, registerInference } from "./registry.js";

/** ONNX Runtime's own activations (domain com.microsoft): the result is like X; a bias runs along X's last axis. */
const activation: InferRule = (context) => {
  const x = required(context, 0);
  requireFloat(context, x);
  requireSameType(context, x, context.inputs[1]);
  requireVector(context, context.inputs[1], x.shape.at(-1) ?? 1, "bias");
  return [{ dtype: x.dtype, shape: x.shape }];
};

for (const op of ["Gelu", "FastGelu", "QuickGelu"]) registerInference(`com.microsoft:${op}`, activation);

registerInference("com.microsoft:BiasGelu", (context) => {
  required(context, 1);
  return activation(context);
});
