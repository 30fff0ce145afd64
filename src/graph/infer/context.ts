import { IsonormError } from "../../errors.js";
import type { DataType } from "../../onnx/types.js";
import type { TensorType, Value } from "../value.js";
import { type InferContext, operatorKey } from "./registry.js";

/** The node as an error names it. */
export function nodeName(context: InferContext): string {
  const { node } = context;
  return `${operatorKey(node.op, node.domain)} (node ${node.name || node.outputs[0] || "without a name"})`;
}

/**
 * ISO_GRAPH_SHAPE: the node, the rule that is broken, and every input with its type.
 *
 * @param rule - what the operator asks for and what it got, without a full stop
 */
export function shapeError(
  context: InferContext,
  rule: string,
  remedy = "Correct the model at that node",
): IsonormError {
  const received = context.inputs
    .map((value, index) => (value ? `${value.name || `input ${index}`} ${describe(value)}` : "(absent)"))
    .join(", ");
  return new IsonormError(
    "ISO_GRAPH_SHAPE",
    `${nodeName(context)}: ${rule}; it received ${received || "no inputs"}`,
    remedy,
  );
}

export function describe(type: TensorType): string {
  return `${type.dtype} [${type.shape.join(", ")}]`;
}

/** The input at that index. Throws where the node lacks it. */
export function required(context: InferContext, index: number): Value {
  const value = context.inputs[index];
  if (!value) throw shapeError(context, `input ${index} is required`);
  return value;
}

export function isFloat(dtype: DataType): boolean {
  return dtype === "float32" || dtype === "float64" || dtype === "float16" || dtype === "bfloat16";
}

export function requireFloat(context: InferContext, value: Value): void {
  if (!isFloat(value.dtype)) throw shapeError(context, `takes floating-point tensors, not ${value.dtype}`);
}

/** Throws where the inputs given (absent ones ignored) do not all have one data type. */
export function requireSameType(context: InferContext, ...values: readonly (Value | undefined)[]): void {
  const present = values.filter((value) => value !== undefined);
  if (present.some((value) => value.dtype !== present[0]?.dtype))
    throw shapeError(context, `its inputs must have one data type, not ${present.map((v) => v.dtype).join(" and ")}`);
}

export function requireRank(context: InferContext, value: Value, rank: number, label: string): void {
  if (value.shape.length !== rank)
    throw shapeError(context, `${label} must have rank ${rank}, not ${value.shape.length}`);
}

export function requireRankAtLeast(context: InferContext, value: Value, rank: number, label: string): void {
  if (value.shape.length < rank)
    throw shapeError(context, `${label} must have rank ${rank} or more, not ${value.shape.length}`);
}

/** Throws where a one-dimensional parameter (bias, scale, ...) that is there has not the length given. */
export function requireVector(context: InferContext, value: Value | undefined, length: number, label: string): void {
  if (value && (value.shape.length !== 1 || value.shape[0] !== length))
    throw shapeError(context, `${label} must have shape [${length}], not [${value.shape.join(", ")}]`);
}

/** An axis counted from the front. ONNX counts negative axes from the back. `rank` itself is allowed with `inclusive`. */
export function frontAxis(context: InferContext, axis: number, rank: number, inclusive = false): number {
  const front = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || front < 0 || front > rank || (front === rank && !inclusive))
    throw shapeError(context, `axis ${axis} is outside rank ${rank}`);
  return front;
}

/** Axes counted from the front, each at most once. */
export function frontAxes(context: InferContext, axes: readonly number[], rank: number): readonly number[] {
  const front = axes.map((axis) => frontAxis(context, axis, rank));
  if (new Set(front).size !== front.length) throw shapeError(context, `axes [${axes.join(", ")}] name an axis twice`);
  return front;
}

/** The elements of an integer input that fixes a shape; undefined where it is absent. Throws where it is not constant. */
export function constantIntegers(context: InferContext, index: number, label: string): readonly number[] | undefined {
  const value = context.inputs[index];
  if (!value) return undefined;
  const { constant } = value;
  if (!constant)
    throw shapeError(
      context,
      `input ${label} decides the output's shape and is not constant`,
      "Make that input an initializer, or compute it from shapes and constants only",
    );
  switch (constant.dtype) {
    case "int64":
    case "uint64":
      return Array.from(constant.data, Number);
    case "string":
      break;
    case "bool":
      break;
    default:
      return Array.from(constant.data);
  }
  throw shapeError(context, `input ${label} must be numeric, not ${constant.dtype}`);
}

/**
 * The node's outputs: the first `always` of `all`, and optional ones as far as the node names them.
 * So an optional output costs nothing where nobody asked for it.
 */
export function withOptional(context: InferContext, always: number, all: readonly TensorType[]): readonly TensorType[] {
  if (context.node.outputs.length > all.length)
    throw shapeError(context, `has at most ${all.length} outputs, not ${context.node.outputs.length}`);
  return all.slice(0, Math.max(always, context.node.outputs.length));
}
