import { IsonormError } from "../errors.js";
import { elementSize } from "./dataType.js";
import { GraphProto, ModelProto, maxModelBytes, OperatorSetIdProto, StringStringEntryProto } from "./schema.js";
import type { Graph, Model, Tensor } from "./types.js";
import { lengthPrefix, writeMessage } from "./wire.js";
import { encodeGraphWithoutInitializers } from "./writeGraph.js";
import { encodeTensorHead, rawBytes } from "./writeTensor.js";

/**
 * Encodes a model as an ONNX file. The same model gives the same bytes.
 *
 * @example
 * const bytes = encode(model);
 * const session = await InferenceSession.create(bytes);
 *
 * @throws ISO_ONNX_TOO_LARGE above 2 GiB; ISO_GRAPH_INVALID for tensors and attributes that contradict themselves;
 * ISO_ONNX_UNSUPPORTED for graphs nested too deep in attributes
 */
export function encode(model: Model): Uint8Array {
  const chunks = encodeChunks(model);
  const bytes = new Uint8Array(totalLength(chunks));
  let position = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, position);
    position += chunk.length;
  }
  return bytes;
}

/**
 * The bytes of `encode` in pieces. Those of the graph's initializers are views of their tensors, so writing the pieces to a file one after
 * the other needs no second copy of the weights.
 */
export function encodeChunks(model: Model): readonly Uint8Array[] {
  refuseTooLarge(tensorBytesOf(model.graph));
  const head = writeMessage(ModelProto, {
    irVersion: BigInt(model.irVersion),
    producerName: model.producerName,
    producerVersion: model.producerVersion,
    opsetImport: [...model.opsets].map(([domain, version]) =>
      writeMessage(OperatorSetIdProto, { domain, version: BigInt(version) }),
    ),
    metadataProps: [...model.metadata].map(([key, value]) => writeMessage(StringStringEntryProto, { key, value })),
  });
  const graph = [encodeGraphWithoutInitializers(model.graph, model.irVersion, 0)];
  for (const [name, tensor] of model.graph.initializers) {
    const tensorHead = encodeTensorHead(tensor, name);
    const raw = rawBytes(tensor);
    graph.push(lengthPrefix(GraphProto.initializer.number, tensorHead.length + raw.length), tensorHead, raw);
  }
  refuseTooLarge(totalLength(graph));
  const chunks = [head, lengthPrefix(ModelProto.graph.number, totalLength(graph)), ...graph];
  refuseTooLarge(totalLength(chunks));
  return chunks;
}

function totalLength(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

/** Bytes of all numeric tensors, those in attributes included: known before any of them is copied. */
function tensorBytesOf(graph: Graph): number {
  const size = ({ dtype, data }: Tensor) => data.length * elementSize[dtype];
  let sum = 0;
  const pending = [graph];
  for (let next = pending.pop(); next; next = pending.pop()) {
    for (const tensor of next.initializers.values()) sum += size(tensor);
    for (const node of next.nodes)
      for (const attribute of Object.values(node.attributes)) {
        if (attribute.kind === "tensor") sum += size(attribute.value);
        else if (attribute.kind === "tensors") for (const tensor of attribute.value) sum += size(tensor);
        else if (attribute.kind === "graph") pending.push(attribute.value);
        else if (attribute.kind === "graphs") pending.push(...attribute.value);
      }
  }
  return sum;
}

function refuseTooLarge(bytes: number): void {
  if (bytes <= maxModelBytes) return;
  throw new IsonormError(
    "ISO_ONNX_TOO_LARGE",
    `the model needs ${bytes} bytes, but an ONNX file ends at ${maxModelBytes} (2 GiB)`,
    "Make the model smaller, or store its weights in half precision",
  );
}
