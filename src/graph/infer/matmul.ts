import { attributeInt } from "../attributes.js";
import { broadcastShapes, requireBroadcastInto } from "./broadcast.js";
import { required, requireRank, requireSameType, shapeError } from "./context.js";
import { type InferContext, type InferRule, registerInference } from "./registry.js";

/**
 * The shape of A times B as NumPy's matmul: [..., m, k] and [..., k, n] give [..., m, n], the leading axes broadcast.
 * A vector on the left counts as [1, k], on the right as [k, 1], and its axis of size 1 is taken away again.
 */
export function productShape(context: InferContext, a: readonly number[], b: readonly number[]): readonly number[] {
  if (a.length === 0 || b.length === 0) throw shapeError(context, "a scalar cannot be a factor of a matrix product");
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  const inner = left.at(-1)!;
  if (inner !== right.at(-2))
    throw shapeError(
      context,
      `the inner sizes differ: ${inner} of [${a.join(", ")}] and ${right.at(-2)} of [${b.join(", ")}]`,
    );
  const batch = broadcastShapes(left.slice(0, -2), right.slice(0, -2));
  if (!batch) throw shapeError(context, `the leading axes of [${a.join(", ")}] and [${b.join(", ")}] do not broadcast`);
  return [...batch, ...(a.length === 1 ? [] : [left.at(-2)!]), ...(b.length === 1 ? [] : [right.at(-1)!])];
}

registerInference("MatMul", (context) => {
  const a = required(context, 0);
  const b = required(context, 1);
  requireSameType(context, a, b);
  return [{ dtype: a.dtype, shape: productShape(context, a.shape, b.shape) }];
});

/** alpha A' B' + beta C; A' is A or its transpose; C broadcasts into [m, n] and is optional since opset 11. */
const gemm: InferRule = (context) => {
  const a = required(context, 0);
  const b = required(context, 1);
  requireSameType(context, a, b, context.inputs[2]);
  requireRank(context, a, 2, "A");
  requireRank(context, b, 2, "B");
  const left = attributeInt(context.attributes, "transA", 0) ? a.shape.toReversed() : a.shape;
  const right = attributeInt(context.attributes, "transB", 0) ? b.shape.toReversed() : b.shape;
  const shape = productShape(context, left, right);
  requireBroadcastInto(context, context.inputs[2], shape, "C");
  return [{ dtype: a.dtype, shape }];
};
registerInference("Gemm", gemm);
registerInference("com.microsoft:FusedGemm", gemm);

/**
 * MatMul with each factor's matrices transposed (transA, transB), or its batch axes rotated: with transBatchA, A of shape [m, ..., k] counts as
 * [..., m, k].
 */
registerInference("com.microsoft:FusedMatMul", (context) => {
  const a = required(context, 0);
  const b = required(context, 1);
  requireSameType(context, a, b);
  const factor = (shape: readonly number[], side: "A" | "B"): readonly number[] => {
    const flag = (name: string) => attributeInt(context.attributes, `${name}${side}`, 0) !== 0;
    const rotated = flag("transBatch") && shape.length > 2 ? [...shape.slice(1, -1), shape[0]!, shape.at(-1)!] : shape;
    // A transposed vector stays a vector.
    return flag("trans") && rotated.length > 1 ? [...rotated.slice(0, -2), rotated.at(-1)!, rotated.at(-2)!] : rotated;
  };
  return [{ dtype: a.dtype, shape: productShape(context, factor(a.shape, "A"), factor(b.shape, "B")) }];
});
