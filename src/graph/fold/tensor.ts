import { type DataType, elementCount, type Tensor, type TensorDataByType } from "../../onnx/types.js";

/** Data types whose elements folding computes with: integers as bigint, the others as number. */
export type ComputableType = "float32" | "float64" | "int64" | "int32" | "bool";

export type ComputableTensor = Extract<Tensor, { dtype: ComputableType }>;

export function isComputable(tensor: Tensor | undefined): tensor is ComputableTensor {
  return tensor !== undefined && computable.has(tensor.dtype);
}

const computable = new Set<DataType>(["float32", "float64", "int64", "int32", "bool"]);

export function isIntegral(dtype: DataType): dtype is "int64" | "int32" {
  return dtype === "int64" || dtype === "int32";
}

export function integersOf(tensor: ComputableTensor): readonly bigint[] {
  return Array.from(tensor.data as ArrayLike<number | bigint>, BigInt);
}

export function numbersOf(tensor: ComputableTensor): readonly number[] {
  return Array.from(tensor.data as ArrayLike<number | bigint>, Number);
}

/** A tensor of numbers, rounded to float32, or of truth values; a type that cannot hold numbers gives undefined. */
export function fromNumbers(dtype: DataType, shape: readonly number[], numbers: readonly number[]): Tensor | undefined {
  switch (dtype) {
    case "float32":
      return { dtype, shape, data: Float32Array.from(numbers) };
    case "float64":
      return { dtype, shape, data: Float64Array.from(numbers) };
    case "bool":
      return { dtype, shape, data: Uint8Array.from(numbers) };
    default:
      return undefined;
  }
}

/** A tensor of integers, wrapped to the type's width as the machine does. */
export function fromIntegers(dtype: "int64" | "int32", shape: readonly number[], integers: readonly bigint[]): Tensor {
  return dtype === "int64"
    ? { dtype, shape, data: BigInt64Array.from(integers, (value) => BigInt.asIntN(64, value)) }
    : { dtype, shape, data: Int32Array.from(integers, (value) => Number(BigInt.asIntN(32, value))) };
}

/** The same elements under another shape. */
export function reshaped(tensor: Tensor, shape: readonly number[]): Tensor {
  return { ...tensor, shape };
}

/** How far apart neighbours along each axis lie in row-major order. */
export function rowMajorStrides(shape: readonly number[]): readonly number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  return strides;
}

/** Calls `visit` with each element's coordinates in row-major order. The array is reused. */
export function forEachPosition(shape: readonly number[], visit: (coordinates: readonly number[]) => void): void {
  const coordinates = shape.map(() => 0);
  for (let left = elementCount(shape); left > 0; left--) {
    visit(coordinates);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++coordinates[axis]! < shape[axis]!) break;
      coordinates[axis] = 0;
    }
  }
}

/** The index of the source element that stands at each position of a shape. */
export function gatheredIndices(
  shape: readonly number[],
  source: (coordinates: readonly number[]) => number,
): readonly number[] {
  const indices: number[] = [];
  forEachPosition(shape, (coordinates) => indices.push(source(coordinates)));
  return indices;
}

/** The tensor of that shape whose elements are `tensor`'s at the indices given. */
export function taken(tensor: Tensor, shape: readonly number[], indices: readonly number[]): Tensor {
  const { data } = tensor;
  return {
    dtype: tensor.dtype,
    shape,
    data: elements(
      tensor.dtype,
      indices.map((index) => data[index]!),
    ),
  } as Tensor;
}

/** The elements of tensors of one data type, one tensor after another, as one row. */
export function concatenated(tensors: readonly Tensor[]): Tensor {
  const { dtype } = tensors[0]!;
  const all = tensors.flatMap(({ data }) => Array.from<number | bigint | string>(data));
  return { dtype, shape: [all.length], data: elements(dtype, all) } as Tensor;
}

/** An array of the kind that holds `dtype`, with the elements given, which must be of it. */
function elements(dtype: DataType, values: readonly (number | bigint | string)[]): TensorDataByType[DataType] {
  switch (dtype) {
    case "string":
      return values as readonly string[];
    case "int64":
      return BigInt64Array.from(values as readonly bigint[]);
    case "uint64":
      return BigUint64Array.from(values as readonly bigint[]);
    default:
      return arrays[dtype].from(values as readonly number[]);
  }
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** Indices into a tensor of shape `from` for each position of the shape `to` that it broadcasts to. */
export function broadcastIndices(from: readonly number[], to: readonly number[]): readonly number[] {
  const strides = rowMajorStrides(from);
  const offset = to.length - from.length;
  return gatheredIndices(to, (coordinates) =>
    from.reduce((sum, size, axis) => (size === 1 ? sum : sum + strides[axis]! * coordinates[axis + offset]!), 0),
  );
}
