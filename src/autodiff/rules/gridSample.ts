import { attributeInt, attributeString, type GraphBuilder, type Value } from "../../graph/index.js";
import { elementCount, int } from "../../onnx/types.js";
import { constantLike } from "../constantLike.js";
import { throughComposition } from "../differentiate.js";
import { type GradientContext, registerGradient } from "../registry.js";

// GridSample reads an image at positions that are themselves computed (spatial transformers, deformable attention). As arithmetic: along each axis, a position p
// names pixels i and their weights; a point's value is the sum over all combinations of pixels of the product of their weights and the pixel.
//
//   linear   p between i and i + 1, f = p - floor(p):  1 - f and f
//   cubic    pixels floor(p) - 1 to floor(p) + 2 with Keys' kernel, a = -0.75
//   nearest  the pixel that p rounds to, half to even, with weight 1: no gradient for the grid
//
// Padding is what a pixel outside the image counts as: nothing (zeros), the pixel at the border, or its mirror image (reflection); so ONNX Runtime does
// it, pixel by pixel. The gradients follow from those of products, sums and Gather; pixel numbers are integers and carry none.

/** A pixel along one axis, for each point [images, points]: its weight, and its number as a float, within the image. */
interface Tap {
  readonly weight: Value | undefined;
  readonly pixel: Value;
}

/** The value that a composition of products and a Gather gives for X [N, C, d1, ...] and grid [N, o1, ..., axes]: [N, C, o1, ...]. */
function sampled({ b, attributes }: GradientContext, x: Value, grid: Value): Value {
  const [images, channels, ...sizes] = x.shape as readonly [number, number, ...number[]];
  const points = grid.shape.slice(1, -1);
  const count = elementCount(points);
  const rank = sizes.length;
  const flat = b.reshape(grid, [images, count, rank]);
  const number = (value: number) => constantLike(b, value, x);
  // The grid's last axis names the image's last axis first.
  const axes = sizes.map((size, axis) => {
    const along = b.reshape(b.op("Gather", [flat, b.int64([rank - 1 - axis])], { axis: int(2) }), [images, count]);
    return tapsAlong(b, position(b, along, size, attributes), size, attributes);
  });

  let combined: { weight: Value | undefined; pixel: Value }[] = [{ weight: undefined, pixel: number(0) }];
  axes.forEach((taps, axis) => {
    const stride = number(elementCount(sizes.slice(axis + 1)));
    combined = combined.flatMap((before) =>
      taps.map(({ weight, pixel }) => ({
        weight: before.weight && weight ? b.times(before.weight, weight) : (before.weight ?? weight),
        pixel: b.plus(before.pixel, b.times(pixel, stride)),
      })),
    );
  });

  const stacked = (values: readonly Value[]) =>
    b.op(
      "Concat",
      values.map((value) => b.reshape(value, [images, count, 1])),
      { axis: int(2) },
    );
  const starts = b.int64(Array.from({ length: images }, (_, image) => image * elementCount(sizes)));
  const rows = b.plus(b.cast(stacked(combined.map(({ pixel }) => pixel)), "int64"), b.reshape(starts, [images, 1, 1]));
  const channelsLast = b.transpose(b.reshape(x, [images, channels, elementCount(sizes)]), [0, 2, 1]);
  const read = b.op("Gather", [b.reshape(channelsLast, [images * elementCount(sizes), channels]), rows]);
  const weights = combined.flatMap(({ weight }) => weight ?? []);
  const weighted = weights.length === 0 ? read : b.times(read, b.reshape(stacked(weights), [...rows.shape, 1]));
  return b.reshape(b.transpose(b.sum(weighted, [2], false), [0, 2, 1]), [images, channels, ...points]);
}

/** From -1 ... 1 to pixels: from the middles of the outer pixels with align_corners, else from their edges. */
function position(b: GraphBuilder, along: Value, size: number, attributes: GradientContext["attributes"]): Value {
  const number = (value: number) => constantLike(b, value, along);
  const extent = attributeInt(attributes, "align_corners", 0) ? size - 1 : size;
  return b.plus(b.times(along, number(extent / 2)), number((size - 1) / 2));
}

function tapsAlong(b: GraphBuilder, p: Value, size: number, attributes: GradientContext["attributes"]): readonly Tap[] {
  const number = (value: number) => constantLike(b, value, p);
  const padding = attributeString(attributes, "padding_mode", "zeros");
  const inside = (pixel: Value, weight: Value | undefined): Tap => {
    const clipped = b.op("Clip", [pixel, number(0), number(size - 1)]);
    if (padding === "border") return { pixel: clipped, weight };
    if (padding === "reflection") return { pixel: mirrored(b, pixel, size, attributes), weight };
    const within = b.cast(b.op("Equal", [pixel, clipped]), p.dtype);
    return { pixel: clipped, weight: weight ? b.times(weight, within) : within };
  };
  const mode = attributeString(attributes, "mode", "linear").replace(/^bi/, "");
  if (mode === "nearest") return [inside(b.op("Round", [p]), undefined)];
  const first = b.op("Floor", [p]);
  const f = b.minus(p, first);
  const one = number(1);
  if (mode === "linear") return [inside(first, b.minus(one, f)), inside(b.plus(first, one), f)];
  const distances = [b.plus(one, f), f, b.minus(one, f), b.minus(number(2), f)];
  return distances.map((distance, index) =>
    inside(b.plus(first, number(index - 1)), index % 3 === 0 ? outerKeys(b, distance) : innerKeys(b, distance)),
  );
}

/** Coefficient of Keys' kernel. */
const a = -0.75;

/** Keys' kernel up to distance 1: ((a + 2) t - (a + 3)) t^2 + 1 */
function innerKeys(b: GraphBuilder, t: Value): Value {
  const number = (value: number) => constantLike(b, value, t);
  return b.plus(b.times(b.minus(b.times(number(a + 2), t), number(a + 3)), b.square(t)), number(1));
}

/** From 1 to 2: ((a t - 5 a) t + 8 a) t - 4 a */
function outerKeys(b: GraphBuilder, t: Value): Value {
  const number = (value: number) => constantLike(b, value, t);
  const quadratic = b.plus(b.times(b.minus(b.times(number(a), t), number(5 * a)), t), number(8 * a));
  return b.minus(b.times(quadratic, t), number(4 * a));
}

/** A pixel outside the image reflected at its border, as often as it takes: at the outer pixels' middles with align_corners, else at their edges. */
function mirrored(b: GraphBuilder, pixel: Value, size: number, attributes: GradientContext["attributes"]): Value {
  const number = (value: number) => constantLike(b, value, pixel);
  if (size === 1) return b.times(pixel, number(0));
  const [low, high] = attributeInt(attributes, "align_corners", 0) ? [0, size - 1] : [-0.5, size - 0.5];
  const from = b.op("Abs", [b.minus(pixel, number(low))]);
  const times = b.op("Floor", [b.over(from, number(high - low))]);
  const rest = b.minus(from, b.times(times, number(high - low)));
  const half = b.times(times, number(0.5));
  const even = b.op("Equal", [half, b.op("Floor", [half])]);
  return b.where(even, b.plus(number(low), rest), b.minus(number(high), rest));
}

registerGradient("GridSample", (context) => {
  const [x, grid] = context.inputs as [Value, Value];
  return throughComposition(context.b, () => [sampled(context, x, grid)], context.dy, [x, grid]).map((value, index) =>
    context.wants(index) ? value : undefined,
  );
});

/**
 * AffineGrid: the point p = (x, y, 1) or (x, y, z, 1) of each place of the output, from -1 to 1, goes to theta p: y[n, i] = theta_n p_i, so
 * dtheta_n = sum over i of dy[n, i] p_i'.
 */
registerGradient("AffineGrid", ({ b, attributes, inputs: [theta], dy: [dy] }) => {
  const sizes = dy!.shape.slice(1, -1);
  const count = elementCount(sizes);
  const aligned = attributeInt(attributes, "align_corners", 0) !== 0;
  const coordinate = (index: number, size: number): number => {
    if (aligned) return size === 1 ? -1 : (2 * index) / (size - 1) - 1;
    return (2 * index + 1) / size - 1;
  };
  const points = Array.from({ length: count }, (_, place) => [
    ...sizes
      .map((size, axis) => coordinate(Math.floor(place / elementCount(sizes.slice(axis + 1))) % size, size))
      .reverse(),
    1,
  ]);
  const p = b.constant(
    { dtype: "float32", shape: [count, sizes.length + 1], data: Float32Array.from(points.flat()) },
    "points",
  );
  const rows = b.transpose(b.reshape(dy!, [theta!.shape[0]!, count, sizes.length]), [0, 2, 1]);
  return [b.matMul(rows, b.cast(p, dy!.dtype))];
});
