/**
 * The part of ONNX's protobuf schema (onnx.proto, IR versions 1 to 13) that isonorm reads and writes, as data.
 * What is not listed is skipped on reading: doc strings, denotations, node metadata, training information.
 */

export type FieldType = "string" | "bytes" | "message" | "int32" | "int64" | "float";

export interface Field<T extends FieldType = FieldType, R extends boolean = boolean> {
  readonly number: number;
  readonly type: T;
  readonly repeated: R;
}

export type Schema = Readonly<Record<string, Field>>;

interface FieldValue {
  string: string;
  bytes: Uint8Array;
  /** An embedded message, still encoded: whoever reads it decides how deep to go. */
  message: Uint8Array;
  int32: number;
  int64: bigint;
  float: number;
}

/** A message by its schema: repeated fields are lists, singular ones undefined where the file has none. */
export type Message<S extends Schema> = {
  readonly [K in keyof S]: S[K]["repeated"] extends true
    ? readonly FieldValue[S[K]["type"]][]
    : FieldValue[S[K]["type"]] | undefined;
};

const one = <const T extends FieldType>(number: number, type: T): Field<T, false> => ({
  number,
  type,
  repeated: false,
});
const many = <const T extends FieldType>(number: number, type: T): Field<T, true> => ({ number, type, repeated: true });

export const ModelProto = {
  irVersion: one(1, "int64"),
  producerName: one(2, "string"),
  producerVersion: one(3, "string"),
  graph: one(7, "message"),
  opsetImport: many(8, "message"),
  metadataProps: many(14, "message"),
  functions: many(25, "message"),
} satisfies Schema;

export const OperatorSetIdProto = { domain: one(1, "string"), version: one(2, "int64") } satisfies Schema;

export const StringStringEntryProto = { key: one(1, "string"), value: one(2, "string") } satisfies Schema;

/** Read only to name the functions of a model that is refused for them. */
export const FunctionProto = { name: one(1, "string"), domain: one(10, "string") } satisfies Schema;

export const GraphProto = {
  node: many(1, "message"),
  name: one(2, "string"),
  initializer: many(5, "message"),
  input: many(11, "message"),
  output: many(12, "message"),
  valueInfo: many(13, "message"),
  sparseInitializer: many(15, "message"),
} satisfies Schema;

/** Read only to name a sparse initializer: the name stands in its values. */
export const SparseTensorProto = { values: one(1, "message") } satisfies Schema;

export const NodeProto = {
  input: many(1, "string"),
  output: many(2, "string"),
  name: one(3, "string"),
  opType: one(4, "string"),
  attribute: many(5, "message"),
  domain: one(7, "string"),
} satisfies Schema;

export const AttributeProto = {
  name: one(1, "string"),
  f: one(2, "float"),
  i: one(3, "int64"),
  s: one(4, "bytes"),
  t: one(5, "message"),
  g: one(6, "message"),
  floats: many(7, "float"),
  ints: many(8, "int64"),
  strings: many(9, "bytes"),
  tensors: many(10, "message"),
  graphs: many(11, "message"),
  type: one(20, "int32"),
  refAttrName: one(21, "string"),
} satisfies Schema;

/** AttributeProto.AttributeType */
export const attributeType = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
} as const;

/** Without the numeric data fields, whose numbers are in `numericDataField`: they are read straight into a typed array. */
export const TensorProto = {
  dims: many(1, "int64"),
  dataType: one(2, "int32"),
  segment: one(3, "message"),
  stringData: many(6, "bytes"),
  name: one(8, "string"),
  externalData: many(13, "message"),
  dataLocation: one(14, "int32"),
  rawData: one(9, "bytes"),
} satisfies Schema;

/** TensorProto.DataLocation.EXTERNAL */
export const externalLocation = 1;

export const ValueInfoProto = { name: one(1, "string"), type: one(2, "message") } satisfies Schema;

/** Sequences, maps, optionals and sparse tensors (fields 4, 5, 8, 9) are no tensors and are not read. */
export const TypeProto = { tensorType: one(1, "message") } satisfies Schema;

export const TensorTypeProto = { elemType: one(1, "int32"), shape: one(2, "message") } satisfies Schema;

export const TensorShapeProto = { dim: many(1, "message") } satisfies Schema;

export const DimensionProto = { dimValue: one(1, "int64"), dimParam: one(2, "string") } satisfies Schema;

/**
 * Deepest nesting of graphs inside attributes. Protobuf's own readers stop at 100 messages, three to a graph, so no file that
 * ONNX Runtime can read comes near it.
 */
export const maxGraphDepth = 64;

/** Largest ONNX file: protobuf messages end at 2 GiB. */
export const maxModelBytes = 2 ** 31 - 1;
