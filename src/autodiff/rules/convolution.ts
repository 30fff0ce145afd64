import { attributeInt, transposedWindowGeometry, type WindowGeometry, windowGeometry } from "../../graph/index.js";
import { type Attributes, int, ints } from "../../onnx/types.js";
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
  const window = explicit(attributes, windowGeometry(attributes, x!.shape.slice(2), w!.shape.slice(2)));
  return [
    wants(0) ? b.abstract("ConvInputGrad", [gradient, w], { ...window, input_shape: ints(x!.shape) })[0] : undefined,
    wants(1) ? b.abstract("ConvWeightGrad", [x, gradient], window)[0] : undefined,
    wants(2) ? b.abstract("ChannelSum", [gradient])[0] : undefined,
  ];
});

/**
 * ConvTranspose: y[n, k, i] = sum over c and (o, t) with o s + t d - p = i of x[n, c, o] w[c, k, t] + bias[k], the transpose of the convolution with the
 * same w that takes y's space to x's. So dx is that convolution of dy, and dw its weight gradient with the roles exchanged: dy is what the
 * windows read, x what they are weighted with.
 */
registerGradient("ConvTranspose", ({ b, attributes, inputs, dy, wants }) => {
  const [x, w] = inputs;
  const gradient = dy[0]!;
  const window = explicit(attributes, transposedWindowGeometry(attributes, x!.shape.slice(2), w!.shape.slice(2)));
  return [
    wants(0) ? b.op("Conv", [gradient, w], window) : undefined,
    wants(1) ? b.abstract("ConvWeightGrad", [gradient, x], window)[0] : undefined,
    wants(2) ? b.abstract("ChannelSum", [gradient])[0] : undefined,
  ];
});

/** The window as the abstract operators take it, auto_pad resolved. */
function explicit(attributes: Attributes, { kernel, strides, pads, dilations }: WindowGeometry): Attributes {
  return {
    kernel_shape: ints(kernel),
    strides: ints(strides),
    pads: ints(pads),
    dilations: ints(dilations),
    group: int(attributeInt(attributes, "group", 1)),
  };
}
