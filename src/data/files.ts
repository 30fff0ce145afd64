import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { IsonormError } from "../errors.js";

/** The file's first bytes, at most `length` of them. */
export function firstBytes(path: string, length: number): Promise<Buffer> {
  return bytesAt(path, 0, length);
}

/** At most `length` bytes from `position` on. */
export async function bytesAt(path: string, position: number, length: number): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

export async function isGzip(path: string): Promise<boolean> {
  const start = await firstBytes(path, 2);
  return start.length === 2 && start[0] === 0x1f && start[1] === 0x8b;
}

/**
 * The file's content in chunks, unpacked where it is gzip (told by its first bytes, not by its name).
 *
 * @param onRead - called with the number of bytes of each chunk read from disk
 * @throws ISO_DATA_TRUNCATED where a gzip file ends early, ISO_DATA_FORMAT where it is damaged
 */
export async function* contentOf(path: string, onRead?: (bytes: number) => void): AsyncGenerator<Buffer> {
  const packed = await isGzip(path);
  const raw = createReadStream(path, { highWaterMark: 2 ** 18 });
  if (!packed) {
    for await (const chunk of raw as AsyncIterable<Buffer>) {
      onRead?.(chunk.length);
      yield chunk;
    }
    return;
  }
  const gunzip = createGunzip({ chunkSize: 2 ** 18 });
  raw.on("error", (error) => gunzip.destroy(error));
  raw.on("data", (chunk) => onRead?.(chunk.length));
  let bytes = 0;
  try {
    for await (const chunk of raw.pipe(gunzip) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      yield chunk;
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const remedy = "Download or copy the file again";
    if (code === "Z_BUF_ERROR") {
      const { size } = await stat(path);
      const what = `${path} is a gzip file that ends early: its ${size} bytes unpack to ${bytes}, and more were expected`;
      throw new IsonormError("ISO_DATA_TRUNCATED", what, remedy, { cause: error });
    }
    if (code?.startsWith("Z_")) {
      throw new IsonormError("ISO_DATA_FORMAT", `${path} is a damaged gzip file: ${message}`, remedy, { cause: error });
    }
    throw error;
  } finally {
    raw.destroy();
    gunzip.destroy();
  }
}
