import type { MatrixForm } from "./matrices.js";

/** The order of a matrix in blocks in JavaScript's memory, as `matrixToBlocks` makes it of a value of the graph. */
export interface MatrixOrder {
  readonly form: MatrixForm;
  /** Rows or columns in a block. */
  readonly block: number;
}

/** A matrix [R, C] put into that order. */
export function toOrder(data: Float32Array, shape: readonly number[], order: MatrixOrder): Float32Array {
  const ordered = new Float32Array(data.length);
  eachRun(shape, order, (plain, blocked, stride) => {
    for (let lane = 0; lane < order.block; lane++) ordered[blocked + lane] = data[plain + lane * stride]!;
  });
  return ordered;
}

/** A matrix in that order as ONNX has it, [R, C]. */
export function fromOrder(ordered: Float32Array, shape: readonly number[], order: MatrixOrder): Float32Array {
  const data = new Float32Array(ordered.length);
  eachRun(shape, order, (plain, blocked, stride) => {
    for (let lane = 0; lane < order.block; lane++) data[plain + lane * stride] = ordered[blocked + lane]!;
  });
  return data;
}

/** For each run of a block's lanes: where its first element stands in the matrix, where in blocks, and how far apart its elements stand in the matrix. */
function eachRun(
  shape: readonly number[],
  { form, block }: MatrixOrder,
  visit: (plain: number, blocked: number, stride: number) => void,
): void {
  const [rows, columns] = shape as [number, number];
  const [lanes, positions] = form === "rows" ? [rows, columns] : [columns, rows];
  const [laneStride, positionStride] = form === "rows" ? [columns, 1] : [1, columns];
  let blocked = 0;
  for (let lane = 0; lane < lanes; lane += block)
    for (let position = 0; position < positions; position++, blocked += block)
      visit(lane * laneStride + position * positionStride, blocked, laneStride);
}
