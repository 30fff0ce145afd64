import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openData } from "../open/open.js";
import { idxFile, idxPair } from "../testing/idx.js";
import { recordsOf } from "../testing/records.js";
import { expectFailure, temporaryFolder } from "../testing/temporary.js";

const temporary = temporaryFolder();
const { cacheDir } = temporary;

function folder(files: Record<string, Uint8Array>): string {
  for (const [name, content] of Object.entries(files)) temporary.write(`data/${name}`, content);
  return temporary.path("data");
}

describe("a folder of IDX files", () => {
  it.each([
    ["plain", false],
    ["gzipped", true],
  ])("%s gives images, labels and the test split", async (_, packed) => {
    const path = folder({ ...idxPair(40, "train", packed), ...idxPair(6, "t10k", packed) });
    const { train, validation, test } = await openData(path);
    expect(train.input).toEqual({ kind: "image", height: 2, width: 3, channels: 1 });
    expect(train.classes).toEqual(["3", "5"]);
    expect([train.size, validation.size, test!.size]).toEqual([36, 4, 6]);
    expect(recordsOf(test!)[2]).toEqual([12, 13, 14, 15, 16, 17]);
    expect([...test!.labels]).toEqual([0, 1, 0, 1, 0, 1]);
    expect(test!.source(2)).toContain("t10k-images-idx3-ubyte");
    recordsOf(train).forEach((record, i) => {
      expect(train.labels[i]).toBe((record[0]! / 6) % 2);
    });
  });

  it("may use the other names that are about, and hold colour images", async () => {
    const labels = idxFile(
      [12],
      Uint8Array.from({ length: 12 }, (_, i) => i % 2),
    );
    const images = idxFile(
      [12, 1, 2, 3],
      Uint8Array.from({ length: 72 }, (_, i) => i),
    );
    const path = folder({
      "emnist-letters-train-images-idx3-ubyte": images,
      "emnist-letters-train-labels.idx1-ubyte": labels,
    });
    const { train, test } = await openData(path, { test: 0 });
    expect(train.input).toEqual({ kind: "image", height: 1, width: 2, channels: 3 });
    expect(test).toBeUndefined();
  });

  it("gives the same data from memory and through the cache", async () => {
    const path = folder(idxPair(50, "train", true));
    const memory = await openData(path, { cacheDir });
    expect(existsSync(cacheDir)).toBe(false);
    for (let time = 0; time < 2; time++) {
      const disk = await openData(path, { cacheDir, memoryLimit: 100 });
      expect(existsSync(cacheDir)).toBe(true);
      expect(disk.hash).toBe(memory.hash);
      expect(recordsOf(disk.train)).toEqual(recordsOf(memory.train));
      for (const split of [disk.train, disk.validation, disk.test]) split?.close();
    }
  });

  it.each([false, true])("cut off (gzipped: %s) is reported with the file and its bytes", async (packed) => {
    const files = idxPair(40, "train", packed);
    const [images, labels] = Object.keys(files);
    await expectFailure(
      openData(folder({ ...files, [images!]: files[images!]!.subarray(0, 100) })),
      "ISO_DATA_TRUNCATED",
      images!,
      packed ? "100 bytes" : "256 bytes for 40 x 2 x 3 expected, 100 bytes found",
    );
    await expectFailure(
      openData(folder({ ...files, [labels!]: files[labels!]!.subarray(0, 10) })),
      "ISO_DATA_TRUNCATED",
      labels!,
    );
  });

  it("whose header promises more than there is, inside of whole gzip, is truncated", async () => {
    const { gzipSync } = await import("node:zlib");
    const images = gzipSync(idxFile([40, 2, 3], new Uint8Array(100)));
    await expectFailure(
      openData(folder({ ...idxPair(40, "train", true), "train-images-idx3-ubyte.gz": images })),
      "ISO_DATA_TRUNCATED",
      "256 bytes",
      "116 bytes found",
    );
  });

  it("that promises billions of images fails at once and takes no memory", async () => {
    const images = idxFile([4_000_000_000, 28, 28], new Uint8Array(100));
    const labels = idxFile([4_000_000_000], new Uint8Array(100));
    const started = performance.now();
    await expectFailure(
      openData(folder({ "train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels })),
      "ISO_DATA_TRUNCATED",
    );
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it("with numbers of images and labels that differ is refused", async () => {
    const files = { ...idxPair(40), "train-labels-idx1-ubyte": idxFile([39], new Uint8Array(39)) };
    await expectFailure(openData(folder(files)), "ISO_DATA_FORMAT", "40 images", "39 labels");
  });

  it("with bytes left over is refused", async () => {
    const files = {
      ...idxPair(40),
      "train-labels-idx1-ubyte": Buffer.concat([idxFile([40], new Uint8Array(40)), Buffer.alloc(3)]),
    };
    await expectFailure(openData(folder(files)), "ISO_DATA_FORMAT", "train-labels-idx1-ubyte", "48 belong");
  });

  it.each<[string, Record<string, Buffer>, string]>([
    ["floats", { "train-images-idx3-ubyte": idxFile([2, 2, 3], new Uint8Array(48), 13) }, "float32"],
    ["no IDX content", { "train-images-idx3-ubyte": Buffer.from("hello, this is text") }, "68 65 6c 6c"],
    ["no labels", { "t10k-images-idx3-ubyte": idxFile([2, 2, 3], new Uint8Array(12)) }, "no file of labels"],
    ["several data sets", idxPair(4, "emnist-mnist-train"), "several data sets"],
    ["images without pixels", { "train-images-idx3-ubyte": idxFile([40, 0, 3], new Uint8Array(0)) }, "0x3"],
  ])("with %s is refused", async (_, files, word) => {
    await expectFailure(openData(folder({ ...idxPair(40), ...files })), "ISO_DATA_FORMAT", word);
  });

  it("without training images says so", async () => {
    await expectFailure(openData(folder(idxPair(4, "t10k"))), "ISO_DATA_FORMAT", "no training data");
  });

  it("with test images of another size is refused", async () => {
    const files = {
      ...idxPair(40),
      ...idxPair(4, "t10k"),
      "t10k-images-idx3-ubyte": idxFile([4, 3, 2], new Uint8Array(24)),
    };
    await expectFailure(openData(folder(files)), "ISO_DATA_FORMAT", "2x3", "3x2");
  });
});
