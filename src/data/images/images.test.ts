import { cpSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import type { Dataset } from "../dataset.js";
import { openData } from "../open/open.js";
import type { DataOptions } from "../options.js";
import { orange, plain } from "../testing/images.js";
import { recordsOf } from "../testing/records.js";
import { expectFailure, temporaryFolder } from "../testing/temporary.js";

const temporary = temporaryFolder();
const { cacheDir } = temporary;

/** Two classes of six PNG images each, in shades that tell them apart: red for a, green for b. */
async function twoClasses(width = 5, height = 4): Promise<string> {
  for (let i = 0; i < 6; i++) {
    const shade = 100 + 20 * i;
    temporary.write(`data/a/${i}.png`, await plain(width, height, { r: shade, g: 0, b: 0 }).png().toBuffer());
    temporary.write(`data/b/${i}.png`, await plain(width, height, { r: 0, g: shade, b: 0 }).png().toBuffer());
  }
  return temporary.path("data");
}

const open = (path: string, options: DataOptions = {}) => openData(path, { cacheDir, test: 0, ...options });
const packs = () => readdirSync(cacheDir).filter((name) => name.endsWith(".pack"));

/** File names and first pixels of all examples. */
function contents(dataset: Dataset): string[] {
  return recordsOf(dataset).map(
    (record, i) => `${dataset.source(i).split("/").slice(-2).join("/")} ${record.slice(0, 3)}`,
  );
}

describe("a folder of images", () => {
  it("gives a class for each subfolder and its pixels in the order of names", async () => {
    const { train, validation, warnings } = await open(await twoClasses());
    expect(train.input).toEqual({ kind: "image", height: 4, width: 5, channels: 3 });
    expect([train.classes, warnings]).toEqual([["a", "b"], []]);
    expect([train.size, validation.size]).toEqual([10, 2]);
    for (const split of [train, validation]) {
      recordsOf(split).forEach((record, i) => {
        expect(split.source(i)).toContain(`data/${record[0]! > 0 ? "a" : "b"}/`);
        expect(split.labels[i]).toBe(record[0]! > 0 ? 0 : 1);
      });
    }
  });

  it("is the same whatever the concurrency, and from memory or disk", async () => {
    const path = await twoClasses();
    const outcomes = [];
    for (const options of [{ concurrency: 1 }, { concurrency: 7 }, { concurrency: 3, memoryLimit: 10 }]) {
      rmSync(cacheDir, { recursive: true, force: true });
      const { train, validation, hash } = await open(path, options);
      outcomes.push({ hash, train: contents(train), validation: contents(validation) });
      train.close();
      validation.close();
    }
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(outcomes[2]).toEqual(outcomes[0]);
  });

  it("is decoded once: not when opened again, nor when copied elsewhere, but when a file changes", async () => {
    const path = await twoClasses();
    const progress: number[] = [];
    const onProgress = (done: number) => progress.push(done);
    const { hash } = await open(path, { onProgress });
    expect(progress[progress.length - 1]).toBe(24);
    progress.length = 0;
    expect((await open(path, { onProgress })).hash).toBe(hash);
    expect(progress).toEqual([]);

    cpSync(path, temporary.path("copy"), { recursive: true });
    expect((await open(temporary.path("copy"), { onProgress })).hash).toBe(hash);
    expect([progress.length, packs().length]).toEqual([12, 1]);

    const before = readFileSync(temporary.path("data/a/0.png"));
    temporary.write("data/a/0.png", await plain(5, 4, { r: 77, g: 0, b: 0 }).png().toBuffer());
    utimesSync(temporary.path("data/a/0.png"), 1, 1);
    expect((await open(path)).hash).not.toBe(hash);
    writeFileSync(temporary.path("data/a/0.png"), before);
    expect((await open(path)).hash).toBe(hash);
    expect(packs().length).toBe(2);
  });

  it("is decoded again where the cache is damaged, cut off or gone", async () => {
    const path = await twoClasses();
    const { hash } = await open(path);
    const pack = `${cacheDir}/${packs()[0]}`;
    const whole = readFileSync(pack);
    const changed = Buffer.from(whole);
    changed[40]! ^= 1;
    for (const content of [changed, whole.subarray(0, 100), Buffer.alloc(0)]) {
      writeFileSync(pack, content);
      expect((await open(path)).hash).toBe(hash);
      expect(readFileSync(pack)).toEqual(whole);
    }
    const pointer = readdirSync(cacheDir).find((name) => name.endsWith(".images"));
    writeFileSync(`${cacheDir}/${pointer}`, "../../etc/passwd");
    expect((await open(path)).hash).toBe(hash);
  });

  it("skips unreadable images, counts and names them, and refuses them when strict", async () => {
    const path = await twoClasses();
    temporary.write("data/a/broken.png", "no image");
    const noise = sharp({
      create: {
        width: 5,
        height: 4,
        channels: 3,
        noise: { type: "gaussian", mean: 120, sigma: 60 },
        background: orange,
      },
    });
    const png = await noise.png().toBuffer();
    temporary.write("data/b/cut.png", png.subarray(0, png.length - 40));
    temporary.write("data/b/notes.txt", "no image either, and not called one");
    for (let time = 0; time < 2; time++) {
      const { train, validation, warnings } = await open(path);
      expect(train.size + validation.size).toBe(12);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toMatch(/^2 unreadable images were skipped: .*broken\.png \(.*cut\.png \(/);
      await expectFailure(open(path, { strict: true }), "ISO_DATA_IMAGE_UNREADABLE", "data/a/broken.png");
    }
  });

  it("refuses an unreadable image when strict without a cache too", async () => {
    const path = await twoClasses();
    temporary.write("data/b/cut.png", (await plain(5, 4, orange).png().toBuffer()).subarray(0, 60));
    await expectFailure(open(path, { strict: true }), "ISO_DATA_IMAGE_UNREADABLE", "data/b/cut.png");
  });

  it("is grey where no image has colour, be it told by the files or found in their pixels", async () => {
    const path = await twoClasses();
    for (const name of readdirSync(temporary.path("data/a"))) {
      const grey = plain(5, 4, { r: 60, g: 60, b: 60 });
      temporary.write(`data/a/${name}`, await grey.png().toBuffer());
      temporary.write(`data/b/${name}`, await grey.toColourspace("b-w").png().toBuffer());
    }
    const { train } = await open(path);
    expect(train.input).toMatchObject({ channels: 1 });
    expect(recordsOf(train)[0]).toEqual(new Array(20).fill(60));
    expect((await open(path, { channels: 3 })).train.input).toMatchObject({ channels: 3 });
    expect((await open(path)).train.input).toMatchObject({ channels: 1 });
  });

  it("is scaled to one size with a warning where sizes differ", async () => {
    const path = await twoClasses(70, 70);
    temporary.write("data/a/odd.png", await plain(90, 80, orange).png().toBuffer());
    const { train, warnings } = await open(path);
    expect(train.input).toMatchObject({ height: 64, width: 64 });
    expect(warnings).toEqual([expect.stringContaining("scaled to 64x64")]);
  });

  it("may bring its own splits, which are scaled as the training images are", async () => {
    for (const [split, width] of [
      ["train", 6],
      ["val", 6],
      ["test", 9],
    ] as const) {
      for (const [name, colour] of [
        ["a", { r: 255, g: 0, b: 0 }],
        ["b", orange],
      ] as const) {
        temporary.write(`data/${split}/${name}/x.png`, await plain(width, width, colour).png().toBuffer());
      }
    }
    const { train, validation, test } = await openData(temporary.path("data"), { cacheDir });
    expect([train, validation, test!].map(({ size }) => size)).toEqual([2, 2, 2]);
    expect(test!.recordLength).toBe(108);
    expect([test!.source(0), validation.source(1)].map((path) => path.split("/").slice(-3).join("/"))).toEqual([
      "test/a/x.png",
      "val/b/x.png",
    ]);
  });

  it("finds images in folders below a class, follows links, and ends where links go in circles", async () => {
    const path = await twoClasses();
    temporary.write("data/a/deep/er/x.PNG", await plain(5, 4, orange).png().toBuffer());
    temporary.write("elsewhere/y.png", await plain(5, 4, orange).png().toBuffer());
    temporary.write("data/.hidden/z.png", "");
    symlinkSync(temporary.path("elsewhere"), temporary.path("data/b/linked"));
    symlinkSync(temporary.path("data/b"), temporary.path("data/b/circle"));
    symlinkSync(temporary.path("nowhere"), temporary.path("data/b/dangling.png"));
    const { train, validation, warnings } = await open(path);
    const sources = [...contents(train), ...contents(validation)].join("\n");
    expect(sources).toContain("er/x.PNG");
    expect(sources).toContain("linked/y.png");
    expect(train.classes).toEqual(["a", "b"]);
    expect(warnings.join()).toContain("dangling.png");
  });

  it("names subfolders without images", async () => {
    const path = await twoClasses();
    temporary.write("data/c/readme.txt", "");
    const { train, warnings } = await open(path);
    expect(train.classes).toEqual(["a", "b"]);
    expect(warnings.join()).toMatch(/without a class: c in/);
  });

  it("of which all images are unreadable is one without classes", async () => {
    temporary.write("data/a/x.png", "");
    temporary.write("data/b/x.png", "");
    await expectFailure(open(temporary.path("data")), "ISO_DATA_EMPTY", "None of the 2 images");
  });
});
