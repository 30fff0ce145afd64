import { createHash, type Hash } from "node:crypto";

/** Bytes of one segment: what a damaged file costs to find, and small beside what is read anyway. */
export const segmentBytes = 16 * 2 ** 20;

export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/**
 * SHA-256 of records, segment by segment, so that a part of a large file can be checked alone. The digest of the whole is that of the segments' digests,
 * and does not depend on how the records came in chunks.
 */
export class SegmentDigest {
  readonly #segments: string[] = [];
  #hash: Hash = createHash("sha256");
  #filled = 0;

  update(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      const part = rest.subarray(0, segmentBytes - this.#filled);
      this.#hash.update(part);
      this.#filled += part.length;
      rest = rest.subarray(part.length);
      if (this.#filled === segmentBytes) this.#close();
    }
  }

  /** The digests of all segments, in order. Nothing can be added after it. */
  finish(): string[] {
    if (this.#filled > 0) this.#close();
    return this.#segments;
  }

  #close(): void {
    this.#segments.push(this.#hash.digest("hex"));
    this.#hash = createHash("sha256");
    this.#filled = 0;
  }
}

export function digestOfSegments(segments: readonly string[]): string {
  return sha256(segments.join("\n"));
}
