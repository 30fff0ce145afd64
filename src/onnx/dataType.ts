import { type DataType, onnxDataType, type Tensor, type TensorDataByType } from "./types.js";

type NumericType = Exclude<DataType, "string">;

interface NumericArray<T extends NumericType> {
  new (length: number): TensorDataByType[T];
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): TensorDataByType[T];
}

/** The typed array that holds each element type. */
export const arrayType: { readonly [T in NumericType]: NumericArray<T> } = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/** Bytes of one element; 0 for strings, which have no fixed size. */
export const elementSize: Readonly<Record<DataType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint64: 8,
  uint32: 4,
  uint16: 2,
  uint8: 1,
  bool: 1,
  string: 0,
};

const byNumber = new Map((Object.keys(onnxDataType) as DataType[]).map((dtype) => [onnxDataType[dtype], dtype]));

/** The element type by its number in TensorProto.DataType; undefined for those that isonorm does not know. */
export function dataTypeOf(number: number): DataType | undefined {
  return byNumber.get(number);
}

const otherTypes: Readonly<Record<number, string>> = {
  0: "undefined",
  14: "complex64",
  15: "complex128",
  17: "float8e4m3fn",
  18: "float8e4m3fnuz",
  19: "float8e5m2",
  20: "float8e5m2fnuz",
  21: "uint4",
  22: "int4",
  23: "float4e2m1",
  24: "float8e8m0",
  25: "uint2",
  26: "int2",
};

/** The element type's name for messages, whether isonorm knows it or not. */
export function dataTypeName(number: number): string {
  return byNumber.get(number) ?? otherTypes[number] ?? `number ${number}`;
}

/**
 * A numeric tensor over little-endian bytes (every machine that ONNX Runtime's JavaScript packages run on is little-endian).
 * The elements are a view of `bytes` where their alignment allows it, otherwise a copy.
 *
 * @param bytes - as many as the shape and type need; the caller has checked that
 */
export function tensorOverBytes(dtype: NumericType, shape: readonly number[], bytes: Uint8Array): Tensor {
  const size = elementSize[dtype];
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const data = new arrayType[dtype](aligned.buffer, aligned.byteOffset, aligned.byteLength / size);
  return { dtype, shape, data } as Tensor;
}

/** The bytes of a numeric tensor, as a view. */
export function bytesOfTensor(tensor: Exclude<Tensor, { dtype: "string" }>): Uint8Array {
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
}
