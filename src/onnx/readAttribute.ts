import { IsonormError } from "../errors.js";
import { readTensor, readText } from "./readTensor.js";
import { AttributeProto, attributeType, type Message } from "./schema.js";
import type { Attribute, Graph } from "./types.js";
import { malformed, type ReadContext, readMessage } from "./wire.js";

/**
 * Decodes an AttributeProto.
 *
 * @param where - the node, for messages
 * @param graph - decodes a graph one level deeper
 * @throws ISO_ONNX_UNSUPPORTED for types, sparse tensors and references to a function's attributes
 */
export function readAttribute(
  bytes: Uint8Array,
  where: string,
  context: ReadContext,
  graph: (bytes: Uint8Array) => Graph,
): { name: string; attribute: Attribute } {
  const proto = readMessage(AttributeProto, bytes, context);
  const { name } = proto;
  if (name === undefined || name === "") throw malformed(context, `${where} has an attribute without a name`);
  const label = `attribute "${name}" of ${where}`;
  if (proto.refAttrName)
    throw new IsonormError(
      "ISO_ONNX_UNSUPPORTED",
      `${context.source}: ${label} refers to the attribute "${proto.refAttrName}" of a function`,
      "Inline the model's functions first",
    );
  const present = <T>(value: T | undefined): T => {
    if (value === undefined) throw malformed(context, `${label} has no value`);
    return value;
  };
  const tensor = (encoded: Uint8Array) => readTensor(encoded, label, context).tensor;
  const text = (encoded: Uint8Array) => readText(encoded, label, context);

  const attribute = (): Attribute => {
    switch (proto.type || typeByContent(proto)) {
      // An int, float or string at its default may be left out by proto3 writers.
      case attributeType.float:
        return { kind: "float", value: proto.f ?? 0 };
      case attributeType.int:
        return intAttribute(proto.i ?? 0n);
      case attributeType.string:
        return { kind: "string", value: text(proto.s ?? new Uint8Array(0)) };
      case attributeType.tensor:
        return { kind: "tensor", value: tensor(present(proto.t)) };
      case attributeType.graph:
        return { kind: "graph", value: graph(present(proto.g)) };
      case attributeType.floats:
        return { kind: "floats", value: proto.floats };
      case attributeType.ints:
        return intsAttribute(proto.ints);
      case attributeType.strings:
        return { kind: "strings", value: proto.strings.map(text) };
      case attributeType.tensors:
        return { kind: "tensors", value: proto.tensors.map(tensor) };
      case attributeType.graphs:
        return { kind: "graphs", value: proto.graphs.map(graph) };
      case undefined:
        throw malformed(context, `${label} has neither a type nor a value`);
      default:
        throw new IsonormError(
          "ISO_ONNX_UNSUPPORTED",
          `${context.source}: ${label} is a sparse tensor or a type (attribute type ${proto.type})`,
          "Replace the operator in the model",
        );
    }
  };
  return { name, attribute: attribute() };
}

function isSafe(value: bigint): boolean {
  return BigInt.asIntN(54, value) === value && value !== -(2n ** 53n);
}

function intAttribute(value: bigint): Attribute {
  return isSafe(value) ? { kind: "int", value: Number(value) } : { kind: "bigint", value };
}

function intsAttribute(values: readonly bigint[]): Attribute {
  return values.every(isSafe) ? { kind: "ints", value: values.map(Number) } : { kind: "bigints", value: values };
}

/** Files of the first IR version do not state the type: the one field that is there tells it. */
function typeByContent(proto: Message<typeof AttributeProto>): number | undefined {
  if (proto.f !== undefined) return attributeType.float;
  if (proto.i !== undefined) return attributeType.int;
  if (proto.s !== undefined) return attributeType.string;
  if (proto.t !== undefined) return attributeType.tensor;
  if (proto.g !== undefined) return attributeType.graph;
  if (proto.floats.length > 0) return attributeType.floats;
  if (proto.ints.length > 0) return attributeType.ints;
  if (proto.strings.length > 0) return attributeType.strings;
  if (proto.tensors.length > 0) return attributeType.tensors;
  if (proto.graphs.length > 0) return attributeType.graphs;
  return undefined;
}
