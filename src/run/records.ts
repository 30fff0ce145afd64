import { Tensor as OrtTensor } from "onnxruntime-node";
import { recordShape } from "../classifier/index.js";
import type { Dataset } from "../data/core.js";

/** Packed records as the input `records` [count, ...record] of a graph that begins with `preprocessRecords`. */
export function recordsTensor({ input }: Dataset, records: Uint8Array | Float32Array, count: number): OrtTensor {
  const shape = [count, ...recordShape(input)];
  return records instanceof Uint8Array
    ? new OrtTensor("uint8", records, shape)
    : new OrtTensor("float32", records, shape);
}
