import { type GraphBuilder, operatorKey, type Value } from "../../../graph/index.js";
import { type Attributes, int, type Node } from "../../../onnx/types.js";
import { cropSpatial } from "../../shared/convolution.js";
import type { MatrixForm } from "./matrices.js";

/**
 * Tensors in blocks of channels. Where ONNX holds [N, C, H, W], ONNX Runtime's fast convolutions (domain com.microsoft.nchwc, in every published build) hold
 * [N, C / B, H, W, B]: B channels of a position side by side, as many as a vector register has lanes. On one AVX-512 core they multiply at 107 GFLOP/s where the
 * plain Conv comes to 40 to 90 (3x3, 16 to 128 channels).
 *
 * A blocked value's shape is written [N, P, H, W], as ONNX Runtime does, with P = C rounded up to whole blocks; its elements stand in the order above. Lanes from C on hold
 * anything finite: weights that would read them are 0, and what is computed in them is dropped.
 */
export const blockedDomain = "com.microsoft.nchwc";

/** A result of a blocked rule, in one of the forms; a matrix in blocks of its columns, or of its rows. */
export type Placed = { readonly blocked: Value } | { readonly rows: Value } | { readonly plain: Value };

export const placedValue = (placed: Placed): Value =>
  "blocked" in placed ? placed.blocked : "rows" in placed ? placed.rows : placed.plain;

/** A matrix in blocks. */
export const placedMatrix = (form: MatrixForm, value: Value): Placed =>
  form === "rows" ? { rows: value } : { blocked: value };

/** What a blocked rule sees of a node. */
export interface BlockedContext {
  readonly b: GraphBuilder;
  /** Channels in a block, B. */
  readonly block: number;
  readonly node: Node;
  readonly attributes: Attributes;
  /** Types of the node's inputs and outputs as the graph that is lowered has them. */
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  /** Whether the input is there in blocks already, so that a rule which saves little need not convert it. */
  isBlocked(input: number): boolean;
  /** Whether the input is there as ONNX has it. */
  isPlain(input: number): boolean;
  /** The form that state prescribes for a node's input or output, and for what is computed from state element by element; see `stateForms`. */
  inputForm(input: number): MatrixForm | undefined;
  outputForm(output: number): MatrixForm | undefined;
  /** The input in blocks, [N, P, H, W], a matrix in blocks of its columns; converted where it is not there so yet. */
  blocked(input: number): Value;
  /** A matrix in blocks of its rows or columns; converted likewise. */
  matrix(input: number, form: MatrixForm): Value;
  /** The input as it is there, for what does not depend on the order of elements. */
  inAnyOrder(input: number): Value;
  /** The input as ONNX has it; converted likewise. */
  plain(input: number): Value;
  /** Whether anything reads that output. */
  needs(output: number): boolean;
}

/** Computes a node on blocked values; undefined where the plain form is to be taken. */
export type BlockedRule = (context: BlockedContext) => readonly (Placed | undefined)[] | undefined;

/** The forms of convolution that blocks have: every channel to every map, whole blocks of channels to whole blocks of maps by group, and each channel to a map of its own. */
export type ConvolutionKind = "dense" | "grouped" | "depthwise";

export function blockedOp(b: GraphBuilder, op: string, inputs: readonly (Value | undefined)[], attributes: Attributes) {
  return b.op(op, inputs, attributes, { domain: blockedDomain });
}

/** Whether a node's operator works on blocked values. */
export function isBlockedOp(node: Node, op: string): boolean {
  return operatorKey(node.op, node.domain) === `${blockedDomain}:${op}`;
}

export function wholeBlocks(channels: number, block: number): number {
  return Math.ceil(channels / block) * block;
}

/** Whether a value can be held in blocks. */
export function canBlock({ dtype, shape }: Value): boolean {
  return dtype === "float32" && shape.length === 4;
}

/** x [N, C, H, W] in blocks, [N, P, H, W]. */
export function toBlocks(b: GraphBuilder, x: Value, block: number): Value {
  const padded = padAxis(b, x, 1, wholeBlocks(x.shape[1]!, block));
  return interleave(b, padded);
}

/** A blocked value as ONNX has it, [N, channels, H, W]. Truth values go through numbers, which are all that ONNX Runtime's operator takes. */
export function fromBlocks(b: GraphBuilder, x: Value, channels: number): Value {
  if (x.dtype !== "float32") return b.cast(fromBlocks(b, b.cast(x, "float32"), channels), x.dtype);
  if (x.shape[2] === 1 && x.shape[3] === 1) return sliceAxis(b, x, 1, channels);
  return blockedOp(b, "ReorderOutput", [x], { channels: int(channels), channels_last: int(0) });
}

/**
 * x [N, k B, H, W] with each B of its channels moved innermost, [N, k, H, W, B], the shape being left as it was: ONNX Runtime's ReorderInput, a fast transposition of B rows that
 * recipes also use for others than channels.
 */
export function interleave(b: GraphBuilder, x: Value): Value {
  if (x.shape[2] === 1 && x.shape[3] === 1) return x;
  return blockedOp(b, "ReorderInput", [x], { channels_last: int(0) });
}

/**
 * x [N, 1, R, k B] with its rows innermost but for B elements, [N, k, R, B], seen with the shape [N, k B, 1, R]: ReorderInput for channels that stand last. It moves runs of B
 * elements on all threads, which Transpose does on one.
 */
export function interleaveLast(b: GraphBuilder, x: Value): Value {
  return blockedOp(b, "ReorderInput", [x], { channels_last: int(1) });
}

/** A blocked x without the first `begin` and last `end` rows and columns; x itself where there are none. */
export function cropBlocked(
  b: GraphBuilder,
  x: Value,
  begin: readonly number[],
  end: readonly number[],
  block: number,
): Value {
  if ([...begin, ...end].every((count) => count === 0)) return x;
  const [images, lanes, rows, columns] = x.shape as [number, number, number, number];
  const apart = b.reshape(x, [images, lanes / block, rows, columns, block]);
  const cropped = cropSpatial(b, apart, [...begin, 0], [...end, 0]);
  const [height, width] = cropped.shape.slice(2) as [number, number];
  return b.reshape(cropped, [images, lanes, height, width]);
}

/** x with zeros behind it on that axis, `size` elements in all; x itself where it has them. */
export function padAxis(b: GraphBuilder, x: Value, axis: number, size: number): Value {
  const more = size - x.shape[axis]!;
  if (more === 0) return x;
  const ends = x.shape.map((_, other) => (other === axis ? more : 0));
  return b.op("Pad", [x, b.int64([...x.shape.map(() => 0), ...ends])]);
}

/** The first `size` elements of x on that axis; x itself where it has no more. */
export function sliceAxis(b: GraphBuilder, x: Value, axis: number, size: number): Value {
  if (x.shape[axis] === size) return x;
  return b.op("Slice", [x, b.int64([0]), b.int64([size]), b.int64([axis])]);
}
