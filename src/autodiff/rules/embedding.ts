import type { GraphBuilder, Value } from "../../graph/index.js";
import { ints } from "../../onnx/types.js";

// Cutting a tensor and putting the part back among zeros: each is the transpose of the other.

/** x with zeros before and after it along each axis. */
export function padded(b: GraphBuilder, x: Value, before: readonly number[], after: readonly number[]): Value {
  const pads = [...before, ...after];
  if (pads.every((pad) => pad === 0)) return x;
  // The pads are an attribute before opset 11.
  return opset(b) >= 11 ? b.op("Pad", [x, b.int64(pads)]) : b.op("Pad", [x], { pads: ints(pads) });
}

/** x[from, to) along one axis. */
export function interval(b: GraphBuilder, x: Value, axis: number, from: number, to: number): Value {
  if (from === 0 && to === x.shape[axis]) return x;
  // All arguments are attributes before opset 10.
  return opset(b) >= 10
    ? b.op("Slice", [x, b.int64([from]), b.int64([to]), b.int64([axis])])
    : b.op("Slice", [x], { starts: ints([from]), ends: ints([to]), axes: ints([axis]) });
}

/** Where the elements of a part lie along one axis of the whole: part i at start + i step; step may be negative. */
export interface Place {
  readonly start: number;
  readonly step: number;
}

/**
 * A tensor of `shape` that holds y at its places and zeros elsewhere.
 *
 * Steps over 1 put step - 1 zeros after each element: as one more axis of size 1, padded to size `step`, and joined again. A negative step is
 * the same from the other end, with y reversed.
 */
export function embed(b: GraphBuilder, y: Value, shape: readonly number[], places: readonly Place[]): Value {
  const before: number[] = [];
  const after: number[] = [];
  let part = y;
  places.forEach(({ start, step }, axis) => {
    const count = y.shape[axis]!;
    const stride = count === 1 ? 1 : Math.abs(step);
    const first = step < 0 ? start + (count - 1) * step : start;
    if (step < 0 && count > 1) part = reversed(b, part, axis);
    if (stride > 1) part = dilated(b, part, axis, stride);
    before.push(first);
    after.push(shape[axis]! - first - part.shape[axis]!);
  });
  return padded(b, part, before, after);
}

function reversed(b: GraphBuilder, x: Value, axis: number): Value {
  return b.op("Slice", [x, b.int64([-1]), b.int64([-1 - x.shape[axis]!]), b.int64([axis]), b.int64([-1])]);
}

/** stride - 1 zeros between neighbours along an axis. */
function dilated(b: GraphBuilder, x: Value, axis: number, stride: number): Value {
  const count = x.shape[axis]!;
  const column = b.reshape(x, x.shape.toSpliced(axis + 1, 0, 1));
  const none = column.shape.map(() => 0);
  const spaced = padded(b, column, none, none.with(axis + 1, stride - 1));
  return interval(b, b.reshape(spaced, x.shape.with(axis, count * stride)), axis, 0, (count - 1) * stride + 1);
}

function opset(b: GraphBuilder): number {
  return b.opsets.get("") ?? 1;
}
