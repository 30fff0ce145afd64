import { IsonormError } from "../errors.js";
import { type GraphBuilder, sameShape, type Value } from "../graph/index.js";
import { int, type Tensor } from "../onnx/types.js";
import { channelShape, type Granularity, matrixNorms, matrixOfSlice, norms, requireUsableNorms } from "./norm.js";

/**
 * The fixed norm (patent CN114078195B, target training manner; FixNorm, arXiv 2103.15345; forced weight normalisation of EDM2,
 * arXiv 2312.02696, section 2.3, keeps norms in the same way). After each optimizer step W_i -> W'_{i+1} the weight goes back to
 * the norm that it had at the start:
 *
 *   W_{i+1} = W'_{i+1} / ||W'_{i+1}|| * Norm_0,     Norm_0 = ||W_0||
 *
 * On a scale-invariant weight this does not change the network, but keeps the angle that a step of given size turns it: without
 * it every step, being orthogonal to W, lengthens W and slows the direction down. Norm_0 is measured once, by `measureNorm`, and
 * never recomputed: a norm measured again after each step would let rounding errors add up.
 */
export interface Projection {
  /** W_{i+1}: the weight's shape */
  readonly weight: Value;
  /** ||W'||^2: a scalar, or 1 everywhere but on the channel axis */
  readonly sumOfSquares: Value;
  /** ||W'||, shaped like `sumOfSquares` */
  readonly norm: Value;
  /** Norm_0 / ||W'||, shaped like `sumOfSquares` */
  readonly factor: Value;
}

/**
 * Puts W' back to its norm at the start.
 *
 * @param weight - W', after the optimizer's step
 * @param norm0 - Norm_0 as `measureNorm` gives it: a scalar, or [1], for `tensor`; 1 everywhere but on the channel axis for `channel`
 * @param channelAxis - with granularity `channel`: the axis whose slices have norms of their own
 * @param parts - with granularity `channel`: the axis falls into so many equal parts, and those with the same number share one norm: the matrices
 * that a weight holds side by side, `[0, 1, 2]` for queries, keys and values
 */
export function projectToNorm(
  b: GraphBuilder,
  weight: Value,
  norm0: Value,
  granularity: Granularity = "tensor",
  channelAxis = 0,
  parts?: readonly number[],
): Projection {
  const sumOfSquares = sumOfSquaresOf(b, weight, granularity, channelAxis, parts);
  const one = granularity === "tensor" && norm0.shape.join() === "1";
  if (!one && !sameShape(norm0.shape, sumOfSquares.shape))
    throw new IsonormError(
      "ISO_GRAPH_SHAPE",
      `Norm_0 of ${weight.name} has shape [${norm0.shape}] where granularity ${granularity} needs [${sumOfSquares.shape}]`,
      "Measure Norm_0 with the granularity that the update uses",
    );
  const norm = b.sqrt(sumOfSquares);
  const factor = b.over(norm0, norm);
  return { weight: b.times(weight, factor), sumOfSquares, norm, factor };
}

/**
 * ||x||^2 of the whole tensor (shape []) or of each slice along the channel axis (1 everywhere but there); with `parts` each slice has that of its
 * matrix.
 */
export function sumOfSquaresOf(
  b: GraphBuilder,
  x: Value,
  granularity: Granularity,
  channelAxis = 0,
  parts?: readonly number[],
): Value {
  if (granularity === "tensor") return b.abstract("SumOfSquares", [x])[0]!;
  const perSlice = b.abstract("SumOfSquaresPerChannel", [x], { axis: int(channelAxis) })[0]!;
  if (!parts) return perSlice;
  // membership[slice, matrix] is 1 where the slice is one of the matrix's: the sums of slices to sums of matrices, and those back to slices.
  const matrixOf = matrixOfSlice(parts, x.shape[channelAxis]!);
  const [slices, matrices] = [matrixOf.length, Math.max(...parts) + 1];
  const data = new Float32Array(slices * matrices);
  for (const [slice, matrix] of matrixOf.entries()) data[slice * matrices + matrix] = 1;
  const membership = b.constant({ dtype: "float32", shape: [slices, matrices], data }, "membership");
  const perMatrix = b.matMul(b.reshape(perSlice, [1, slices]), membership);
  return b.reshape(b.matMul(perMatrix, b.transpose(membership, [1, 0])), perSlice.shape);
}

/**
 * Norm_0 of a fresh weight, summed in float64.
 *
 * @param name - the weight's name, for the error
 * @returns float32; shape [] for `tensor`, 1 everywhere but on the channel axis for `channel`
 * @throws ISO_NORM_ZERO naming the weight, and the channel, where a norm is zero or not finite
 */
export function measureNorm(
  name: string,
  weight: Tensor,
  granularity: Granularity = "tensor",
  channelAxis = 0,
  parts?: readonly number[],
): Tensor {
  const perChannel = granularity === "channel";
  const slices = norms(weight, perChannel ? channelAxis : undefined);
  const values = perChannel && parts ? matrixNorms(slices, parts) : slices;
  requireUsableNorms(name, values);
  const data = Float32Array.from(values);
  // A norm that float64 holds may still round to zero or overflow in float32, in which the step computes.
  requireUsableNorms(name, Float64Array.from(data));
  return { dtype: "float32", shape: perChannel ? channelShape(weight.shape, channelAxis) : [], data };
}
