import { elementCount } from "../../onnx/types.js";
import { attributeDataType, attributeInt } from "../attributes.js";
import {
  constantIntegers,
  frontAxis,
  required,
  requireFloat,
  requireRank,
  requireRankAtLeast,
  shapeError,
} from "./context.js";
import { type InferContext, registerInference } from "./registry.js";

// Spectra of sound, and images read at other places.

/** The one number of an input that fixes a shape; undefined where it is absent. */
function count(context: InferContext, index: number, label: string): number | undefined {
  const numbers = constantIntegers(context, index, label);
  if (numbers && (numbers.length !== 1 || numbers[0]! < 0)) throw shapeError(context, `${label} must be one number`);
  return numbers?.[0];
}

for (const op of ["HannWindow", "HammingWindow", "BlackmanWindow"])
  registerInference(op, (context) => {
    required(context, 0);
    const dtype = attributeDataType(context.attributes, "output_datatype", "float32");
    return [{ dtype, shape: [count(context, 0, "size")!] }];
  });

/**
 * [..., n, ..., 1 or 2] -> [..., n, ..., 2], or the n / 2 + 1 frequencies that a real signal needs. The axis is an attribute before opset 20, an
 * input since.
 */
registerInference("DFT", (context) => {
  const x = required(context, 0);
  requireRankAtLeast(context, x, 2, "input");
  const named =
    context.opset < 20
      ? attributeInt(context.attributes, "axis", 1)
      : (constantIntegers(context, 2, "axis")?.[0] ?? -2);
  const axis = frontAxis(context, named, x.shape.length);
  const length = count(context, 1, "dft_length") ?? x.shape[axis]!;
  const kept = attributeInt(context.attributes, "onesided", 0) ? Math.floor(length / 2) + 1 : length;
  return [{ dtype: x.dtype, shape: x.shape.with(axis, kept).with(-1, 2) }];
});

/** signal [B, L, 1 or 2] -> [B, frames, frequencies, 2] */
registerInference("STFT", (context) => {
  const signal = required(context, 0);
  requireRank(context, signal, 3, "signal");
  const step = count(context, 1, "frame_step");
  const length = count(context, 3, "frame_length") ?? context.inputs[2]?.shape[0];
  if (!step || !length) throw shapeError(context, "needs a frame step, and a window or a frame length");
  const frames = Math.floor((signal.shape[1]! - length) / step) + 1;
  const frequencies = attributeInt(context.attributes, "onesided", 1) ? Math.floor(length / 2) + 1 : length;
  return [{ dtype: signal.dtype, shape: [signal.shape[0]!, frames, frequencies, 2] }];
});

registerInference("MelWeightMatrix", (context) => {
  const [bins, length] = [count(context, 0, "num_mel_bins"), count(context, 1, "dft_length")];
  if (bins === undefined || length === undefined) throw shapeError(context, "num_mel_bins and dft_length are required");
  const dtype = attributeDataType(context.attributes, "output_datatype", "float32");
  return [{ dtype, shape: [Math.floor(length / 2) + 1, bins] }];
});

/** X [N, C, d1, ...], grid [N, o1, ..., number of axes] -> [N, C, o1, ...] */
registerInference("GridSample", (context) => {
  const [x, grid] = [required(context, 0), required(context, 1)];
  requireRankAtLeast(context, x, 3, "X");
  requireRank(context, grid, x.shape.length, "grid");
  if (grid.shape[0] !== x.shape[0] || grid.shape.at(-1) !== x.shape.length - 2)
    throw shapeError(context, `grid must have shape [${x.shape[0]}, ..., ${x.shape.length - 2}]`);
  return [{ dtype: x.dtype, shape: [x.shape[0]!, x.shape[1]!, ...grid.shape.slice(1, -1)] }];
});

/** input [N, C times block, blocks] -> [N, C, ...image_shape] */
registerInference("Col2Im", (context) => {
  const x = required(context, 0);
  requireRank(context, x, 3, "input");
  const image = constantIntegers(context, 1, "image_shape")!;
  const block = elementCount(constantIntegers(context, 2, "block_shape")!);
  if (x.shape[1]! % block !== 0)
    throw shapeError(context, `its ${x.shape[1]} rows are no multiple of a block's ${block}`);
  return [{ dtype: x.dtype, shape: [x.shape[0]!, x.shape[1]! / block, ...image] }];
});

/** theta [N, axes, axes + 1], size [N, C, o1, ...] -> [N, o1, ..., axes] */
registerInference("AffineGrid", (context) => {
  const theta = required(context, 0);
  requireRank(context, theta, 3, "theta");
  const size = constantIntegers(context, 1, "size")!;
  const axes = size.length - 2;
  if (theta.shape[0] !== size[0] || theta.shape[1] !== axes || theta.shape[2] !== axes + 1)
    throw shapeError(context, `theta must have shape [${size[0]}, ${axes}, ${axes + 1}]`);
  return [{ dtype: theta.dtype, shape: [size[0]!, ...size.slice(2), axes] }];
});

/** X [N, C, H, W], rois [R, 4] -> [R, C, output_height, output_width] */
registerInference("RoiAlign", (context) => {
  const [x, rois] = [required(context, 0), required(context, 1)];
  requireRank(context, x, 4, "X");
  requireRank(context, rois, 2, "rois");
  const size = (name: string) => attributeInt(context.attributes, name, 1);
  return [{ dtype: x.dtype, shape: [rois.shape[0]!, x.shape[1]!, size("output_height"), size("output_width")] }];
});

/** X [N, C, H, W], boxes [R, 4], their images [R], crop_size (h, w) -> [R, C, h, w] */
registerInference("com.microsoft:CropAndResize", (context) => {
  const [x, boxes] = [required(context, 0), required(context, 1)];
  requireRank(context, x, 4, "X");
  requireRank(context, boxes, 2, "rois");
  const size = constantIntegers(context, 3, "crop_size");
  if (size?.length !== 2 || size.some((each) => each < 1))
    throw shapeError(context, `crop_size [${size?.join(", ") ?? ""}] must be two numbers of at least 1`);
  return [{ dtype: x.dtype, shape: [boxes.shape[0]!, x.shape[1]!, ...size] }];
});

/** Square matrices [..., n, n] */
registerInference("com.microsoft:Inverse", (context) => {
  const x = required(context, 0);
  requireFloat(context, x);
  requireRankAtLeast(context, x, 2, "X");
  if (x.shape.at(-1) !== x.shape.at(-2)) throw shapeError(context, "its matrices must be square");
  return [{ dtype: x.dtype, shape: x.shape }];
});

/** Determinants of square matrices [..., n, n] -> [...] */
registerInference("Det", (context) => {
  const x = required(context, 0);
  requireFloat(context, x);
  requireRankAtLeast(context, x, 2, "X");
  if (x.shape.at(-1) !== x.shape.at(-2)) throw shapeError(context, "its matrices must be square");
  return [{ dtype: x.dtype, shape: x.shape.slice(0, -2) }];
});
