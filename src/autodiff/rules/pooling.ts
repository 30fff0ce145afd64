import { elementCount } from "../../onnx/types.js";
import { registerGradient } from "../registry.js";

/** GlobalAveragePool: y = mean of x over all spatial axes, so each element of x gets dy / (number of them). */
registerGradient("GlobalAveragePool", ({ b, inputs, dy }) => {
  const { shape } = inputs[0]!;
  const share = b.times(dy[0]!, b.scalar(1 / elementCount(shape.slice(2))));
  return [b.expand(share, shape)];
});
