import { IsonormError } from "../errors.js";
import {
  AttributeProto,
  attributeType,
  DimensionProto,
  GraphProto,
  maxGraphDepth,
  NodeProto,
  TensorShapeProto,
  TensorTypeProto,
  TypeProto,
  ValueInfoProto,
} from "./schema.js";
import { type Attribute, type Dimension, type Graph, type Node, onnxDataType, type ValueInfo } from "./types.js";
import { writeMessage } from "./wire.js";
import { encodeTensor } from "./writeTensor.js";

const text = new TextEncoder();

/**
 * A GraphProto without its initializers. (Protobuf fields may stand in any order, so the caller appends them.)
 *
 * @param depth - 0 for the model's own graph
 * @throws ISO_GRAPH_INVALID, ISO_ONNX_UNSUPPORTED where graphs are nested too deep
 */
export function encodeGraphWithoutInitializers(graph: Graph, irVersion: number, depth: number): Uint8Array {
  if (depth > maxGraphDepth)
    throw new IsonormError(
      "ISO_ONNX_UNSUPPORTED",
      `graphs are nested more than ${maxGraphDepth} deep in the attributes of graph "${graph.name}"`,
      "Flatten the model's control flow",
    );
  // Up to IR version 3 initializers had to be listed among the inputs.
  const listed: ValueInfo[] =
    irVersion < 4 ? [...graph.initializers].map(([name, { dtype, shape }]) => ({ name, dtype, shape })) : [];
  return writeMessage(GraphProto, {
    node: graph.nodes.map((node) => encodeNode(node, irVersion, depth)),
    name: graph.name,
    input: [...graph.inputs, ...listed].map(encodeValueInfo),
    output: graph.outputs.map(encodeValueInfo),
    valueInfo: graph.valueInfo.map(encodeValueInfo),
  });
}

function encodeGraph(graph: Graph, irVersion: number, depth: number): Uint8Array {
  const rest = encodeGraphWithoutInitializers(graph, irVersion, depth);
  const initializers = writeMessage(GraphProto, {
    initializer: [...graph.initializers].map(([name, tensor]) => encodeTensor(tensor, name)),
  });
  const whole = new Uint8Array(rest.length + initializers.length);
  whole.set(rest);
  whole.set(initializers, rest.length);
  return whole;
}

function encodeNode(node: Node, irVersion: number, depth: number): Uint8Array {
  return writeMessage(NodeProto, {
    input: node.inputs,
    output: node.outputs,
    name: node.name === "" ? undefined : node.name,
    opType: node.op,
    attribute: Object.entries(node.attributes).map(([name, attribute]) =>
      encodeAttribute(name, attribute, node, (graph) => encodeGraph(graph, irVersion, depth + 1)),
    ),
    domain: node.domain === "" ? undefined : node.domain,
  });
}

function encodeAttribute(
  name: string,
  attribute: Attribute,
  node: Node,
  graph: (graph: Graph) => Uint8Array,
): Uint8Array {
  const refuse = (value: number | bigint, expected: string) =>
    new IsonormError(
      "ISO_GRAPH_INVALID",
      `attribute "${name}" of node "${node.name || node.outputs[0]}" (${node.op}) is ${value}, which is no ${expected}`,
      "Correct the attribute",
    );
  const integer = (value: number) => {
    if (!Number.isSafeInteger(value)) throw refuse(value, "integer that a number holds exactly");
    return BigInt(value);
  };
  const int64 = (value: bigint) => {
    if (BigInt.asIntN(64, value) !== value) throw refuse(value, "64-bit integer");
    return value;
  };
  const float = (value: number) => {
    if (Number.isFinite(value) && !Number.isFinite(Math.fround(value))) throw refuse(value, "32-bit float");
    return value;
  };
  const { kind } = attribute;
  const write = (fields: Parameters<typeof writeMessage<typeof AttributeProto>>[1], type: number) =>
    writeMessage(AttributeProto, { name, ...fields, type });
  switch (kind) {
    case "int":
      return write({ i: integer(attribute.value) }, attributeType.int);
    case "ints":
      return write({ ints: attribute.value.map(integer) }, attributeType.ints);
    case "bigint":
      return write({ i: int64(attribute.value) }, attributeType.int);
    case "bigints":
      return write({ ints: attribute.value.map(int64) }, attributeType.ints);
    case "float":
      return write({ f: float(attribute.value) }, attributeType.float);
    case "floats":
      return write({ floats: attribute.value.map(float) }, attributeType.floats);
    case "string":
      return write({ s: text.encode(attribute.value) }, attributeType.string);
    case "strings":
      return write({ strings: attribute.value.map((element) => text.encode(element)) }, attributeType.strings);
    case "tensor":
      return write({ t: encodeTensor(attribute.value, "") }, attributeType.tensor);
    case "tensors":
      return write({ tensors: attribute.value.map((tensor) => encodeTensor(tensor, "")) }, attributeType.tensors);
    case "graph":
      return write({ g: graph(attribute.value) }, attributeType.graph);
    case "graphs":
      return write({ graphs: attribute.value.map(graph) }, attributeType.graphs);
  }
}

function encodeValueInfo({ name, dtype, shape }: ValueInfo): Uint8Array {
  if (dtype === undefined && shape === undefined) return writeMessage(ValueInfoProto, { name });
  const tensorType = writeMessage(TensorTypeProto, {
    elemType: dtype && onnxDataType[dtype],
    shape: shape && writeMessage(TensorShapeProto, { dim: shape.map((dimension) => encodeDimension(dimension, name)) }),
  });
  return writeMessage(ValueInfoProto, { name, type: writeMessage(TypeProto, { tensorType }) });
}

function encodeDimension(dimension: Dimension, name: string): Uint8Array {
  if (dimension === undefined) return new Uint8Array(0);
  if (typeof dimension === "string") return writeMessage(DimensionProto, { dimParam: dimension });
  if (!Number.isSafeInteger(dimension) || dimension < 0)
    throw new IsonormError(
      "ISO_GRAPH_INVALID",
      `value "${name}" has the dimension ${dimension}`,
      "Give a whole number, a symbol's name, or undefined",
    );
  return writeMessage(DimensionProto, { dimValue: BigInt(dimension) });
}
