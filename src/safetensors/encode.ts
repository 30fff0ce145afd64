import { IsonormError } from "../errors.js";
import { bytesOfTensor, elementCount, elementSize, type Tensor } from "../onnx/index.js";
import { alignment, headerLengthBytes, metadataKey, typeNames } from "./format.js";

/**
 * Encodes tensors as a safetensors file. The same tensors give the same bytes, whatever their order in the map.
 *
 * @example
 * const bytes = encodeSafetensors(new Map([["w", { dtype: "float32", shape: [2], data: Float32Array.of(1, 2) }]]), { step: "7" });
 *
 * @throws ISO_ARGUMENT for string tensors, the name `__metadata__`, and shapes that do not fit their data
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const chunks = [...safetensorsChunks(tensors, metadata)];
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let position = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, position);
    position += chunk.length;
  }
  return bytes;
}

/** The bytes of `encodeSafetensors` in pieces: the header, then a view of each tensor, so that writing them needs no second copy. */
export function* safetensorsChunks(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Generator<Uint8Array, void, undefined> {
  const stored = [...tensors].map(([name, tensor]) => storable(name, tensor));
  // Widest elements first, as the reference implementation orders them: then each tensor starts at a multiple of its element size.
  stored.sort((a, b) => elementSize[b.tensor.dtype] - elementSize[a.tensor.dtype] || (a.name < b.name ? -1 : 1));

  let end = 0;
  const entries = stored.map(({ name, tensor, bytes }) => {
    const begin = end;
    end += bytes.length;
    return [name, { dtype: typeNames[tensor.dtype], shape: tensor.shape, data_offsets: [begin, end] }] as const;
  });
  const described = Object.keys(metadata).length === 0 ? [] : [[metadataKey, metadata] as const];
  yield encodeHeader(Object.fromEntries<unknown>([...described, ...entries]));
  for (const { bytes } of stored) yield bytes;
}

type NumericTensor = Exclude<Tensor, { dtype: "string" }>;

function storable(name: string, tensor: Tensor): { name: string; tensor: NumericTensor; bytes: Uint8Array } {
  const refuse = (what: string, remedy: string) =>
    new IsonormError("ISO_ARGUMENT", `cannot store tensor "${name}" as safetensors: ${what}`, remedy);
  if (name === metadataKey) throw refuse("the format keeps that name for metadata", "Give the tensor another name");
  if (tensor.dtype === "string") throw refuse("it holds strings", "Keep strings in the metadata");
  if (elementCount(tensor.shape) !== tensor.data.length)
    throw refuse(`its shape is [${tensor.shape}] but it holds ${tensor.data.length} elements`, "Correct the shape");
  return { name, tensor, bytes: bytesOfTensor(tensor) };
}

function encodeHeader(header: object): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(json.length / alignment) * alignment;
  const bytes = new Uint8Array(headerLengthBytes + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, headerLengthBytes);
  return bytes;
}
