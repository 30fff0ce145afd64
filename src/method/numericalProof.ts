import { IsonormError } from "../errors.js";

/**
 * The numbers that go with the graph's proof. For a scale-invariant W the outputs with 2W and with W are alike, and so
 * L(cW) = L(W) for all c > 0; differentiated at c = 1 that is <W, dL/dW> = 0: the gradient is orthogonal to the weight.
 */

/**
 * How far two outputs differ, relative to their size: ||a - b|| / max(||a||, ||b||); 0 where both are zero, NaN where either
 * is not finite. Summed in float64.
 */
export function relativeOutputChange(a: Float32Array, b: Float32Array): number {
  requireSameLength(a, b);
  let difference = 0;
  let first = 0;
  let second = 0;
  for (let index = 0; index < a.length; index++) {
    difference += (a[index]! - b[index]!) ** 2;
    first += a[index]! ** 2;
    second += b[index]! ** 2;
  }
  const size = Math.sqrt(Math.max(first, second));
  return size === 0 ? 0 : Math.sqrt(difference) / size;
}

/**
 * The cosine between a weight and its gradient, <W, dW> / (||W|| ||dW||); 0 where either is zero, NaN where either is not finite.
 * Summed in float64.
 */
export function radialComponent(weight: Float32Array, gradient: Float32Array): number {
  requireSameLength(weight, gradient);
  let product = 0;
  let first = 0;
  let second = 0;
  for (let index = 0; index < weight.length; index++) {
    product += weight[index]! * gradient[index]!;
    first += weight[index]! ** 2;
    second += gradient[index]! ** 2;
  }
  const size = Math.sqrt(first) * Math.sqrt(second);
  return size === 0 ? 0 : product / size;
}

function requireSameLength(a: Float32Array, b: Float32Array): void {
  if (a.length !== b.length)
    throw new IsonormError(
      "ISO_ARGUMENT",
      `the arrays have ${a.length} and ${b.length} elements`,
      "Compare like with like",
    );
}
