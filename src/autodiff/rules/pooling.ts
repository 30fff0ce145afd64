import { attributeInt, attributeInts, type GraphBuilder, type Value, windowGeometry } from "../../graph/index.js";
import { type Attributes, elementCount, int, ints } from "../../onnx/types.js";
import { constantLike } from "../constantLike.js";
import { registerGradient } from "../registry.js";
import { isZero, nonZero } from "./comparison.js";

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

/**
 * LpPool: y = (sum |x_i|^p)^(1/p) over its window, so dy/dx_i = sign(x_i) |x_i|^(p-1) y^(1-p), 0 where y = 0. The sum over the windows that hold
 * x_i is that of dy y^(1-p): AveragePool's gradient times the number of elements in a window.
 *
 * To count the same number for every window, the padding at the end reaches as far as the last window does.
 */
registerGradient("LpPool", ({ b, attributes, inputs: [x], outputs: [y], dy: [dy] }) => {
  const p = attributeInt(attributes, "p", 2);
  const window = explicitWindow(attributes, x!);
  const [kernel, strides, dilations, pads] = ["kernel_shape", "strides", "dilations", "pads"].map(
    (name) => attributeInts(window, name)!,
  ) as [readonly number[], readonly number[], readonly number[], readonly number[]];
  const rank = kernel.length;
  const reached = kernel.map((size, axis) => {
    const last = (y!.shape[axis + 2]! - 1) * strides[axis]! + (size - 1) * dilations[axis]! + 1;
    return Math.max(pads[axis + rank]!, last - x!.shape[axis + 2]! - pads[axis]!);
  });
  const shares = b.abstract("AveragePoolGrad", [b.times(dy!, powerOfNorm(b, y!, p))], {
    ...window,
    pads: ints([...pads.slice(0, rank), ...reached]),
    ceil_mode: int(0),
    count_include_pad: int(1),
    input_shape: ints(x!.shape),
  })[0]!;
  return [b.times(b.times(shares, constantLike(b, elementCount(kernel), shares)), signedPower(b, x!, p))];
});

/** GlobalLpPool: LpPool with one window as large as the input. */
registerGradient("GlobalLpPool", ({ b, attributes, inputs: [x], outputs: [y], dy: [dy] }) => {
  const p = attributeInt(attributes, "p", 2);
  return [b.times(b.times(dy!, powerOfNorm(b, y!, p)), signedPower(b, x!, p))];
});

/** y^(1-p), with 0 kept 0. */
function powerOfNorm(b: GraphBuilder, y: Value, p: number): Value {
  if (p === 1) return constantLike(b, 1, y);
  const power = b.op("Pow", [nonZero(b, y), constantLike(b, 1 - p, y)]);
  return b.where(isZero(b, y), constantLike(b, 0, y), power);
}

/** sign(x) |x|^(p-1) */
function signedPower(b: GraphBuilder, x: Value, p: number): Value {
  if (p === 2) return x;
  const sign = b.op("Sign", [x]);
  return p === 1 ? sign : b.times(sign, b.op("Pow", [b.op("Abs", [x]), constantLike(b, p - 1, x)]));
}

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
