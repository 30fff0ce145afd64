import { registerGradient } from "../registry.js";

/**
 * BatchNormTraining: y = scale (x - mean) / sqrt(variance + epsilon) + bias with the batch's own mean and variance. The derivation of dx through
 * both stands with the recipe for BatchNormGrad, which computes dx, dscale and dbias together.
 */
registerGradient("isonorm:BatchNormTraining", ({ b, inputs, outputs, dy, attributes }) => {
  const [x, scale] = inputs;
  const [, mean, variance] = outputs;
  return b.abstract("BatchNormGrad", [dy[0], x, scale, mean, variance], attributes);
});
