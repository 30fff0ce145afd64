import { stat } from "node:fs/promises";
import { IsonormError } from "../../errors.js";
import { contentOf, isGzip } from "../files.js";

/**
 * The IDX format (Y. LeCun's MNIST page): two zero bytes, the element type (8 for unsigned byte), the number of dimensions, each dimension as a big-endian uint32, then
 * the elements.
 */
export interface IdxHeader {
  readonly dimensions: readonly number[];
  /** Bytes of the header itself. */
  readonly bytes: number;
}

const typeNames: Record<number, string> = {
  8: "uint8",
  9: "int8",
  11: "int16",
  12: "int32",
  13: "float32",
  14: "float64",
};

/**
 * The header of an IDX file of unsigned bytes with that many dimensions.
 *
 * @param start - the file's first bytes, at least 4 + 4 * rank of them where the file is whole
 * @throws ISO_DATA_TRUNCATED, ISO_DATA_FORMAT
 */
export function parseIdxHeader(path: string, start: Uint8Array, ranks: readonly number[]): IdxHeader {
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const rank = start[3] ?? 0;
  const bytes = 4 + 4 * rank;
  if (start.length < 4) throw truncated(path, "a header of 4 bytes or more", `${start.length} bytes`);
  const expected = `expected are the bytes 00 00 08 and ${ranks.map((value) => `0${value}`).join(" or ")}`;
  const found = [...start.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  if (view.getUint16(0) !== 0 || !ranks.includes(rank) || start[2] !== 8) {
    const type = view.getUint16(0) === 0 ? typeNames[start[2]!] : undefined;
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `${path} starts with ${found}${type ? ` (${type}, ${rank} dimensions)` : ""}, and ${expected} of an IDX file of unsigned bytes`,
      "Give MNIST-like image and label files",
    );
  }
  if (start.length < bytes) throw truncated(path, `a header of ${bytes} bytes`, `${start.length} bytes`);
  const dimensions = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const empty = dimensions.slice(1).includes(0);
  if (empty || dimensions.slice(1).reduce((product, size) => product * size, 1) > 2 ** 28) {
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `${path} says that it holds elements of ${dimensions.slice(1).join("x")}`,
      "Give MNIST-like image and label files",
    );
  }
  return { dimensions, bytes };
}

function truncated(path: string, expected: string, found: string): IsonormError {
  return new IsonormError(
    "ISO_DATA_TRUNCATED",
    `${path} is cut off: ${expected} expected, ${found} found`,
    "Download or copy the file again",
  );
}

/** Passes on the elements after the header, and reads on until the stated number of bytes is complete. */
export interface IdxReading {
  readonly header: IdxHeader;
  /** The elements' bytes, in chunks of any size; throws ISO_DATA_TRUNCATED or, where there are too many, ISO_DATA_FORMAT. */
  readonly chunks: AsyncGenerator<Uint8Array>;
}

/** Opens an IDX file, gzipped or not. For one that is not, the size is compared before anything is read. */
export async function readIdx(path: string, ranks: readonly number[]): Promise<IdxReading> {
  const content = contentOf(path);
  const wanted = 4 + 4 * Math.max(...ranks);
  let start: Uint8Array = new Uint8Array(0);
  while (start.length < wanted) {
    const { value, done } = await content.next();
    if (done) break;
    start = start.length === 0 ? value : Buffer.concat([start, value]);
  }
  let header: IdxHeader;
  try {
    header = parseIdxHeader(path, start, ranks);
    if (!(await isGzip(path))) checkLength(path, header, (await stat(path)).size);
  } catch (error) {
    await content.return(undefined);
    throw error;
  }
  async function* chunks(): AsyncGenerator<Uint8Array> {
    let bytes = start.length;
    if (start.length > header.bytes) yield start.subarray(header.bytes);
    for await (const chunk of content) {
      bytes += chunk.length;
      if (bytes > header.bytes + elements(header)) checkLength(path, header, bytes);
      yield chunk;
    }
    checkLength(path, header, bytes);
  }
  return { header, chunks: chunks() };
}

function elements({ dimensions }: IdxHeader): number {
  return dimensions.reduce((product, size) => product * size, 1);
}

function checkLength(path: string, header: IdxHeader, found: number): void {
  const expected = header.bytes + elements(header);
  if (found < expected)
    throw truncated(path, `${expected} bytes for ${header.dimensions.join(" x ")}`, `${found} bytes`);
  if (found > expected) {
    throw new IsonormError(
      "ISO_DATA_FORMAT",
      `${path} holds ${found} bytes or more, and ${expected} belong to the ${header.dimensions.join(" x ")} that its header states`,
      "Download or copy the file again",
    );
  }
}
