import { attributeInt, attributeInts, type GraphBuilder, type Value } from "../../graph/index.js";
import type { Attributes } from "../../onnx/types.js";

/** A convolution as its gradients see it; one entry a spatial axis in each list. */
export interface ConvolutionShape {
  readonly images: number;
  /** Channels of the input. */
  readonly channels: number;
  /** Channels of the output. */
  readonly maps: number;
  readonly group: number;
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding before the first element. */
  readonly padsBegin: readonly number[];
  /** Padding after the last element that the last window reads; negative where it does not reach the end. */
  readonly padsEnd: readonly number[];
}

/**
 * @param x - shape of the convolution's input [N, C, ...]
 * @param y - shape of its output [N, K, ...]
 */
export function convolutionShape(attributes: Attributes, x: readonly number[], y: readonly number[]): ConvolutionShape {
  const [input, output] = [x.slice(2), y.slice(2)];
  const read = (name: string) => attributeInts(attributes, name) ?? [];
  const [kernel, strides, dilations] = [read("kernel_shape"), read("strides"), read("dilations")];
  const padsBegin = read("pads").slice(0, input.length);
  return {
    images: x[0]!,
    channels: x[1]!,
    maps: y[1]!,
    group: attributeInt(attributes, "group", 1),
    input,
    output,
    kernel,
    strides,
    dilations,
    padsBegin,
    padsEnd: input.map(
      (size, axis) =>
        strides[axis]! * (output[axis]! - 1) + dilations[axis]! * (kernel[axis]! - 1) + 1 - padsBegin[axis]! - size,
    ),
  };
}

/** Whether every entry of a list is that number. */
export function all(list: readonly number[], number: number): boolean {
  return list.every((entry) => entry === number);
}

export function product(list: readonly number[]): number {
  return list.reduce((result, entry) => result * entry, 1);
}

/** x with `begin` and `end` zeros more on its last axes, or elements fewer where they are negative; x itself where all are 0. */
export function padSpatial(b: GraphBuilder, x: Value, begin: readonly number[], end: readonly number[]): Value {
  const cropped = cropSpatial(
    b,
    x,
    begin.map((count) => Math.max(0, -count)),
    end.map((count) => Math.max(0, -count)),
  );
  if (begin.every((count) => count <= 0) && end.every((count) => count <= 0)) return cropped;
  const others = x.shape.slice(begin.length).map(() => 0);
  const added = (counts: readonly number[]) => [...others, ...counts.map((count) => Math.max(0, count))];
  return b.op("Pad", [cropped, b.int64([...added(begin), ...added(end)])]);
}

/** x without the first `begin` and last `end` elements of its last axes. */
export function cropSpatial(b: GraphBuilder, x: Value, begin: readonly number[], end: readonly number[]): Value {
  const first = x.shape.length - begin.length;
  const cut = begin.map((_, axis) => axis).filter((axis) => begin[axis] !== 0 || end[axis] !== 0);
  if (cut.length === 0) return x;
  return b.op("Slice", [
    x,
    b.int64(cut.map((axis) => begin[axis]!)),
    b.int64(cut.map((axis) => x.shape[first + axis]! - end[axis]!)),
    b.int64(cut.map((axis) => first + axis)),
  ]);
}

/**
 * Every `strides`-th element of x's last axes, `counts` of them, from `begin` on.
 */
export function stridedSlice(
  b: GraphBuilder,
  x: Value,
  begin: readonly number[],
  strides: readonly number[],
  counts: readonly number[],
): Value {
  const first = x.shape.length - begin.length;
  const axes = begin
    .map((_, axis) => axis)
    .filter((axis) => begin[axis] !== 0 || strides[axis] !== 1 || counts[axis] !== x.shape[first + axis]);
  if (axes.length === 0) return x;
  return b.op("Slice", [
    x,
    b.int64(axes.map((axis) => begin[axis]!)),
    b.int64(axes.map((axis) => begin[axis]! + (counts[axis]! - 1) * strides[axis]! + 1)),
    b.int64(axes.map((axis) => first + axis)),
    b.int64(axes.map((axis) => strides[axis]!)),
  ]);
}

/** All offsets inside a box of that shape, in row-major order. */
export function offsets(shape: readonly number[]): readonly (readonly number[])[] {
  return shape.reduce<readonly (readonly number[])[]>(
    (prefixes, size) => prefixes.flatMap((prefix) => Array.from({ length: size }, (_, offset) => [...prefix, offset])),
    [[]],
  );
}
