import { attributeInt, windowGeometry } from "../../graph/index.js";
import { int, ints } from "../../onnx/types.js";
import { registerGradient } from "../registry.js";

/**
 * Conv: y[n, k, o] = sum over c, t of w[k, c, t] x[n, c, o s + t d - p] + bias[k]. Linear in each operand, so with dy = dL/dy
 *
 *   dw[k, c, t]    = sum over n, o of dy[n, k, o] x[n, c, o s + t d - p]
 *   dx[n, c, i]    = sum over k and (o, t) with o s + t d - p = i of dy[n, k, o] w[k, c, t]
 *   dbias[k]       = sum over n, o of dy[n, k, o]
 */
registerGradient("Conv", ({ b, attributes, inputs, dy, wants }) => {
  const [x, w] = inputs;
  const gradient = dy[0]!;
  const { kernel, strides, dilations, pads } = windowGeometry(attributes, x!.shape.slice(2), w!.shape.slice(2));
  const window = {
    kernel_shape: ints(kernel),
    strides: ints(strides),
    pads: ints(pads),
    dilations: ints(dilations),
    group: int(attributeInt(attributes, "group", 1)),
  };
  return [
    wants(0) ? b.abstract("ConvInputGrad", [gradient, w], { ...window, input_shape: ints(x!.shape) })[0] : undefined,
    wants(1) ? b.abstract("ConvWeightGrad", [x, gradient], window)[0] : undefined,
    wants(2) ? b.abstract("ChannelSum", [gradient])[0] : undefined,
  ];
});
