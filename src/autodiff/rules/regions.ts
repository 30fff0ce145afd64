import { attributeFloat, attributeInt, attributeString, type GraphBuilder, type Value } from "../../graph/index.js";
import { int } from "../../onnx/types.js";
import { throughComposition } from "../differentiate.js";
import { type GradientContext, type GradientRule, registerGradient } from "../registry.js";
import { constantNumbers, unsupported } from "./operands.js";

// Regions of images resampled to one size: RoiAlign (He et al. 2017, arXiv 1703.06870) and CropAndResize. Interpolation that is linear along each axis is a
// product of two matrices: with A[o, h] the weight of row h in row o of the result, and B the same for columns,
//
//   Y = A X B'
//
// for each region and channel. A row's weights are a hat: a position p weighs row h by max(0, 1 - |p - h|), moved into the image where it lies less than a row
// outside, and not at all beyond. The composition gives the gradients of the image and of the boxes.

/** The gradients of image and boxes, through the composition, where they are wanted. */
function throughRegions({ b, inputs: [x, boxes], dy, wants }: GradientContext, compose: () => Value) {
  const wanted = [x!, boxes!].filter((_, index) => wants(index));
  const gradients = throughComposition(b, () => [compose()], dy, wanted);
  return [wants(0) ? gradients[0] : undefined, wants(1) ? gradients.at(-1) : undefined];
}

/** One axis of all regions. */
interface Axis {
  /** Where a region begins and how long it is, in pixels: [regions, 1, 1, 1]. */
  readonly start: Value;
  readonly length: Value;
  /** Pixels of the image. */
  readonly size: number;
  /** Where samples lie, as parts of the length, and how much each counts: [1 or regions, out, samples, 1]. */
  readonly parts: Value;
  readonly shares: Value;
  /** How far outside the outermost pixels' middles a sample still counts. */
  readonly margin: number;
}

/** The matrices A [regions, 1, out, size] of an axis: the sum over an output row's samples of their hats. */
function weights(b: GraphBuilder, { start, length, size, parts, shares, margin }: Axis): Value {
  const position = b.plus(start, b.times(length, parts));
  const below = b.op("Less", [position, b.scalar(-margin)]);
  const above = b.op("Greater", [position, b.scalar(size - 1 + margin)]);
  const inside = b.cast(b.op("Not", [b.op("Or", [below, above])]), "float32");
  const moved = b.op("Min", [b.op("Max", [position, b.scalar(0)]), b.scalar(size - 1)]);
  const pixels = b.constant({
    dtype: "float32",
    shape: [size],
    data: Float32Array.from({ length: size }, (_, i) => i),
  });
  const hat = b.relu(b.minus(b.scalar(1), b.op("Abs", [b.minus(moved, pixels)])));
  const summed = b.sum(b.times(hat, b.times(inside, shares)), [2], false);
  return b.reshape(summed, [summed.shape[0]!, 1, ...summed.shape.slice(1)]);
}

/** A X B' for each region's image: X [N, C, H, W], images [R] -> [R, C, out, out]. */
function resampled(b: GraphBuilder, x: Value, images: Value, rows: Axis, columns: Axis): Value {
  const read = b.op("Gather", [x, images], { axis: int(0) });
  return b.matMul(b.matMul(weights(b, rows), read), b.transpose(weights(b, columns), [0, 1, 3, 2]));
}

/** Column `index` of boxes [R, 4], times a number: [R, 1, 1, 1]. */
function edge(b: GraphBuilder, boxes: Value, index: number, factor: number): Value {
  const column = b.op("Gather", [boxes, b.int64([index])], { axis: int(1) });
  return b.times(b.reshape(column, [boxes.shape[0]!, 1, 1, 1]), b.scalar(factor));
}

/** Numbers [regions, out, samples] of an axis, by region, output row and sample. */
function table(
  b: GraphBuilder,
  shape: readonly [number, number, number],
  number: (r: number, o: number, k: number) => number,
): Value {
  const [regions, out, samples] = shape;
  const data = Float32Array.from({ length: regions * out * samples }, (_, index) =>
    number(Math.floor(index / (out * samples)), Math.floor(index / samples) % out, index % samples),
  );
  return b.constant({ dtype: "float32", shape: [...shape, 1], data });
}

/**
 * Boxes (x1, y1, x2, y2) times spatial_scale; each of out x out bins is the mean of sampling_ratio^2 samples in its middle, or, where that is 0, of as many as there are
 * pixels to a bin, for which the boxes must be constant.
 */
const RoiAlign: GradientRule = (context) => {
  const {
    b,
    node,
    attributes,
    inputs: [x, boxes, images],
  } = context;
  if (attributeString(attributes, "mode", "avg") !== "avg")
    throw unsupported(node, 'its mode is "max"', 'Use mode "avg", or freeze the weights before it');
  const ratio = attributeInt(attributes, "sampling_ratio", 0);
  const scale = attributeFloat(attributes, "spatial_scale", 1);
  const halfPixel = attributeString(attributes, "coordinate_transformation_mode", "half_pixel") === "half_pixel";
  const known = constantNumbers(boxes);
  if (ratio === 0 && !known)
    throw unsupported(
      node,
      "its number of samples follows from boxes that are not constant",
      "Give it a sampling_ratio",
    );

  const axis = (first: number, size: number, out: number): Axis => {
    const [from, to] = [edge(b, boxes!, first, scale), edge(b, boxes!, first + 2, scale)];
    const start = halfPixel ? b.minus(from, b.scalar(0.5)) : from;
    const length = halfPixel ? b.minus(to, from) : b.op("Max", [b.minus(to, from), b.scalar(1)]);
    const counts =
      ratio > 0
        ? [ratio]
        : Array.from({ length: boxes!.shape[0]! }, (_, region) => {
            const span = scale * (known![4 * region + first + 2]! - known![4 * region + first]!);
            return Math.max(1, Math.ceil(Math.fround(halfPixel ? span : Math.max(span, 1)) / out));
          });
    const shape = [counts.length, out, Math.max(...counts)] as const;
    const parts = table(b, shape, (region, o, k) => (o + (k + 0.5) / counts[region]!) / out);
    const shares = table(b, shape, (region, _, k) => (k < counts[region]! ? 1 / counts[region]! : 0));
    return { start, length, size, parts, shares, margin: 1 };
  };
  const [height, width] = x!.shape.slice(2) as [number, number];
  return throughRegions(context, () => {
    const rows = axis(1, height, attributeInt(attributes, "output_height", 1));
    const columns = axis(0, width, attributeInt(attributes, "output_width", 1));
    return resampled(b, x!, images!, rows, columns);
  });
};
registerGradient("RoiAlign", RoiAlign);

/** Boxes (y1, x1, y2, x2) from 0 to 1, the middles of the first and last pixel; a sample outside the image is the constant extrapolation_value. */
const CropAndResize: GradientRule = (context) => {
  const {
    b,
    node,
    attributes,
    inputs: [x, boxes, images],
    outputs: [y],
  } = context;
  if (attributeString(attributes, "mode", "bilinear") !== "bilinear")
    throw unsupported(node, 'its mode is "nearest"', 'Use mode "bilinear", or freeze the weights before it');
  const axis = (first: number, size: number, out: number): Axis => {
    const [from, to] = [edge(b, boxes!, first, size - 1), edge(b, boxes!, first + 2, size - 1)];
    const parts = table(b, [1, out, 1], (_, o) => (out === 1 ? 0.5 : o / (out - 1)));
    return { start: from, length: b.minus(to, from), size, parts, shares: b.scalar(1), margin: 0 };
  };
  const [height, width] = x!.shape.slice(2) as [number, number];
  const [rows, columns] = y!.shape.slice(2) as [number, number];
  // What is outside is constant, so it adds nothing to the gradient of the image; it is told from the inside by a step, as in the kernel.
  return throughRegions(context, () => resampled(b, x!, images!, axis(0, height, rows), axis(1, width, columns)));
};
registerGradient("com.microsoft:CropAndResize", CropAndResize);
