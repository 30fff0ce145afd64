import { IsonormError } from "../errors.js";
import { foreignFile } from "./foreignFile.js";
import { readGraph } from "./readGraph.js";
import { FunctionProto, ModelProto, maxModelBytes, OperatorSetIdProto, StringStringEntryProto } from "./schema.js";
import type { Model } from "./types.js";
import { malformed, type ReadContext, readMessage } from "./wire.js";

export interface DecodeOptions {
  /** What messages call the model, its path for one. Default "the model". */
  readonly source?: string;
  /**
   * Gives `length` bytes from `offset` of the file at `location` (as written in the model, so not to be trusted).
   * Without it a model with external data is refused.
   */
  readonly externalData?: (location: string, offset: number, length: number) => Uint8Array;
  /** Larger files are refused. Default 2 GiB - 1, protobuf's own limit. */
  readonly maxBytes?: number;
  /**
   * Files with more protobuf fields and list elements, tensor data apart, are refused, since each takes far more memory than its two or so
   * bytes in the file. Default 2^22: a node takes about twenty, so that is some 200,000 nodes.
   */
  readonly maxFields?: number;
}

/**
 * Decodes an ONNX file (a serialized ModelProto). Numeric tensors are views of `bytes` where their alignment allows, so `bytes` must not
 * change afterwards. Dropped: doc strings, denotations, node metadata, training information. The graph's logic is not checked:
 * `validateGraph` does that.
 *
 * @example
 * const model = decode(await file.bytes());
 * console.log(model.graph.nodes.length);
 *
 * @throws ISO_ONNX_MALFORMED for files that are empty, truncated, damaged or no ONNX at all; ISO_ONNX_UNSUPPORTED for local functions,
 * sparse tensors, element types, attributes and graph inputs that isonorm has no place for, by name; ISO_ONNX_EXTERNAL_DATA;
 * ISO_ONNX_TOO_LARGE
 */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): Model {
  const { source = "the model", maxBytes = maxModelBytes, maxFields = 2 ** 22 } = options;
  const context: ReadContext = {
    source,
    start: bytes.byteOffset,
    fieldsLeft: maxFields,
    externalData: options.externalData,
  };
  if (bytes.length === 0) throw malformed(context, "the file is empty");
  if (bytes.length > maxBytes)
    throw new IsonormError(
      "ISO_ONNX_TOO_LARGE",
      `${source}: the file has ${bytes.length} bytes, more than ${maxBytes}`,
      "Keep large tensors in an external data file",
    );
  try {
    // Tensors that view the file are to be plain Uint8Arrays, not Node's Buffers.
    return readModelProto(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), context);
  } catch (error) {
    const looks = error instanceof IsonormError && error.code === "ISO_ONNX_MALFORMED" ? foreignFile(bytes) : undefined;
    if (looks === undefined) throw error;
    throw new IsonormError(
      "ISO_ONNX_MALFORMED",
      `${source}: the file is no ONNX model, it looks like ${looks}`,
      "Export the model to ONNX and give that file",
      { cause: error },
    );
  }
}

function readModelProto(bytes: Uint8Array, context: ReadContext): Model {
  const proto = readMessage(ModelProto, bytes, context);
  if (proto.graph === undefined)
    throw malformed(context, "the file holds no graph, so it is no ONNX model or a truncated one");
  const irVersion = Number(proto.irVersion ?? 0n);
  if (!Number.isSafeInteger(irVersion) || irVersion < 1)
    throw malformed(context, `the file has the IR version ${irVersion}, so it is no ONNX model or a damaged one`);
  if (proto.functions.length > 0) throw hasFunctions(proto.functions, context);

  const opsets = new Map<string, number>();
  for (const entry of proto.opsetImport) {
    const { domain = "", version = 0n } = readMessage(OperatorSetIdProto, entry, context);
    const name = domain === "ai.onnx" ? "" : domain;
    const number = Number(version);
    if (!Number.isSafeInteger(number) || number < 1)
      throw malformed(context, `the operator set "${domain || "ai.onnx"}" has the version ${version}`);
    const other = opsets.get(name);
    if (other !== undefined && other !== number)
      throw malformed(
        context,
        `the operator set "${domain || "ai.onnx"}" is imported as version ${other} and ${number}`,
      );
    opsets.set(name, number);
  }
  // Operator sets came with IR version 3; before it, there was only the first.
  if (irVersion < 3 && opsets.size === 0) opsets.set("", 1);

  const metadata = new Map<string, string>();
  for (const entry of proto.metadataProps) {
    const { key = "", value = "" } = readMessage(StringStringEntryProto, entry, context);
    metadata.set(key, value);
  }
  return {
    graph: readGraph(proto.graph, context, 0),
    irVersion,
    opsets,
    producerName: proto.producerName ?? "",
    producerVersion: proto.producerVersion ?? "",
    metadata,
  };
}

function hasFunctions(functions: readonly Uint8Array[], context: ReadContext): IsonormError {
  const names = functions.slice(0, 5).map((bytes) => {
    const { name = "", domain = "" } = readMessage(FunctionProto, bytes, context);
    return domain === "" ? name : `${domain}:${name}`;
  });
  const more = functions.length > names.length ? ` and ${functions.length - names.length} more` : "";
  return new IsonormError(
    "ISO_ONNX_UNSUPPORTED",
    `${context.source}: the model defines functions of its own (${names.join(", ")}${more})`,
    "Inline them first, with onnx.inliner.inline_local_functions for one",
  );
}
