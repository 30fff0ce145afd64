import { int, type Tensor } from "../../onnx/types.js";
import type { Walk } from "./walk.js";

// What loops and sequences are written out with: parts of a tensor along an axis, with that axis or without it, and back.

export const integers = (...numbers: number[]): Tensor => ({
  dtype: "int64",
  shape: [numbers.length],
  data: BigInt64Array.from(numbers, BigInt),
});

/** Parts of those sizes along an axis, by one Split, whose gradient is one Concat; the tensor itself where there are fewer than two. */
export function splitInto(walk: Walk, x: string, axis: number, sizes: readonly number[]): readonly string[] {
  if (sizes.length < 2) return [x];
  const names = sizes.map(() => "");
  return walk.add(`${x}/parts`, "Split", [x, walk.constant("sizes", integers(...sizes))], { axis: int(axis) }, names);
}

/** The tensor without an axis of size 1. */
export function withoutAxis(walk: Walk, label: string, x: string, axis: number): string {
  return walk.add(label, "Squeeze", [x, walk.constant("axis", integers(axis))], {}, [""])[0]!;
}

/** The tensors, at least one, stacked along a new axis into `output`. */
export function stackInto(walk: Walk, output: string, values: readonly string[], axis: number): void {
  const axes = walk.constant("axis", integers(axis));
  const parts = values.map((value) => walk.add(`${value}/stacked`, "Unsqueeze", [value, axes], {}, [""])[0]!);
  walk.add(output, "Concat", parts, { axis: int(axis) }, [output]);
}
