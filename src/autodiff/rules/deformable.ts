import { attributeInt, type Value, windowGeometry } from "../../graph/index.js";
import { elementCount, int } from "../../onnx/types.js";
import { throughComposition } from "../differentiate.js";
import { type GradientContext, registerGradient } from "../registry.js";

/**
 * DeformConv (Dai et al. 2017, arXiv 1703.06211; with a mask Zhu et al. 2018, 1811.11168): a convolution whose K taps read X at o * stride - pad + tap * dilation + offset,
 * between pixels linearly and 0 outside, each reading times its mask:
 *
 *   y[n, m, o] = sum over c, k of w[m, c, k] mask[n, k, o] x[n, c, position(k, o) + offset[n, k, o]]
 *
 * X [N, C, H, W], W [M, C / group, kh, kw], offset [N, 2 K offset_group, oh, ow] with a row's shift before a column's, mask [N, K offset_group, oh, ow]. As GridSample, whose
 * positions run from -1 to 1 over the image's width (pixel p is at (2 p + 1) / width - 1), and one matrix product.
 */
function convolved({ b, attributes, inputs: [x, w, offset, bias, mask] }: GradientContext): Value {
  const [images, channels, height, width] = x!.shape as [number, number, number, number];
  const [maps, depth, ...kernel] = w!.shape as [number, number, number, number];
  const [rows, columns] = offset!.shape.slice(2) as [number, number];
  const group = attributeInt(attributes, "group", 1);
  const groups = attributeInt(attributes, "offset_group", 1);
  const taps = elementCount(kernel);
  const { strides, dilations, pads } = windowGeometry(attributes, [height, width], kernel);

  const shifts = b.reshape(offset!, [images * groups, taps, 2, rows, columns]);
  /** Positions along one axis, from -1 to 1: [N groups, K, oh, ow, 1]. */
  const along = (axis: 0 | 1, size: number): Value => {
    const start = Float32Array.from({ length: taps * rows * columns }, (_, index) => {
      const tap = Math.floor(index / (rows * columns));
      const o = axis === 0 ? Math.floor(index / columns) % rows : index % columns;
      const step = axis === 0 ? Math.floor(tap / kernel[1]!) : tap % kernel[1]!;
      return o * strides[axis]! - pads[axis]! + step * dilations[axis]!;
    });
    const shift = b.op("Gather", [shifts, b.int64([axis])], { axis: int(2) });
    const pixel = b.plus(
      b.reshape(shift, [images * groups, taps, rows, columns]),
      b.constant({ dtype: "float32", shape: [taps, rows, columns], data: start }),
    );
    const position = b.minus(b.times(pixel, b.scalar(2 / size)), b.scalar(1 - 1 / size));
    return b.reshape(position, [images * groups, taps * rows, columns, 1]);
  };
  const grid = b.op("Concat", [along(1, width), along(0, height)], { axis: int(3) });
  const read = b.op("GridSample", [b.reshape(x!, [images * groups, channels / groups, height, width]), grid]);
  const taken = mask ? b.times(read, b.reshape(mask, [images * groups, 1, taps * rows, columns])) : read;
  const patches = b.reshape(taken, [images, group, depth * taps, rows * columns]);
  const product = b.matMul(b.reshape(w!, [group, maps / group, depth * taps]), patches);
  const y = b.reshape(product, [images, maps, rows, columns]);
  return bias ? b.plus(y, b.reshape(bias, [maps, 1, 1])) : y;
}

registerGradient("DeformConv", (context) => {
  const { b, inputs, dy } = context;
  const wanted = inputs.flatMap((input, index) => (input && context.wants(index) ? [{ input, index }] : []));
  const of = wanted.map(({ input }) => input);
  const gradients = throughComposition(b, () => [convolved(context)], dy, of);
  return inputs.map((_, index) => gradients[wanted.findIndex((each) => each.index === index)]);
});
