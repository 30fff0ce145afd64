import { elementCount, int } from "../onnx/types.js";
import type { GraphBuilder } from "./builder.js";
import type { Value } from "./value.js";

/** Values of any shapes and one type as one vector, one behind the other. */
export function pack(b: GraphBuilder, values: readonly Value[]): Value {
  const vectors = values.map((value) => b.reshape(value, [elementCount(value.shape)]));
  return vectors.length === 1 ? vectors[0]! : b.op("Concat", vectors, { axis: int(0) });
}

/** The values that a vector was packed from, in order, by their shapes. */
export function unpack(b: GraphBuilder, packed: Value, shapes: readonly (readonly number[])[]): readonly Value[] {
  if (shapes.length === 1) return [b.reshape(packed, shapes[0]!)];
  const sizes = shapes.map(elementCount);
  const parts = b.add("Split", [packed, b.int64(sizes)], { axis: int(0) }, { outputNames: sizes.map(() => "") });
  return shapes.map((shape, index) => b.reshape(parts[index]!, shape));
}
