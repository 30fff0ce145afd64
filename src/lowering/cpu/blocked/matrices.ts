import type { GraphBuilder, Value } from "../../../graph/index.js";
import { int } from "../../../onnx/types.js";
import { blockedOp, interleave, interleaveLast } from "./layout.js";

/**
 * Matrices in blocks: x [R, C] as an image of one row or column a lane. With its columns in blocks it is an image of C channels and R positions, [C / B, R, B]; with its rows in blocks, the other way
 * round, [R / B, C, B]. Blocks are whole; where they would not be, a matrix has no such form.
 */
export type MatrixForm = "rows" | "columns";

export const transposedForm = (form: MatrixForm): MatrixForm => (form === "rows" ? "columns" : "rows");

/** Whether a matrix has that form. */
export function hasForm({ dtype, shape }: Pick<Value, "dtype" | "shape">, form: MatrixForm, block: number): boolean {
  const lanes = shape[form === "rows" ? 0 : 1];
  return dtype === "float32" && shape.length === 2 && lanes! > 0 && lanes! % block === 0;
}

/** The shape that a matrix [R, C] has in blocks: [1, lanes, H, W], H W the positions. Threads share rows of H, so that there are some of them wherever possible. */
export function shapeInBlocks(shape: readonly number[], form: MatrixForm): readonly number[] {
  const [rows, columns] = shape as [number, number];
  const [lanes, positions] = form === "rows" ? [rows, columns] : [columns, rows];
  let height = Math.min(mostRows, positions);
  while (positions % height !== 0) height--;
  return [1, lanes, height, positions / height];
}

/** More rows than most processors have cores. */
const mostRows = 32;

/** x [R, C] in blocks. */
export function matrixToBlocks(b: GraphBuilder, x: Value, form: MatrixForm): Value {
  const [images, lanes, height, width] = shapeInBlocks(x.shape, form) as [number, number, number, number];
  return form === "rows"
    ? interleave(b, b.reshape(x, [images, lanes, height, width]))
    : interleaveLast(b, b.reshape(x, [images, height, width, lanes]));
}

/** A matrix in blocks as ONNX has it, `shape`. */
export function matrixFromBlocks(
  b: GraphBuilder,
  x: Value,
  form: MatrixForm,
  shape: readonly number[],
  block: number,
): Value {
  if (x.dtype !== "float32") return b.cast(matrixFromBlocks(b, b.cast(x, "float32"), form, shape, block), x.dtype);
  const [rows, columns] = shape as [number, number];
  // Blocks of columns by rows become rows of blocks: ReorderInput does that on all threads, ReorderOutput for channels that stand last on one.
  const plain =
    form === "rows"
      ? blockedOp(b, "ReorderOutput", [x], { channels: int(rows), channels_last: int(0) })
      : interleaveLast(b, b.reshape(x, [1, 1, columns / block, rows * block]));
  return b.reshape(plain, shape);
}
