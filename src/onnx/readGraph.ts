import { IsonormError } from "../errors.js";
import { dataTypeName, dataTypeOf } from "./dataType.js";
import { readAttribute } from "./readAttribute.js";
import { readTensor } from "./readTensor.js";
import {
  DimensionProto,
  GraphProto,
  maxGraphDepth,
  NodeProto,
  SparseTensorProto,
  TensorProto,
  TensorShapeProto,
  TensorTypeProto,
  TypeProto,
  ValueInfoProto,
} from "./schema.js";
import type { Attribute, Dimension, Graph, Node, Tensor, ValueInfo } from "./types.js";
import { malformed, type ReadContext, readMessage } from "./wire.js";

/**
 * Decodes a GraphProto and the graphs in its nodes' attributes.
 *
 * @param depth - 0 for the model's own graph
 */
export function readGraph(bytes: Uint8Array, context: ReadContext, depth: number): Graph {
  if (depth > maxGraphDepth)
    throw new IsonormError(
      "ISO_ONNX_UNSUPPORTED",
      `${context.source}: graphs are nested more than ${maxGraphDepth} deep in the attributes`,
      "Flatten the model's control flow",
    );
  const proto = readMessage(GraphProto, bytes, context);
  if (proto.sparseInitializer.length > 0) throw hasSparse(proto.sparseInitializer[0]!, context);

  const initializers = new Map<string, Tensor>();
  for (const entry of proto.initializer) {
    const { name, tensor } = readTensor(entry, "an initializer", context);
    if (name === "") throw malformed(context, "an initializer has no name");
    if (initializers.has(name)) throw malformed(context, `two initializers are named "${name}"`);
    initializers.set(name, tensor);
  }
  const values = (entries: readonly Uint8Array[], role: Role) =>
    entries.map((entry) => readValueInfo(entry, depth === 0 ? role : "value", context));
  return {
    name: proto.name ?? "",
    nodes: proto.node.map((entry) => readNode(entry, context, depth)),
    // Up to IR version 3 initializers had to be listed among the inputs.
    inputs: values(proto.input, "input").filter(({ name }) => !initializers.has(name)),
    outputs: values(proto.output, "output"),
    initializers,
    valueInfo: values(proto.valueInfo, "value").filter(
      ({ dtype, shape }) => dtype !== undefined || shape !== undefined,
    ),
  };
}

function readNode(bytes: Uint8Array, context: ReadContext, depth: number): Node {
  const proto = readMessage(NodeProto, bytes, context);
  const op = proto.opType ?? "";
  const name = proto.name ?? "";
  const where = `node "${name || proto.output[0] || ""}" (${op})`;
  const attributes = new Map<string, Attribute>();
  for (const entry of proto.attribute) {
    const attribute = readAttribute(entry, where, context, (graph) => readGraph(graph, context, depth + 1));
    if (attributes.has(attribute.name))
      throw malformed(context, `${where} has two attributes named "${attribute.name}"`);
    attributes.set(attribute.name, attribute.attribute);
  }
  return {
    op,
    domain: proto.domain === undefined || proto.domain === "ai.onnx" ? "" : proto.domain,
    name,
    inputs: proto.input,
    outputs: proto.output,
    attributes: Object.fromEntries(attributes),
  };
}

/** What a value is to the model: its inputs and outputs must be tensors of a known type; for inner values the type is left undefined. */
type Role = "input" | "output" | "value";

function readValueInfo(bytes: Uint8Array, role: Role, context: ReadContext): ValueInfo {
  const proto = readMessage(ValueInfoProto, bytes, context);
  const name = proto.name ?? "";
  const unknown: ValueInfo = { name, dtype: undefined, shape: undefined };
  if (proto.type === undefined) return unknown;
  const required = role !== "value";
  const { tensorType } = readMessage(TypeProto, proto.type, context);
  if (tensorType === undefined) {
    if (required && proto.type.length > 0) throw unsupportedType(`${role} "${name}"`, "no tensor", context);
    return unknown;
  }
  const { elemType = 0, shape } = readMessage(TensorTypeProto, tensorType, context);
  const dtype = dataTypeOf(elemType);
  if (dtype === undefined && elemType !== 0) {
    if (required) throw unsupportedType(`${role} "${name}"`, `a tensor of ${dataTypeName(elemType)}`, context);
    return unknown;
  }
  if (shape === undefined) return { name, dtype, shape: undefined };
  const dimensions = readMessage(TensorShapeProto, shape, context).dim.map((entry): Dimension => {
    const { dimValue, dimParam } = readMessage(DimensionProto, entry, context);
    if (dimParam !== undefined && dimParam !== "") return dimParam;
    // Some exporters write -1 for an unknown size; ONNX Runtime reads it so too.
    if (dimValue === undefined || dimValue < 0n) return undefined;
    if (dimValue > BigInt(Number.MAX_SAFE_INTEGER))
      throw malformed(context, `value "${name}" has the dimension ${dimValue}`);
    return Number(dimValue);
  });
  return { name, dtype, shape: dimensions };
}

function unsupportedType(what: string, type: string, context: ReadContext): IsonormError {
  return new IsonormError(
    "ISO_ONNX_UNSUPPORTED",
    `${context.source}: the model's ${what} is ${type}`,
    "Export the model with tensors of plain numbers as inputs and outputs",
  );
}

function hasSparse(bytes: Uint8Array, context: ReadContext): IsonormError {
  const { values } = readMessage(SparseTensorProto, bytes, context);
  const name = values && readMessage(TensorProto, values, context).name;
  return new IsonormError(
    "ISO_ONNX_UNSUPPORTED",
    `${context.source}: the initializer "${name ?? ""}" is sparse`,
    "Store it as a dense tensor",
  );
}
