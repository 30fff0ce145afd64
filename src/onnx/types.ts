/** ONNX models as plain data. Everything in isonorm speaks of models in these terms; `decode` and `encode` turn them from and into files. */

export type DataType =
  | "float32"
  | "float64"
  | "float16"
  | "bfloat16"
  | "int64"
  | "int32"
  | "int16"
  | "int8"
  | "uint64"
  | "uint32"
  | "uint16"
  | "uint8"
  | "bool"
  | "string";

/** The typed array that holds a tensor's elements; float16 and bfloat16 are held as their bits. */
export interface TensorDataByType {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int16: Int16Array;
  int8: Int8Array;
  uint64: BigUint64Array;
  uint32: Uint32Array;
  uint16: Uint16Array;
  uint8: Uint8Array;
  bool: Uint8Array;
  string: readonly string[];
}

/** A tensor with its elements in row-major order; `data.length` is the product of `shape` (1 for a scalar, shape []). */
export type Tensor = {
  [T in DataType]: { readonly dtype: T; readonly shape: readonly number[]; readonly data: TensorDataByType[T] };
}[DataType];

/** A dimension: its size, the name of a symbolic size, or undefined where the file says nothing. */
export type Dimension = number | string | undefined;

export interface ValueInfo {
  readonly name: string;
  /** Undefined where the file gives no tensor type. */
  readonly dtype: DataType | undefined;
  /** Undefined where even the rank is unknown. */
  readonly shape: readonly Dimension[] | undefined;
}

export type Attribute =
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "ints"; readonly value: readonly number[] }
  /** An int, or a list with an int, that a number cannot hold exactly (INT64_MAX as an open end, for one). */
  | { readonly kind: "bigint"; readonly value: bigint }
  | { readonly kind: "bigints"; readonly value: readonly bigint[] }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "tensor"; readonly value: Tensor }
  | { readonly kind: "tensors"; readonly value: readonly Tensor[] }
  | { readonly kind: "graph"; readonly value: Graph }
  | { readonly kind: "graphs"; readonly value: readonly Graph[] };

export type Attributes = Readonly<Record<string, Attribute>>;

export interface Node {
  readonly op: string;
  /** "" is ai.onnx; "isonorm" holds abstract operators that only `lowering/` turns into ONNX's. */
  readonly domain: string;
  /** May be empty in foreign files; our own builder always names nodes. */
  readonly name: string;
  /** Value names; "" for an absent optional input. */
  readonly inputs: readonly string[];
  /** Value names; "" for an output nobody reads. */
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
}

export interface Graph {
  readonly name: string;
  /** In an order in which every value is made before it is used. */
  readonly nodes: readonly Node[];
  /** Graph inputs without those that are initializers. */
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: ReadonlyMap<string, Tensor>;
  /** Types of inner values, as far as the file gives them. */
  readonly valueInfo: readonly ValueInfo[];
}

export interface Model {
  readonly graph: Graph;
  readonly irVersion: number;
  /** Operator-set versions by domain; "" is ai.onnx. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly producerName: string;
  readonly producerVersion: string;
  /** metadata_props */
  readonly metadata: ReadonlyMap<string, string>;
}

export const int = (value: number): Attribute => ({ kind: "int", value });
export const ints = (value: readonly number[]): Attribute => ({ kind: "ints", value });
export const float = (value: number): Attribute => ({ kind: "float", value });
export const floats = (value: readonly number[]): Attribute => ({ kind: "floats", value });
export const string = (value: string): Attribute => ({ kind: "string", value });

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dimension of shape) count *= dimension;
  return count;
}

/** TensorProto.DataType */
export const onnxDataType: Readonly<Record<DataType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
};
