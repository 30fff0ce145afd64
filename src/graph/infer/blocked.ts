import { attributeInt } from "../attributes.js";
import { required, requireSameType, shapeError } from "./context.js";
import { convolution } from "./convolution.js";
import { type InferRule, infer, registerInference } from "./registry.js";

/**
 * ONNX Runtime's operators on blocks of channels (domain com.microsoft.nchwc). Their values have the shape [N, P, H, W] with P a whole number of blocks, whatever the
 * order of their elements.
 */
const domain = "com.microsoft.nchwc";

/** ReorderInput(x [N, P, H, W], or [N, H, W, P] with channels_last) -> [N, P, H, W] in blocks; here P is a whole number of blocks already. */
registerInference(`${domain}:ReorderInput`, (context) => {
  const { dtype, shape } = requireImages(context);
  const [images, ...rest] = shape as [number, number, number, number];
  const last = attributeInt(context.attributes, "channels_last", 0) !== 0;
  return [{ dtype, shape: last ? [images, rest[2], rest[0], rest[1]] : shape }];
});

/** ReorderOutput(x [N, P, H, W]; channels) -> [N, channels, H, W] */
registerInference(`${domain}:ReorderOutput`, (context) => {
  const { dtype, shape } = requireImages(context);
  const channels = attributeInt(context.attributes, "channels", 0);
  if (channels < 1 || channels > shape[1]!) throw shapeError(context, `it has ${shape[1]} channels, not ${channels}`);
  return [{ dtype, shape: shape.with(1, channels) }];
});

/** Conv(x, w, bias, added): `added`, of the result's shape, is added before the activation. */
registerInference(`${domain}:Conv`, (context) => {
  requireImages(context);
  const types = convolution(context);
  const added = context.inputs[3];
  requireSameType(context, context.inputs[0], added);
  if (added && added.shape.join() !== types[0]!.shape.join())
    throw shapeError(context, `the fourth input must have the output's shape [${types[0]!.shape.join(", ")}]`);
  return types;
});

for (const op of ["MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"])
  registerInference(`${domain}:${op}`, (context) => {
    requireImages(context);
    return infer({ ...context, node: { ...context.node, domain: "" }, opset: 21 });
  });

function requireImages(context: Parameters<InferRule>[0]) {
  const x = required(context, 0);
  if (x.shape.length !== 4 || x.dtype !== "float32")
    throw shapeError(context, `it takes float32 images, not ${x.dtype} [${x.shape.join(", ")}]`);
  return x;
}
