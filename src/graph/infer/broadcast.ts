import type { Value } from "../value.js";
import { shapeError } from "./context.js";
import type { InferContext } from "./registry.js";

/**
 * The shape that two shapes broadcast to (ONNX "multidirectional broadcasting", as NumPy's): aligned at the last axis, sizes must be equal
 * or one of them 1. Undefined where they do not fit.
 */
export function broadcastShapes(a: readonly number[], b: readonly number[]): readonly number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) return undefined;
    shape.push(left === 1 ? right : left);
  }
  return shape;
}

/** The common shape of the inputs given. Throws ISO_GRAPH_SHAPE where they do not broadcast. */
export function broadcastInputs(context: InferContext, values: readonly Value[]): readonly number[] {
  return values.reduce<readonly number[]>((shape, value) => {
    const joined = broadcastShapes(shape, value.shape);
    if (!joined)
      throw shapeError(context, `shapes [${shape.join(", ")}] and [${value.shape.join(", ")}] do not broadcast`);
    return joined;
  }, []);
}

/** Throws where `value` does not broadcast into `shape` without changing it ("unidirectional broadcasting"). */
export function requireBroadcastInto(
  context: InferContext,
  value: Value | undefined,
  shape: readonly number[],
  label: string,
): void {
  if (!value) return;
  const joined = broadcastShapes(value.shape, shape);
  if (joined?.length !== shape.length || joined.some((size, axis) => size !== shape[axis]))
    throw shapeError(context, `${label} [${value.shape.join(", ")}] does not broadcast into [${shape.join(", ")}]`);
}
