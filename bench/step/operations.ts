import { elementCount } from "../../src/onnx/index.js";

/**
 * Floating-point operations of a node that multiplies: two for each product that enters a sum. 0 for every other operator.
 *
 * Conv: each output element is a sum over w's [C / group, ...kernel]. ConvTranspose: each input element is multiplied with w's [K / group, ...kernel].
 * Gemm, MatMul: each output element is a sum over the axis that the operands share.
 *
 * @param inputs - shapes of the operands, at least the first two
 * @param output - shape of the first output
 */
export function multiplications(op: string, inputs: readonly (readonly number[])[], output: readonly number[]): number {
  const [a, w] = inputs;
  if (!a || !w) return 0;
  switch (op) {
    case "Conv":
    case "FusedConv":
      return 2 * elementCount(output) * elementCount(w.slice(1));
    case "ConvTranspose":
      return 2 * elementCount(a) * elementCount(w.slice(1));
    case "Gemm":
    case "MatMul":
    case "FusedMatMul":
      return 2 * elementCount(output) * innerSize(a, w, output);
    default:
      return 0;
  }
}

/** The shared axis of a product whose transpositions are not known: rows columns inner^2 = |a| |w| for each matrix of the batch, unless broadcast. */
function innerSize(a: readonly number[], w: readonly number[], output: readonly number[]): number {
  const matrix = (shape: readonly number[]): number => elementCount(shape.slice(-2));
  if (a.length < 2 || w.length < 2) return Math.max(a.at(-1)!, 1);
  return Math.round(Math.sqrt((matrix(a) * matrix(w)) / matrix(output)));
}
