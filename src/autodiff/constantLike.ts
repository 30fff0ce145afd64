import type { GraphBuilder, Value } from "../graph/index.js";

/** A scalar constant of the same floating-point type as `like`. */
export function constantLike(b: GraphBuilder, number: number, like: Value): Value {
  if (like.dtype === "float32" || like.dtype === "float64") return b.scalar(number, like.dtype);
  return b.cast(b.scalar(number), like.dtype);
}

/** Zeros of that shape, of the same type as `like`; one scalar expanded, so that no zeros are stored in the model. */
export function zerosLike(b: GraphBuilder, shape: readonly number[], like: Value): Value {
  return b.expand(constantLike(b, 0, like), shape);
}
