import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { IsonormError } from "../errors.js";
import type { Field, FieldType, Message, Schema } from "./schema.js";

/** What reading one file shares: where it is, how much of it may still be read, where the rest of its tensors are. */
export interface ReadContext {
  /** What messages call the file. */
  readonly source: string;
  /** byteOffset of the file inside its buffer, so that errors can name a position in the file. */
  readonly start: number;
  /**
   * Fields and list elements that may still be read, tensor data apart. A file of 2 GiB could hold 10^9 empty messages, each of which
   * would become an object of some hundred bytes.
   */
  fieldsLeft: number;
  readonly externalData: ((location: string, offset: number, length: number) => Uint8Array) | undefined;
}

export function malformed(context: ReadContext, what: string, options?: ErrorOptions): IsonormError {
  return new IsonormError(
    "ISO_ONNX_MALFORMED",
    `${context.source}: ${what}`,
    "Get the file again, or export the model anew",
    options,
  );
}

const wireTypes: Readonly<Record<FieldType, WireType>> = {
  string: WireType.LengthDelimited,
  bytes: WireType.LengthDelimited,
  message: WireType.LengthDelimited,
  int32: WireType.Varint,
  int64: WireType.Varint,
  float: WireType.Bit32,
};

type NamedField = readonly [name: string, field: Field];
const indexes = new WeakMap<Schema, ReadonlyMap<number, NamedField>>();

function indexOf(schema: Schema): ReadonlyMap<number, NamedField> {
  let index = indexes.get(schema);
  if (!index) {
    index = new Map(Object.entries(schema).map((entry) => [entry[1].number, entry]));
    indexes.set(schema, index);
  }
  return index;
}

/**
 * Reads one message. Bytes and embedded messages are views of the file. Unknown fields, and fields of another wire type than the
 * schema's, are skipped, as protobuf asks; numeric lists may be packed or not.
 *
 * @throws ISO_ONNX_MALFORMED with the position in the file
 */
export function readMessage<S extends Schema>(schema: S, bytes: Uint8Array, context: ReadContext): Message<S> {
  const index = indexOf(schema);
  const message: Record<string, unknown> = {};
  for (const name in schema) message[name] = schema[name]!.repeated ? [] : undefined;
  readFields(bytes, context, (reader, number, wireType) => {
    spend(context);
    const known = index.get(number);
    if (!known) return false;
    const [name, { type, repeated }] = known;
    const expected = wireTypes[type];
    if (wireType === expected) {
      const value = readValue(reader, type);
      if (repeated) (message[name] as unknown[]).push(value);
      else if (type === "message" && message[name] !== undefined) throw new Error(`${name} stands there twice`);
      else message[name] = value;
      return true;
    }
    if (!repeated || wireType !== WireType.LengthDelimited) return false;
    const end = reader.uint32() + reader.pos;
    while (reader.pos < end) {
      spend(context);
      (message[name] as unknown[]).push(readValue(reader, type));
    }
    if (reader.pos !== end) throw new Error(`a number of ${name} runs past the end of its list`);
    return true;
  });
  return message as Message<S>;
}

/**
 * Goes through the fields of a message.
 *
 * @param field - reads the field and returns true, or leaves it to be skipped and returns false
 * @throws ISO_ONNX_MALFORMED with the position in the file, whatever `field` throws
 */
export function readFields(
  bytes: Uint8Array,
  context: ReadContext,
  field: (reader: BinaryReader, number: number, wireType: WireType) => boolean,
): void {
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      if (!field(reader, number, wireType)) reader.skip(wireType, number);
      if (reader.pos > reader.len) throw new RangeError("premature EOF");
    }
  } catch (error) {
    if (error instanceof IsonormError) throw error;
    const position = bytes.byteOffset - context.start + Math.min(reader.pos, reader.len);
    const reason = error instanceof Error ? error.message : String(error);
    throw malformed(context, `the file is truncated or damaged near byte ${position} (${reason})`, { cause: error });
  }
}

function spend(context: ReadContext): void {
  if (--context.fieldsLeft >= 0) return;
  throw new IsonormError(
    "ISO_ONNX_TOO_LARGE",
    `${context.source}: the file holds more fields outside its tensors' data than are allowed`,
    "Keep large constants in tensors, or split the model",
  );
}

function readValue(reader: BinaryReader, type: FieldType): unknown {
  switch (type) {
    case "string":
      return reader.string(true);
    case "bytes":
    case "message":
      return reader.bytes();
    case "int32":
      return reader.int32();
    case "int64":
      return BigInt(reader.int64());
    case "float":
      return reader.float();
  }
}

/** Encodes one message, fields in the schema's order, numeric lists packed; what is undefined or empty is left out. */
export function writeMessage<S extends Schema>(schema: S, message: Partial<Message<S>>): Uint8Array {
  const writer = new BinaryWriter();
  for (const [name, { number, type, repeated }] of Object.entries(schema)) {
    const value = message[name];
    if (value === undefined) continue;
    if (!repeated) {
      writer.tag(number, wireTypes[type]);
      writeValue(writer, type, value);
      continue;
    }
    const values = value as readonly unknown[];
    if (values.length === 0) continue;
    if (wireTypes[type] === WireType.LengthDelimited) {
      for (const element of values) {
        writer.tag(number, WireType.LengthDelimited);
        writeValue(writer, type, element);
      }
    } else {
      writer.tag(number, WireType.LengthDelimited).fork();
      for (const element of values) writeValue(writer, type, element);
      writer.join();
    }
  }
  return writer.finish();
}

function writeValue(writer: BinaryWriter, type: FieldType, value: unknown): void {
  switch (type) {
    case "string":
      writer.string(value as string);
      break;
    case "bytes":
    case "message":
      writer.bytes(value as Uint8Array);
      break;
    case "int32":
      writer.int32(value as number);
      break;
    case "int64":
      writer.int64(value as bigint);
      break;
    case "float":
      writer.float(value as number);
      break;
  }
}

/** The tag and length before an embedded message or bytes field. */
export function lengthPrefix(field: number, length: number): Uint8Array {
  return new BinaryWriter().tag(field, WireType.LengthDelimited).uint32(length).finish();
}
