import { type GraphBuilder, sameShape, type Value } from "../../graph/index.js";

/**
 * The transpose of broadcasting. If x of `shape` was broadcast to y, each x_i was read at every position it was copied to,
 * so dL/dx_i is the sum of dL/dy over them: a sum over the axes that were added in front or stretched from 1.
 *
 * @param gradient - dL/dy, of the broadcast shape
 * @returns dL/dx, of `shape`
 */
export function unbroadcast(b: GraphBuilder, gradient: Value, shape: readonly number[]): Value {
  if (sameShape(gradient.shape, shape)) return gradient;
  const added = gradient.shape.length - shape.length;
  const axes = gradient.shape.flatMap((size, axis) =>
    axis < added || (shape[axis - added] === 1 && size !== 1) ? [axis] : [],
  );
  return b.reshape(b.sum(gradient, axes, added === 0), shape);
}

/** x broadcast to `shape`; x itself where it has it. */
export function broadcastTo(b: GraphBuilder, x: Value, shape: readonly number[]): Value {
  return sameShape(x.shape, shape) ? x : b.expand(x, shape);
}
