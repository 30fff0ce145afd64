import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it, vi } from "vitest";
import { openCache } from "./cache.js";
import { collectRecords } from "./collect.js";
import { SegmentDigest, segmentBytes, sha256 } from "./digest.js";
import { createPack, openPack } from "./pack.js";

const folder = mkdtempSync(join(tmpdir(), "isonorm-pack-"));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
});

/** Ten records of three pixels. */
function samplePack(path = join(folder, "a.pack")): string {
  const writer = createPack(path, "uint8", 3);
  writer.append(Uint8Array.from({ length: 12 }, (_, i) => i));
  writer.append(Uint8Array.from({ length: 18 }, (_, i) => i + 12));
  writer.finish(
    Int32Array.from({ length: 10 }, (_, i) => i % 2),
    { note: "ten" },
  );
  return path;
}

describe.each([
  ["in memory", 1000],
  ["on disk", 0],
])("a pack %s", (_, memoryLimit) => {
  it("gives back what was written", () => {
    const pack = openPack(samplePack(), memoryLimit)!;
    expect([pack.store.size, pack.store.recordLength, pack.store.dtype]).toEqual([10, 3, "uint8"]);
    expect([...pack.labels]).toEqual([0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
    expect(pack.meta).toEqual({ note: "ten" });
    const into = new Uint8Array(14);
    pack.store.read([9, 2, 3, 0], into, 2);
    expect([...into]).toEqual([0, 0, 27, 28, 29, 6, 7, 8, 9, 10, 11, 0, 1, 2]);
    const floats = new Float32Array(3);
    pack.store.read([1], floats);
    expect([...floats]).toEqual([3, 4, 5]);
    pack.store.close();
  });

  it("cut off anywhere, or with any byte changed, is taken for none", () => {
    const whole = readFileSync(samplePack());
    const path = join(folder, "b.pack");
    const accepted: string[] = [];
    for (let i = 0; i < whole.length; i += 3) {
      writeFileSync(path, whole.subarray(0, i));
      if (openPack(path, memoryLimit)) accepted.push(`cut off at ${i}`);
      const changed = Buffer.from(whole);
      changed[i]! ^= 0x10;
      writeFileSync(path, changed);
      if (openPack(path, memoryLimit)) accepted.push(`changed at ${i}`);
    }
    expect(accepted).toEqual([]);
  });
});

describe("createPack", () => {
  it("leaves nothing behind when it is abandoned, and shows nothing before it is whole", () => {
    const path = join(folder, "c.pack");
    const writer = createPack(path, "uint8", 3);
    writer.append(new Uint8Array(3));
    expect(openPack(path, 0)).toBeUndefined();
    writer.abandon();
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("fileStore", () => {
  it("reports a file that was cut off while in use", () => {
    const path = samplePack();
    const { store } = openPack(path, 0)!;
    truncateSync(path, 20);
    expect(() => store.read([5], new Uint8Array(3))).toThrow(expect.objectContaining({ code: "ISO_DATA_TRUNCATED" }));
    store.close();
  });
});

describe("collectRecords", () => {
  it("gives the same records and digest from memory and from disk", () => {
    const outcomes = [1000, 20].map((memoryLimit) => {
      const collector = collectRecords({
        dtype: "float32",
        recordLength: 2,
        memoryLimit,
        packPath: () => join(folder, "d.pack"),
      });
      for (let i = 0; i < 5; i++) collector.append(Float32Array.of(i, -i));
      const { store, digest } = collector.finish(new Int32Array(5), {});
      const into = new Float32Array(10);
      store.read([0, 1, 2, 3, 4], into);
      store.close();
      return { digest, records: [...into] };
    });
    expect(outcomes[0]!.records).toEqual([0, -0, 1, -1, 2, -2, 3, -3, 4, -4]);
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(readdirSync(folder)).toEqual(["d.pack"]);
  });
});

describe("SegmentDigest", () => {
  it("does not depend on how the bytes came in chunks", () => {
    const bytes = new Uint8Array(segmentBytes + 100).map((_, i) => i);
    const chunked = new SegmentDigest();
    for (let at = 0; at < bytes.length; at += 999_983) chunked.update(bytes.subarray(at, at + 999_983));
    expect(chunked.finish()).toEqual([sha256(bytes.subarray(0, segmentBytes)), sha256(bytes.subarray(segmentBytes))]);
  });
});

describe("openCache", () => {
  it("falls back to the system's temporary folder where the wanted one cannot be made", () => {
    writeFileSync(join(folder, "file"), "");
    vi.stubEnv("TMPDIR", folder);
    const { folder: chosen, warning } = openCache(join(folder, "file", "cache"));
    vi.unstubAllEnvs();
    expect(chosen.startsWith(join(folder, "isonorm-cache-"))).toBe(true);
    expect(warning).toContain("ENOTDIR");
  });
});
