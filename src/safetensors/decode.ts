import { IsonormError } from "../errors.js";
import { elementSize, type Tensor, tensorOverBytes } from "../onnx/index.js";
import { headerLengthBytes, maxHeaderBytes, metadataKey, type StorableType, typeNames } from "./format.js";

export interface SafetensorsOptions {
  /** What messages call the file, its path for one. Default "the safetensors file". */
  readonly source?: string;
}

type Refuse = (what: string, cause?: unknown) => IsonormError;

interface Entry {
  readonly name: string;
  readonly dtype: StorableType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

const typesByName = new Map(
  (Object.keys(typeNames) as StorableType[]).map((dtype) => [typeNames[dtype] as string, dtype] as const),
);

/**
 * Decodes a safetensors file. Tensors are views of `bytes` where their alignment allows, so `bytes` must not change afterwards.
 *
 * @returns tensors in the order of their data, and the metadata
 * @throws ISO_CHECKPOINT_MALFORMED for whatever breaks the format: a truncated file, a header that is no such JSON, unknown types, offsets
 * that overlap, leave gaps or do not fit the shapes
 */
export function decodeSafetensors(
  bytes: Uint8Array,
  options: SafetensorsOptions = {},
): { tensors: Map<string, Tensor>; metadata: Record<string, string> } {
  const { source = "the safetensors file" } = options;
  const refuse: Refuse = (what, cause) =>
    new IsonormError("ISO_CHECKPOINT_MALFORMED", `${source}: ${what}`, "Use another checkpoint", { cause });

  const headerEnd = readHeaderEnd(bytes, refuse);
  const header = parseHeader(bytes.subarray(headerLengthBytes, headerEnd), refuse);
  const data = new Uint8Array(bytes.buffer, bytes.byteOffset + headerEnd, bytes.length - headerEnd);
  const entries = Object.entries(header)
    .filter(([name]) => name !== metadataKey)
    .map(([name, value]) => readEntry(name, value, refuse))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);

  const tensors = new Map<string, Tensor>();
  let position = 0;
  for (const { name, dtype, shape, begin, end } of entries) {
    if (begin !== position)
      throw refuse(
        `tensor "${name}" starts at ${begin}, but the data before it ${begin < position ? "reach" : "end at"} ${position}`,
      );
    if (end > data.length)
      throw refuse(`tensor "${name}" ends at ${end}, but the file holds only ${data.length} bytes of data`);
    tensors.set(name, tensorOverBytes(dtype, shape, data.subarray(begin, end)));
    position = end;
  }
  if (position !== data.length) throw refuse(`${data.length - position} bytes follow the last tensor`);
  return { tensors, metadata: readMetadata(header[metadataKey], refuse) };
}

function readHeaderEnd(bytes: Uint8Array, refuse: Refuse): number {
  if (bytes.length < headerLengthBytes)
    throw refuse(`the file has ${bytes.length} bytes, fewer than the 8 of the header's length`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, headerLengthBytes).getBigUint64(0, true);
  const left = bytes.length - headerLengthBytes;
  if (length > BigInt(maxHeaderBytes)) throw refuse(`the header claims ${length} bytes, more than the format allows`);
  if (length > BigInt(left))
    throw refuse(`the header claims ${length} bytes, but the file has only ${left} after its length`);
  return headerLengthBytes + Number(length);
}

function parseHeader(bytes: Uint8Array, refuse: Refuse): Readonly<Record<string, unknown>> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw refuse("the header is no JSON", error);
  }
  if (!isRecord(header)) throw refuse("the header is no JSON object");
  return header;
}

function readEntry(name: string, value: unknown, refuse: Refuse): Entry {
  if (!isRecord(value))
    throw refuse(`tensor "${name}" is described by ${JSON.stringify(value)?.slice(0, 80)}, no object`);
  const { dtype: typeName, shape, data_offsets: offsets } = value;
  const dtype = typeof typeName === "string" ? typesByName.get(typeName) : undefined;
  if (dtype === undefined)
    throw refuse(`tensor "${name}" has the element type ${JSON.stringify(typeName)?.slice(0, 80)}`);
  if (!isSizes(shape)) throw refuse(`tensor "${name}" has the shape ${JSON.stringify(shape)?.slice(0, 80)}`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!)
    throw refuse(`tensor "${name}" has the offsets ${JSON.stringify(offsets)?.slice(0, 80)}`);
  const [begin, end] = offsets as [number, number];
  // Products beyond 2^53 are inexact, but far above any end - begin that the file can hold, so they still differ from it.
  const needed = shape.includes(0) ? 0 : shape.reduce((product, size) => product * size, elementSize[dtype]);
  if (needed !== end - begin)
    throw refuse(
      `tensor "${name}" of type ${typeName} and shape [${shape}] needs ${needed} bytes, but has ${end - begin}`,
    );
  return { name, dtype, shape, begin, end };
}

function readMetadata(value: unknown, refuse: Refuse): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value)) throw refuse("the metadata are no JSON object");
  for (const [key, text] of Object.entries(value))
    if (typeof text !== "string") throw refuse(`the metadata entry "${key}" is no string`);
  return value as Record<string, string>;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
