import { gzipSync } from "node:zlib";

/** An IDX file of unsigned bytes. */
export function idxFile(dimensions: readonly number[], bytes: Uint8Array, type = 8): Buffer {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header[2] = type;
  header[3] = dimensions.length;
  dimensions.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i);
  });
  return Buffer.concat([header, bytes]);
}

/** `count` images of 2x3 with labels 3, 5, 3, 5, ...: names and contents, gzipped if asked for. */
export function idxPair(count: number, prefix = "train", packed = false): Record<string, Buffer> {
  const images = idxFile(
    [count, 2, 3],
    Uint8Array.from({ length: count * 6 }, (_, i) => i % 256),
  );
  const labels = idxFile(
    [count],
    Uint8Array.from({ length: count }, (_, i) => 3 + 2 * (i % 2)),
  );
  const file = (content: Buffer): Buffer => (packed ? gzipSync(content) : content);
  const end = packed ? ".gz" : "";
  return { [`${prefix}-images-idx3-ubyte${end}`]: file(images), [`${prefix}-labels-idx1-ubyte${end}`]: file(labels) };
}
