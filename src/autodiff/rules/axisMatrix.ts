import type { GraphBuilder, Value } from "../../graph/index.js";
import { elementCount } from "../../onnx/types.js";

/** A matrix by rows, constant before the graph runs. */
export interface AxisMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

/** The matrix of that many rows and columns with an element set for each entry; entries of one place add up. */
export function axisMatrix(
  rows: number,
  columns: number,
  entries: Iterable<readonly [row: number, column: number, value: number]>,
): AxisMatrix {
  const data = new Float32Array(rows * columns);
  for (const [row, column, value] of entries) data[row * columns + column]! += value;
  return { rows, columns, data };
}

export function isIdentity({ rows, columns, data }: AxisMatrix): boolean {
  return rows === columns && data.every((value, index) => value === (index % (columns + 1) === 0 ? 1 : 0));
}

/**
 * The product M' x along one axis of x: y[p, i, q] = sum over k of M[k, i] x[p, k, q], with p the axes before, q those after.
 *
 * @param x - [..., rows, ...]
 * @returns [..., columns, ...]
 */
export function transposedAlongAxis(b: GraphBuilder, m: AxisMatrix, x: Value, axis: number): Value {
  const { rows, columns, data } = m;
  const shape = x.shape.with(axis, columns);
  const [outer, inner] = [elementCount(x.shape.slice(0, axis)), elementCount(x.shape.slice(axis + 1))];
  const factor = (shape: readonly number[], contents: Float32Array) =>
    b.cast(b.constant({ dtype: "float32", shape, data: contents }, "axisMatrix"), x.dtype);
  if (inner === 1) return b.reshape(b.matMul(b.reshape(x, [outer, rows]), factor([rows, columns], data)), shape);
  const transposed = Float32Array.from(data, (_, index) => data[(index % rows) * columns + Math.floor(index / rows)]!);
  return b.reshape(b.matMul(factor([columns, rows], transposed), b.reshape(x, [outer, rows, inner])), shape);
}
