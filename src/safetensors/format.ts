import type { DataType } from "../onnx/index.js";

/**
 * The safetensors format (https://github.com/huggingface/safetensors#format):
 *
 * - 8 bytes: the header's length n, an unsigned 64-bit integer, little-endian;
 * - n bytes: the header, a JSON object in UTF-8, padded with spaces so that the data start at a multiple of 8;
 * - the rest: the tensors' elements, row-major, little-endian, without gaps.
 *
 * The header maps each name to `{ dtype, shape, data_offsets: [begin, end] }`, offsets counted from the end of the header; its key
 * `__metadata__` may map strings to strings.
 */
export const headerLengthBytes = 8;

/** Data alignment: that of the widest element. */
export const alignment = 8;

/** The reference implementation's limit. */
export const maxHeaderBytes = 100_000_000;

export const metadataKey = "__metadata__";

export type StorableType = Exclude<DataType, "string">;

export const typeNames: Readonly<Record<StorableType, string>> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  int64: "I64",
  int32: "I32",
  int16: "I16",
  int8: "I8",
  uint64: "U64",
  uint32: "U32",
  uint16: "U16",
  uint8: "U8",
  bool: "BOOL",
};
