import { attributeInts, type GraphBuilder, type Value } from "../../graph/index.js";
import { elementCount, int } from "../../onnx/types.js";
import { zerosLike } from "../constantLike.js";
import { type GradientRule, registerGradient } from "../registry.js";
import { requireConstant } from "./operands.js";

/**
 * Col2Im adds up blocks in an image (PyTorch's fold): y[n, c, s] = sum of x[n, (c, k), l] over the places k of a block and the blocks l with s(k, l) = s, where
 *
 *   s(k, l) = stride l + dilation k - padding, along each axis.
 *
 * So dx[n, (c, k), l] = dy[n, c, s(k, l)], and 0 where s lies in the padding: a Gather, from dy with one 0 more for those.
 */
const Col2Im: GradientRule = ({ b, node, attributes, inputs, dy: [dy] }) => {
  const [x, image, block] = inputs as [Value, Value, Value];
  const sizes = requireConstant(node, "image_shape", image);
  const kernel = requireConstant(node, "block_shape", block);
  const rank = sizes.length;
  const each = (name: string) => attributeInts(attributes, name) ?? sizes.map(() => 1);
  const [dilations, strides] = [each("dilations"), each("strides")];
  const pads = attributeInts(attributes, "pads") ?? [...sizes, ...sizes].map(() => 0);
  const blocks = sizes.map((size, axis) => {
    const extent = dilations[axis]! * (kernel[axis]! - 1) + 1;
    return Math.floor((size + pads[axis]! + pads[rank + axis]! - extent) / strides[axis]!) + 1;
  });
  const outside = elementCount(sizes);
  const place = (k: readonly number[], l: readonly number[]): number => {
    const along = sizes.map((_, axis) => strides[axis]! * l[axis]! + dilations[axis]! * k[axis]! - pads[axis]!);
    const inside = along.every((position, axis) => position >= 0 && position < sizes[axis]!);
    return inside ? along.reduce((flat, position, axis) => flat * sizes[axis]! + position, 0) : outside;
  };
  const [ks, ls] = [everyIndex(kernel), everyIndex(blocks)];
  const [images, channels] = dy!.shape as readonly [number, number];
  return [
    b.reshape(
      readPlaces(
        b,
        dy!,
        [images, channels, outside],
        ks.flatMap((k) => ls.map((l) => place(k, l))),
      ),
      x.shape,
    ),
  ];
};

/** Values of rows [..., size] at those places, 0 at place `size`. */
function readPlaces(
  b: GraphBuilder,
  values: Value,
  rows: readonly [number, number, number],
  places: readonly number[],
): Value {
  const flat = b.reshape(values, rows);
  const extended = b.op("Concat", [flat, zerosLike(b, [rows[0], rows[1], 1], values)], { axis: int(2) });
  return b.op("Gather", [extended, b.int64(places)], { axis: int(2) });
}

/** All indices of an array of those sizes, the last axis fastest. */
function everyIndex(sizes: readonly number[]): readonly (readonly number[])[] {
  return sizes.reduce<readonly (readonly number[])[]>(
    (before, size) => before.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );
}

registerGradient("Col2Im", Col2Im);
