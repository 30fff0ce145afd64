import { type BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { IsonormError } from "../errors.js";
import { arrayType, dataTypeName, dataTypeOf, elementSize, tensorOverBytes } from "./dataType.js";
import { externalLocation, StringStringEntryProto, TensorProto } from "./schema.js";
import type { DataType, Tensor } from "./types.js";
import { malformed, type ReadContext, readFields, readMessage } from "./wire.js";

/** TensorProto's field for each type whose data do not stand in raw_data. */
const numericDataField: Readonly<Record<Exclude<DataType, "string">, number>> = {
  float32: 4,
  int32: 5,
  int16: 5,
  int8: 5,
  uint16: 5,
  uint8: 5,
  bool: 5,
  float16: 5,
  bfloat16: 5,
  int64: 7,
  float64: 10,
  uint32: 11,
  uint64: 11,
};

/** Smallest and largest number of each type that int32_data and uint64_data hold for narrower ones. */
const ranges: Readonly<Partial<Record<DataType, readonly [number, number]>>> = {
  int16: [-0x8000, 0x7fff],
  int8: [-0x80, 0x7f],
  uint16: [0, 0xffff],
  uint8: [0, 0xff],
  bool: [0, 1],
  float16: [0, 0xffff],
  bfloat16: [0, 0xffff],
  uint32: [0, 0xffffffff],
};

/**
 * Decodes a TensorProto, its data in raw_data, in a typed field or in another file.
 * Memory is taken only for elements that the file really holds, whatever the shape claims.
 *
 * @param where - what to call the tensor in messages when it has no name
 * @throws ISO_ONNX_MALFORMED, ISO_ONNX_UNSUPPORTED (element type), ISO_ONNX_EXTERNAL_DATA
 */
export function readTensor(bytes: Uint8Array, where: string, context: ReadContext): { name: string; tensor: Tensor } {
  const proto = readMessage(TensorProto, bytes, context);
  const name = proto.name ?? "";
  const label = name === "" ? `the tensor of ${where}` : `tensor "${name}"`;
  const dtype = dataTypeOf(proto.dataType ?? 0);
  if (dtype === undefined)
    throw new IsonormError(
      "ISO_ONNX_UNSUPPORTED",
      `${context.source}: ${label} has the element type ${dataTypeName(proto.dataType ?? 0)}`,
      "Convert the model to float32",
    );
  if (proto.segment !== undefined)
    throw new IsonormError(
      "ISO_ONNX_UNSUPPORTED",
      `${context.source}: ${label} is stored in segments`,
      "Export the model with whole tensors",
    );
  const shape = readShape(proto.dims, label, context);
  const count = countElements(shape, label, context);
  const mismatch = (found: string) =>
    malformed(context, `${label} of type ${dtype} and shape [${shape}] needs ${count} elements, but holds ${found}`);

  if (dtype === "string") {
    if (proto.dataLocation === externalLocation) throw malformed(context, `${label} keeps strings in an external file`);
    if (proto.stringData.length !== count) throw mismatch(`${proto.stringData.length}`);
    return { name, tensor: { dtype, shape, data: proto.stringData.map((text) => readText(text, label, context)) } };
  }
  if (proto.dataLocation === externalLocation) {
    const data = readExternal(proto.externalData, count * elementSize[dtype], label, context);
    return { name, tensor: tensorOverBytes(dtype, shape, data) };
  }
  if (proto.rawData !== undefined && proto.rawData.length > 0) {
    if (proto.rawData.length !== count * elementSize[dtype])
      throw mismatch(`${proto.rawData.length} bytes instead of ${count * elementSize[dtype]}`);
    return { name, tensor: tensorOverBytes(dtype, shape, proto.rawData) };
  }
  // Every element takes at least a byte of the message, so a count beyond that cannot be met and must not be allocated.
  const data = new arrayType[dtype](count <= bytes.length ? count : 0);
  const found = readNumbers(bytes, dtype, data, label, context);
  if (found !== count) throw mismatch(`${found}`);
  return { name, tensor: { dtype, shape, data } as Tensor };
}

function readShape(dims: readonly bigint[], label: string, context: ReadContext): number[] {
  return dims.map((dimension) => {
    if (dimension < 0n) throw malformed(context, `${label} has the negative dimension ${dimension} in [${dims}]`);
    if (dimension > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(context, `${label} claims the shape [${dims}]`);
    return Number(dimension);
  });
}

function countElements(shape: readonly number[], label: string, context: ReadContext): number {
  if (shape.includes(0)) return 0;
  let count = 1;
  for (const dimension of shape) {
    count *= dimension;
    if (count * 8 > Number.MAX_SAFE_INTEGER) throw malformed(context, `${label} claims the shape [${shape}]`);
  }
  return count;
}

/** Fills `into` from the typed data field; returns how many elements the field holds, which may differ from into's length. */
function readNumbers(
  bytes: Uint8Array,
  dtype: Exclude<DataType, "string">,
  into: Exclude<Tensor, { dtype: "string" }>["data"],
  label: string,
  context: ReadContext,
): number {
  const target = into as { [index: number]: number | bigint };
  const range = ranges[dtype];
  let found = 0;
  const put = (value: number | bigint) => {
    if (range && (value < range[0] || value > range[1]))
      throw malformed(context, `${label} of type ${dtype} holds the number ${value}`);
    if (found < into.length) target[found] = value;
    found++;
  };
  const element = elementReader(dtype);
  readFields(bytes, context, (reader, number, wireType) => {
    if (number !== numericDataField[dtype]) return false;
    if (wireType === element.wireType) {
      put(element.read(reader));
      return true;
    }
    if (wireType !== WireType.LengthDelimited) return false;
    const end = reader.uint32() + reader.pos;
    if (end > reader.len) throw new RangeError("premature EOF");
    while (reader.pos < end) put(element.read(reader));
    if (reader.pos !== end) throw new Error("a number runs past the end of its list");
    return true;
  });
  return found;
}

function elementReader(dtype: Exclude<DataType, "string">): {
  wireType: WireType;
  read: (reader: BinaryReader) => number | bigint;
} {
  switch (dtype) {
    case "float32":
      return { wireType: WireType.Bit32, read: (reader) => reader.float() };
    case "float64":
      return { wireType: WireType.Bit64, read: (reader) => reader.double() };
    case "int64":
      return { wireType: WireType.Varint, read: (reader) => BigInt(reader.int64()) };
    case "uint64":
      return { wireType: WireType.Varint, read: (reader) => BigInt(reader.uint64()) };
    case "uint32":
      return { wireType: WireType.Varint, read: (reader) => Number(reader.uint64()) };
    default:
      return { wireType: WireType.Varint, read: (reader) => reader.int32() };
  }
}

/** A tensor's bytes from another file, by the entries location, offset and length of external_data. */
function readExternal(entries: readonly Uint8Array[], needed: number, label: string, context: ReadContext): Uint8Array {
  const settings = new Map<string, string>();
  for (const bytes of entries) {
    const { key = "", value = "" } = readMessage(StringStringEntryProto, bytes, context);
    settings.set(key, value);
  }
  const location = settings.get("location") ?? "";
  if (location === "") throw malformed(context, `${label} keeps its data in another file but does not say in which`);
  const size = (key: string, otherwise: number) => {
    const text = settings.get(key);
    if (text === undefined) return otherwise;
    const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(number)) throw malformed(context, `${label} has the external ${key} "${text}"`);
    return number;
  };
  const offset = size("offset", 0);
  const length = size("length", needed);
  if (length !== needed)
    throw malformed(context, `${label} needs ${needed} bytes, but claims ${length} in the file "${location}"`);
  if (needed === 0) return new Uint8Array(0);
  if (!context.externalData)
    throw new IsonormError(
      "ISO_ONNX_EXTERNAL_DATA",
      `${context.source}: ${label} keeps its data in the file "${location}", which cannot be reached from the model's bytes alone`,
      "Read the model from its path, or save it with its data inside",
    );
  const data = context.externalData(location, offset, length);
  if (data.length !== needed)
    throw new IsonormError(
      "ISO_ONNX_EXTERNAL_DATA",
      `${context.source}: ${label} needs ${needed} bytes at ${offset} of "${location}", but got ${data.length}`,
      "Check that the data file belongs to the model and is complete",
    );
  return data;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text from a bytes field. Bytes that are not UTF-8 would not survive a string, so they are refused. */
export function readText(bytes: Uint8Array, label: string, context: ReadContext): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new IsonormError(
      "ISO_ONNX_UNSUPPORTED",
      `${context.source}: ${label} holds a string that is not UTF-8`,
      "Store binary contents in a uint8 tensor",
      { cause },
    );
  }
}
