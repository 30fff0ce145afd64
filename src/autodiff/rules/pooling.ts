import { attributeInt, attributeInts, type Value, windowGeometry } from "../../graph/index.js";
import { type Attributes, elementCount, int, ints } from "../../onnx/types.js";
import { constantLike } from "../constantLike.js";
import { registerGradient } from "../registry.js";

/** MaxPool: y is the largest element of its window, so dy goes to that element: to the first where several are equal, as in PyTorch. */
registerGradient("MaxPool", ({ b, attributes, inputs, outputs, dy }) => {
  const x = inputs[0]!;
  if (!dy[0]) return [];
  return [b.abstract("MaxPoolGrad", [x, outputs[0], dy[0]], explicitWindow(attributes, x))[0]];
});

/** GlobalMaxPool: MaxPool with one window as large as the input. */
registerGradient("GlobalMaxPool", ({ b, inputs, outputs, dy }) => {
  const x = inputs[0]!;
  const window = explicitWindow({ kernel_shape: ints(x.shape.slice(2)) }, x);
  return [b.abstract("MaxPoolGrad", [x, outputs[0], dy[0]], window)[0]];
});

/** AveragePool: y is the mean of its window's elements, so each of them gets dy / (number of them). */
registerGradient("AveragePool", ({ b, attributes, inputs, dy }) => {
  const x = inputs[0]!;
  const included = int(attributeInt(attributes, "count_include_pad", 0));
  const window = { ...explicitWindow(attributes, x), count_include_pad: included, input_shape: ints(x.shape) };
  return [b.abstract("AveragePoolGrad", [dy[0]], window)[0]];
});

/** GlobalAveragePool: y = mean of x over all spatial axes, so each element of x gets dy / (number of them). */
registerGradient("GlobalAveragePool", ({ b, inputs, dy }) => {
  const { shape } = inputs[0]!;
  const share = b.times(dy[0]!, constantLike(b, 1 / elementCount(shape.slice(2)), dy[0]!));
  return [b.expand(share, shape)];
});

/** The window as the abstract operators take it, auto_pad resolved. */
function explicitWindow(attributes: Attributes, x: Value): Attributes {
  const kernelShape = attributeInts(attributes, "kernel_shape") ?? [];
  const { kernel, strides, pads, dilations } = windowGeometry(attributes, x.shape.slice(2), kernelShape);
  return {
    kernel_shape: ints(kernel),
    strides: ints(strides),
    pads: ints(pads),
    dilations: ints(dilations),
    ceil_mode: int(attributeInt(attributes, "ceil_mode", 0)),
  };
}
