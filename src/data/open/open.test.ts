import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { countClasses } from "../splits.js";
import { inputStatistics } from "../statistics.js";
import { idxPair } from "../testing/idx.js";
import { recordsOf } from "../testing/records.js";
import { expectFailure, temporaryFolder } from "../testing/temporary.js";
import { openData } from "./open.js";
import { arrays, csv, idx, imageFolder, parquet } from "./sources.js";

const temporary = temporaryFolder();
const { cacheDir, root } = temporary;
const repository = fileURLToPath(new URL("../../../", import.meta.url));
const digits = join(repository, "examples/digits");
const fashion = join(repository, "../shared/data/fashion-mnist");

/** A table of `count` rows: x, and the label p or q in turn. */
function table(count: number, name = "data.csv"): string {
  return temporary.write(
    name,
    `x,label\n${Array.from({ length: count }, (_, i) => `${i / 2},${"pq"[i % 2]}`).join("\n")}\n`,
  );
}

describe("the digits", () => {
  it("come as 1,797 rows of 64 numbers in ten classes, split 72 : 8 : 20 class by class", async () => {
    const { train, validation, test, warnings } = await openData(digits);
    expect(train.input).toMatchObject({ kind: "table", categorical: [] });
    expect([train.recordLength, train.dtype]).toEqual([64, "float32"]);
    expect(train.classes).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    expect(train.size + validation.size + test!.size).toBe(1797);
    // Each class is rounded on its own: at most half an example off.
    expect(Math.abs(test!.size - 0.2 * 1797)).toBeLessThanOrEqual(5);
    expect(Math.abs(validation.size - 0.08 * 1797)).toBeLessThanOrEqual(5);
    for (const split of [train, validation, test!])
      expect(Math.min(...countClasses(split.labels, 10))).toBeGreaterThan(0);
    expect(warnings).toEqual(["3 columns are constant: c0, c32, c39."]);
  });

  it("are split the same way for ever under the same seed", async () => {
    const { hash, test } = await openData(digits, { seed: 1 });
    expect([hash, test!.size]).toMatchInlineSnapshot(`
      [
        "359811dadc2f3368087818bb15138fcfe4a33ff110a4945e810d9bfa604266ab",
        359,
      ]
    `);
    expect((await openData(join(digits, "digits.csv.gz"), { seed: 1 })).hash).toBe(hash);
    expect((await openData(digits, { seed: 2 })).hash).not.toBe(hash);
  });

  it("make up splits that have no row in common and lose none", async () => {
    const { train, validation, test } = await openData(digits, { seed: 3 });
    const rows = [train, validation, test!].flatMap((split) =>
      Array.from({ length: split.size }, (_, i) => split.source(i)),
    );
    expect(new Set(rows).size).toBe(1797);
  });
});

describe.skipIf(!existsSync(fashion))("Fashion-MNIST (skipped where ../shared/data/fashion-mnist is not there)", () => {
  it("comes as 60,000 and 10,000 images with the statistics that are known of it", async () => {
    const { train, validation, test } = await openData(fashion);
    expect([train.size, validation.size, test!.size]).toEqual([54_000, 6_000, 10_000]);
    const statistics = inputStatistics(test!);
    if (statistics.kind !== "image") throw new Error("images were asked for");
    // Plain sums over t10k-images in Python: mean 0.28684928, std 0.35244415.
    expect(statistics.mean[0]).toBeCloseTo(0.28684928, 7);
    expect(statistics.std[0]).toBeCloseTo(0.35244415, 7);
  });
});

describe("openData", () => {
  it("takes shares and paths for validation and test", async () => {
    const path = table(100);
    const shares = await openData(path, { validation: 0.5, test: 0.4 });
    expect([shares.train.size, shares.validation.size, shares.test!.size]).toEqual([30, 30, 40]);
    const none = await openData(path, { test: 0 });
    expect([none.train.size, none.validation.size, none.test]).toEqual([90, 10, undefined]);
    const given = await openData(path, { validation: table(6, "v.csv"), test: table(8, "t.csv") });
    expect([given.train.size, given.validation.size, given.test!.size]).toEqual([100, 6, 8]);
  });

  it("prefers the shares asked for to the splits that lie there, and says so", async () => {
    table(100, "train.csv");
    table(10, "validation.csv");
    table(20, "test.csv");
    const own = await openData(root);
    expect([own.train.size, own.validation.size, own.test!.size, own.warnings]).toEqual([100, 10, 20, []]);
    const asked = await openData(root, { validation: 0.2, test: 0 });
    expect([asked.train.size, asked.validation.size, asked.test]).toEqual([80, 20, undefined]);
    expect(asked.warnings).toEqual([
      "The data's own validation split is not used: a share of the training split is asked for.",
    ]);
  });

  it("gives labels of other files the training data's meaning", async () => {
    const path = temporary.write("train.csv", "x,label\n1,p\n2,q\n3,r\n4,p\n5,q\n6,r\n");
    const test = temporary.write("only-r.csv", "x,label\n9,r\n8,p\n");
    const splits = await openData(path, { test });
    expect([...splits.test!.labels]).toEqual([2, 0]);
  });

  it("changes its hash with any cell, label or class name", async () => {
    const hashes = new Set<string>();
    for (const text of [
      "1,p\n2,q\n3,p\n4,q\n",
      "1,p\n2,q\n3,p\n4.5,q\n",
      "1,p\n2,q\n3,q\n4,p\n",
      "1,p\n2,z\n3,p\n4,z\n",
    ]) {
      hashes.add((await openData(temporary.write("data.csv", `x,label\n${text}`))).hash);
    }
    expect(hashes.size).toBe(4);
  });

  it("closes what the splits share only with the last of them", async () => {
    const { train, validation, test } = await openData(table(4000), { cacheDir, memoryLimit: 100 });
    train.close();
    train.close();
    test!.close();
    expect(recordsOf(validation)).toHaveLength(validation.size);
    validation.close();
    expect(() => recordsOf(validation)).toThrow();
  });

  it.each<[string, () => string, string, string[]]>([
    ["a path that leads nowhere", () => join(root, "none"), "ISO_DATA_MISSING", ["none does not exist"]],
    ["an empty folder", () => root, "ISO_DATA_EMPTY", ["is empty"]],
    [
      "empty class folders",
      () => join(temporary.write("a/.keep", ""), "../.."),
      "ISO_DATA_EMPTY",
      ["holds no images", "a"],
    ],
    [
      "a file of another kind",
      () => temporary.write("data.zip", "PK"),
      "ISO_DATA_FORMAT",
      [".zip", "subfolder for each class"],
    ],
    ["a single IDX file", () => temporary.write("train-images-idx3-ubyte", ""), "ISO_DATA_FORMAT", ["single IDX file"]],
    ["a folder of other things", () => join(temporary.write("notes.txt", ""), ".."), "ISO_DATA_FORMAT", ["notes.txt"]],
    [
      "images without class folders",
      () => join(temporary.write("x.png", ""), ".."),
      "ISO_DATA_FORMAT",
      ["1 images, but no subfolder"],
    ],
    [
      "training images without class folders",
      () => join(temporary.write("train/x.png", ""), "../.."),
      "ISO_DATA_FORMAT",
      ["subfolder for each class"],
    ],
    [
      "several tables",
      () => {
        table(4, "a.csv");
        table(4, "b.csv");
        return root;
      },
      "ISO_DATA_FORMAT",
      ["a.csv, b.csv"],
    ],
    ["one class", () => temporary.write("one.csv", "x,label\n1,p\n2,p\n"), "ISO_DATA_ONE_CLASS", ['"p"']],
    [
      "a class with one example",
      () => temporary.write("few.csv", "x,label\n1,p\n2,p\n3,rare\n"),
      "ISO_DATA_CLASS_TOO_SMALL",
      ['"rare"'],
    ],
  ])("refuses %s within a second", async (_, make, code, words) => {
    const path = make();
    const started = performance.now();
    await expectFailure(openData(path, { cacheDir }), code, ...words);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it("refuses a class that only the test data has, naming an example", async () => {
    const test = temporary.write("t.csv", "x,label\n1,p\n2,new\n");
    await expectFailure(openData(table(20), { test }), "ISO_DATA_CLASS_TOO_SMALL", '"new"', "t.csv row 3");
  });

  it("refuses test data of another form", async () => {
    for (const [name, content] of Object.entries(idxPair(4))) temporary.write(`idx/${name}`, content);
    await expectFailure(
      openData(table(20), { test: join(root, "idx") }),
      "ISO_DATA_FORMAT",
      "is a folder of IDX files",
      "is a table",
    );
  });

  it.skipIf(process.getuid?.() === 0)("refuses what may not be read", async () => {
    const path = table(20);
    chmodSync(path, 0);
    await expectFailure(openData(path), "ISO_DATA_MISSING", "EACCES");
  });

  it.each([
    { validation: 0 },
    { validation: 1 },
    { validation: Number.NaN },
    { test: -0.1 },
    { test: 1 },
    { seed: 1.5 },
    { seed: -1 },
    { imageSize: { height: 0, width: 3 } },
    { channels: 2 as 1 },
    { memoryLimit: -1 },
    { concurrency: 0 },
  ])("refuses the options %j", async (options) => {
    await expectFailure(openData(digits, options), "ISO_ARGUMENT");
  });
});

describe("data by its form", () => {
  it("is opened by the function for it and refused by the others", async () => {
    const path = table(20);
    expect((await csv(path)).train.size).toBeGreaterThan(0);
    await expectFailure(imageFolder(path), "ISO_DATA_FORMAT", "not a folder with a subfolder of images");
    await expectFailure(idx(path), "ISO_DATA_FORMAT", "not a folder of IDX files");
    await expectFailure(parquet(path), "ISO_DATA_FORMAT", "not a Parquet");
  });

  it("from memory is split like any other", () => {
    const input = { kind: "table", numeric: ["x"], categorical: [] } as const;
    const records = Float32Array.from({ length: 50 }, (_, i) => i);
    const splits = arrays({
      records,
      labels: Array.from(records, (value) => value % 2),
      classes: ["even", "odd"],
      input,
      seed: 4,
    });
    expect([splits.train.size, splits.validation.size, splits.test!.size]).toEqual([36, 4, 10]);
    recordsOf(splits.validation).forEach(([value], i) => {
      expect(splits.validation.labels[i]).toBe(value! % 2);
      expect(splits.validation.source(i)).toBe(`example ${value}`);
    });
    expect(() => arrays({ records, labels: [0, 1], classes: ["a", "b"], input })).toThrow(
      expect.objectContaining({ code: "ISO_ARGUMENT" }),
    );
    const infinite = {
      records: Float32Array.of(1, Number.POSITIVE_INFINITY),
      labels: [0, 1],
      classes: ["a", "b"],
      input,
    };
    expect(() => arrays(infinite)).toThrow(expect.objectContaining({ code: "ISO_DATA_NOT_FINITE" }));
  });
});
