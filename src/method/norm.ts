import { IsonormError } from "../errors.js";
import type { Tensor } from "../onnx/types.js";

/** Whether a weight has one norm, or one for each slice along its channel axis. */
export type Granularity = "tensor" | "channel";

/** The values that an axis of `shape` takes part in: `outer` blocks of `length` slices of `inner` elements, row-major. */
export interface AxisLayout {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

export function axisLayout(shape: readonly number[], axis: number): AxisLayout {
  const product = (part: readonly number[]) => part.reduce((count, dimension) => count * dimension, 1);
  return { outer: product(shape.slice(0, axis)), length: shape[axis] ?? 1, inner: product(shape.slice(axis + 1)) };
}

/** The shape that norms per channel have: 1 everywhere but on the channel axis, so that they broadcast against the weight. */
export function channelShape(shape: readonly number[], channelAxis: number): readonly number[] {
  return shape.map((dimension, axis) => (axis === channelAxis ? dimension : 1));
}

/**
 * Euclidean norm of each slice of `weight` along `channelAxis`, in float64; one norm, the Frobenius norm, without an axis.
 * A float32 squared stays between 1e-90 and 1e77, and so does the sum of 10^7 of them: no scaling is needed.
 *
 * @returns length 1, or the length of the channel axis
 */
export function norms(weight: Tensor, channelAxis?: number): Float64Array {
  const data = floats(weight);
  const { outer, length, inner } =
    channelAxis === undefined ? { outer: 1, length: 1, inner: data.length } : axisLayout(weight.shape, channelAxis);
  const sums = new Float64Array(length);
  let index = 0;
  for (let block = 0; block < outer; block++)
    for (let channel = 0; channel < length; channel++) {
      let sum = 0;
      for (let end = index + inner; index < end; index++) sum += data[index]! * data[index]!;
      sums[channel]! += sum;
    }
  return sums.map(Math.sqrt);
}

/** The matrix that each of `slices` slices belongs to, where the axis falls into equal parts of the numbers given. */
export function matrixOfSlice(parts: readonly number[], slices: number): readonly number[] {
  if (parts.length === 0 || slices % parts.length !== 0)
    throw new IsonormError(
      "ISO_ARGUMENT",
      `${slices} slices do not fall into ${parts.length} equal parts`,
      "Give a number of parts that divides the axis",
    );
  return Array.from({ length: slices }, (_, slice) => parts[Math.floor((slice * parts.length) / slices)]!);
}

/** Norms of slices to those of the matrices that they belong to; each slice gets its matrix's. */
export function matrixNorms(slices: Float64Array, parts: readonly number[]): Float64Array {
  const matrixOf = matrixOfSlice(parts, slices.length);
  const sums = new Float64Array(Math.max(...parts) + 1);
  for (const [slice, matrix] of matrixOf.entries()) sums[matrix]! += slices[slice]! ** 2;
  return slices.map((_, slice) => Math.sqrt(sums[matrixOf[slice]!]!));
}

/** Throws ISO_NORM_ZERO naming the tensor, and the channel where there are several, if a norm is zero or not finite. */
export function requireUsableNorms(name: string, values: Float64Array): void {
  const channel = values.findIndex((norm) => !(norm > 0 && Number.isFinite(norm)));
  if (channel < 0) return;
  const where = values.length === 1 ? `weight ${name}` : `channel ${channel} of weight ${name}`;
  throw new IsonormError(
    "ISO_NORM_ZERO",
    `${where} has norm ${values[channel]}, so it has no direction to train`,
    "Initialise it with finite values that are not all zero",
  );
}

function floats(weight: Tensor): Float32Array | Float64Array {
  if (weight.dtype === "float32" || weight.dtype === "float64") return weight.data;
  throw new IsonormError(
    "ISO_ARGUMENT",
    `a weight of type ${weight.dtype} and shape [${weight.shape}] has no norm that isonorm computes`,
    "Convert the model's weights to float32",
  );
}
