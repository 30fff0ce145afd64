import { attributeInts, type GraphBuilder, type Value } from "../../graph/index.js";
import { int, ints } from "../../onnx/types.js";
import type { RecipeContext } from "../recipe.js";
import { all, type ConvolutionShape, convolutionShape, padSpatial, product } from "../shared/convolution.js";

/**
 * dx[n, c, i] = sum over k, o and t with o s + t d - p = i of dy[n, k, o] w[k, c, t], as one convolution with stride 1 of dy with w flipped and its channels
 * exchanged. With stride s there are s - 1 zeros after each element of dy first.
 *
 * With o s = i + p - t d, and v = k - 1 - t for t, element i reads dy at i + v d - (d (k - 1) - p): the padding is d (k - 1) - p.
 *
 * dy: [N, K, ...output], w: [K, C / group, ...kernel]; returns [N, C, ...input]
 */
export function convInputGrad({ b, inputs, attributes }: RecipeContext): readonly Value[] {
  const [dy, w] = inputs as [Value, Value];
  const shape = convolutionShape(attributes, attributeInts(attributes, "input_shape") ?? [], dy.shape);
  const { group, input, kernel, dilations, padsBegin } = shape;
  const apart = spread(b, dy, shape);
  const begin = kernel.map((size, axis) => dilations[axis]! * (size - 1) - padsBegin[axis]!);
  const end = input.map((size, axis) => size - apart.shape[axis + 2]! + padsBegin[axis]!);
  const cut = (pads: readonly number[]) => pads.map((pad) => Math.min(0, pad));
  const kept = (pads: readonly number[]) => pads.map((pad) => Math.max(0, pad));
  const source = padSpatial(b, apart, cut(begin), cut(end));
  return [
    b.op("Conv", [source, flipAndExchange(b, w, shape)], {
      kernel_shape: ints(kernel),
      group: int(group),
      dilations: ints(dilations),
      pads: ints([...kept(begin), ...kept(end)]),
    }),
  ];
}

/** dy with strides - 1 zeros after each element on every spatial axis; [N, K, ...output strides]. */
function spread(b: GraphBuilder, dy: Value, { images, maps, output, strides }: ConvolutionShape): Value {
  if (all(strides, 1)) return dy;
  const axes = output.flatMap((size) => [size, 1]);
  const none = [0, 0, ...axes.map(() => 0)];
  const after = [0, 0, ...strides.flatMap((stride) => [0, stride - 1])];
  const padded = b.op("Pad", [b.reshape(dy, [images, maps, ...axes]), b.int64([...none, ...after])]);
  return b.reshape(padded, [images, maps, ...output.map((size, axis) => size * strides[axis]!)]);
}

/**
 * w [K, C / group, ...kernel] as [C, K / group, ...kernel] with every kernel reversed on all its axes. The reversal is a product with the exchange
 * matrix, exact for finite weights.
 */
function flipAndExchange(b: GraphBuilder, w: Value, { channels, maps, group, kernel }: ConvolutionShape): Value {
  const size = product(kernel);
  const [inChannels, outMaps] = [channels / group, maps / group];
  const reversed = size === 1 ? w : b.matMul(b.reshape(w, [maps * inChannels, size]), exchangeMatrix(b, size));
  const exchanged = b.transpose(b.reshape(reversed, [group, outMaps, inChannels, size]), [0, 2, 1, 3]);
  return b.reshape(exchanged, [channels, outMaps, ...kernel]);
}

function exchangeMatrix(b: GraphBuilder, size: number): Value {
  const data = new Float32Array(size * size);
  for (let row = 0; row < size; row++) data[row * size + size - 1 - row] = 1;
  return b.constant({ dtype: "float32", shape: [size, size], data }, "exchangeMatrix");
}
