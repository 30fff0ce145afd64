import { IsonormError } from "../errors.js";
import { type Attribute, type Attributes, type DataType, onnxDataType, type Tensor } from "../onnx/types.js";

/** Attributes read with the default that the operator gives where the node has none. A wrong kind is ISO_GRAPH_INVALID. */

export function attributeInt(attributes: Attributes, name: string, fallback: number): number;
export function attributeInt(attributes: Attributes, name: string): number | undefined;
export function attributeInt(attributes: Attributes, name: string, fallback?: number): number | undefined {
  return read(attributes, name, "int")?.value ?? fallback;
}

export function attributeInts(attributes: Attributes, name: string): readonly number[] | undefined {
  return read(attributes, name, "ints")?.value;
}

export function attributeFloat(attributes: Attributes, name: string, fallback: number): number;
export function attributeFloat(attributes: Attributes, name: string): number | undefined;
export function attributeFloat(attributes: Attributes, name: string, fallback?: number): number | undefined {
  return read(attributes, name, "float")?.value ?? fallback;
}

export function attributeFloats(attributes: Attributes, name: string): readonly number[] | undefined {
  return read(attributes, name, "floats")?.value;
}

export function attributeString(attributes: Attributes, name: string, fallback: string): string;
export function attributeString(attributes: Attributes, name: string): string | undefined;
export function attributeString(attributes: Attributes, name: string, fallback?: string): string | undefined {
  return read(attributes, name, "string")?.value ?? fallback;
}

export function attributeTensor(attributes: Attributes, name: string): Tensor | undefined {
  return read(attributes, name, "tensor")?.value;
}

/** The data type that an attribute such as Cast's `to` names by its TensorProto.DataType number. */
export function attributeDataType(attributes: Attributes, name: string, fallback: DataType): DataType;
export function attributeDataType(attributes: Attributes, name: string): DataType | undefined;
export function attributeDataType(attributes: Attributes, name: string, fallback?: DataType): DataType | undefined {
  const code = attributeInt(attributes, name);
  if (code === undefined) return fallback;
  const dtype = dataTypeByCode.get(code);
  if (dtype) return dtype;
  throw new IsonormError(
    "ISO_GRAPH_INVALID",
    `attribute ${name} names tensor data type ${code}, which isonorm does not know`,
    "Use one of float32, float64, float16, bfloat16, bool or an integer of 8 to 64 bits",
  );
}

const dataTypeByCode = new Map(Object.entries(onnxDataType).map(([dtype, code]) => [code, dtype as DataType]));

function read<K extends Attribute["kind"]>(
  attributes: Attributes,
  name: string,
  kind: K,
): Extract<Attribute, { kind: K }> | undefined {
  const attribute = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  if (attribute === undefined) return undefined;
  if (attribute.kind !== kind)
    throw new IsonormError(
      "ISO_GRAPH_INVALID",
      `attribute ${name} is of kind ${attribute.kind} where the operator takes ${kind}`,
      "Correct the attribute",
    );
  return attribute as Extract<Attribute, { kind: K }>;
}
