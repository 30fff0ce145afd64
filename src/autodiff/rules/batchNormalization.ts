import { attributeFloat, attributeInt, type GraphBuilder, type Value } from "../../graph/index.js";
import { elementCount, float } from "../../onnx/types.js";
import { constantLike } from "../constantLike.js";
import { registerGradient } from "../registry.js";
import { unsupported } from "./operands.js";

/**
 * BatchNormTraining: y = scale (x - mean) / sqrt(variance + epsilon) + bias with the batch's own mean and variance. The derivation of dx through
 * both stands with the recipe for BatchNormGrad, which computes dx, dscale and dbias together.
 *
 * mean and variance are outputs too. With m elements a channel, dmean/dx = 1 / m and dvariance/dx = 2 (x - mean) / m.
 */
registerGradient("isonorm:BatchNormTraining", ({ b, inputs, outputs, dy, attributes }) => {
  const [x, scale] = inputs as [Value, Value];
  const [, mean, variance] = outputs as [Value, Value, Value];
  const [dyOfY, dyOfMean, dyOfVariance] = dy;
  const fromY = dyOfY ? b.abstract("BatchNormGrad", [dyOfY, x, scale, mean, variance], attributes) : [];
  const count = elementCount(x.shape) / x.shape[1]!;
  const terms = [
    fromY[0],
    dyOfMean && b.expand(perChannel(b, b.times(dyOfMean, constantLike(b, 1 / count, x)), x), x.shape),
    dyOfVariance &&
      b.times(
        b.minus(x, perChannel(b, mean, x)),
        perChannel(b, b.times(dyOfVariance, constantLike(b, 2 / count, x)), x),
      ),
  ].filter((term) => term !== undefined);
  return [terms.reduce((sum, term) => b.plus(sum, term)), fromY[1], fromY[2]];
});

/**
 * BatchNormalization. With training_mode its y is that of BatchNormTraining; the running statistics it also gives are for serving only.
 * Without, the statistics are inputs, and y = scale (x - mean) i + bias with i = 1 / sqrt(variance + epsilon) is affine in x:
 *
 *   dx = dy scale i     dscale = i sum dy (x - mean)     dbias = sum dy
 *   dmean = -scale i sum dy     dvariance = -scale i^2 dscale / 2
 */
registerGradient("BatchNormalization", ({ b, node, opset, attributes, inputs, dy, wants }) => {
  const [x, scale, bias, mean, variance] = inputs as [Value, Value, Value, Value, Value];
  if (!dy[0] || dy.slice(1).some((gradient) => gradient !== undefined))
    throw unsupported(
      node,
      "the loss depends on its running statistics",
      "Let the loss depend on its first output only",
    );
  const epsilon = attributeFloat(attributes, "epsilon", 1e-5);
  const training = opset >= 14 ? attributeInt(attributes, "training_mode", 0) !== 0 : node.outputs.length > 1;
  if (training) {
    const settings = { epsilon: float(epsilon) };
    const [, ofBatch, spread] = b.abstract("BatchNormTraining", [x, scale, bias], settings);
    return b.abstract("BatchNormGrad", [dy[0], x, scale, ofBatch, spread], settings);
  }
  const inverse = b.op("Reciprocal", [b.sqrt(b.plus(variance, constantLike(b, epsilon, variance)))]);
  const gain = b.times(scale, inverse);
  const dbias = b.abstract("ChannelSum", [dy[0]])[0]!;
  const centred = b.minus(x, perChannel(b, mean, x));
  const dscale =
    wants(1) || wants(4) ? b.times(inverse, b.abstract("ChannelSum", [b.times(dy[0], centred)])[0]!) : undefined;
  return [
    wants(0) ? b.times(dy[0], perChannel(b, gain, x)) : undefined,
    dscale,
    dbias,
    wants(3) ? b.negative(b.times(gain, dbias)) : undefined,
    wants(4) ? b.times(b.times(b.times(gain, inverse), dscale!), constantLike(b, -0.5, variance)) : undefined,
  ];
});

/** A vector [C] in the shape in which it broadcasts over x [N, C, ...]. */
function perChannel(b: GraphBuilder, vector: Value, x: Value): Value {
  return b.reshape(vector, [x.shape[1]!, ...x.shape.slice(2).map(() => 1)]);
}
