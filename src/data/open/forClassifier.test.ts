import { describe, expect, test } from "vitest";
import type { InputDescription } from "../dataset.js";
import { idxPair } from "../testing/idx.js";
import { plain } from "../testing/images.js";
import { recordsOf } from "../testing/records.js";
import { expectFailure, temporaryFolder } from "../testing/temporary.js";
import { openForClassifier, openRowsForClassifier } from "./forClassifier.js";

const folder = temporaryFolder();
const { cacheDir } = folder;

const tableInput: InputDescription = {
  kind: "table",
  numeric: ["height", "width"],
  categorical: [{ name: "colour", categories: ["blue", "red"] }],
};
const flowers = { input: tableInput, classes: ["iris", "rose", "tulip"] };

describe("a table", () => {
  test("gives records as the classifier takes them: its columns in its order, its categories, its classes", async () => {
    const path = folder.write(
      "t.csv",
      "kind,colour,note,width,height\nrose,red,a,1,2\niris,green,b,,4\nrose,blue,c,5,6\n",
    );
    const { dataset, split, warnings } = await openForClassifier(path, flowers, { cacheDir, label: "kind" });
    expect(split).toBe("all");
    expect(warnings).toEqual([]);
    expect(dataset.classes).toEqual(["iris", "rose", "tulip"]);
    expect([...dataset.labels]).toEqual([1, 0, 1]);
    // A missing number is NaN, a category that training never saw -1.
    expect(recordsOf(dataset)).toEqual([
      [2, 1, 1],
      [4, Number.NaN, -1],
      [6, 5, 0],
    ]);
    expect(dataset.source(2)).toBe(`${path} row 4`);
  });

  test("may hold as many classes as it has rows", async () => {
    const classes = Array.from({ length: 26 }, (_, i) => `class ${i}`);
    const rows = classes.slice(0, 12).map((name, i) => `${i},${i},red,${name}\n`);
    const path = folder.write("t.csv", `height,width,colour,kind\n${rows.join("")}`);
    const { dataset } = await openForClassifier(path, { input: tableInput, classes }, { cacheDir });
    expect(dataset.size).toBe(12);
  });

  test("with a label that the classifier does not know is refused", async () => {
    const path = folder.write("t.csv", "height,width,colour,kind\n1,2,red,rose\n3,4,red,daisy\n");
    await expectFailure(
      openForClassifier(path, flowers, { cacheDir }),
      "ISO_DATA_FORMAT",
      '"daisy"',
      "row 3",
      '"tulip"',
    );
  });

  test("without a label column is refused", async () => {
    const path = folder.write("t.csv", "height,width,colour\n1,2,red\n3,4,red\n");
    await expectFailure(openForClassifier(path, flowers, { cacheDir }), "ISO_DATA_LABEL_MISSING");
    await expectFailure(
      openForClassifier(path, flowers, { cacheDir, label: "kind" }),
      "ISO_DATA_LABEL_MISSING",
      "kind",
    );
  });

  test("gives rows without labels for prediction, other columns ignored", async () => {
    const path = folder.write("t.csv", "colour,width,height,kind\nblue,1,2,daisy\n");
    const rows = await openRowsForClassifier(path, tableInput, { cacheDir });
    expect(recordsOf(rows)).toEqual([[2, 1, 0]]);
  });

  test("gives its test part where it has one, the named part, or all of them", async () => {
    folder.write("d/train.csv", "height,width,colour,kind\n1,2,red,rose\n3,4,red,iris\n");
    folder.write("d/test.csv", "height,width,colour,kind\n5,6,red,tulip\n");
    const open = (split?: "train" | "validation" | "all") =>
      openForClassifier(folder.path("d"), flowers, { cacheDir, split });
    expect(await open()).toMatchObject({ split: "test", dataset: { size: 1 } });
    expect(await open("train")).toMatchObject({ split: "train", dataset: { size: 2 } });
    const all = await open("all");
    expect([...all.dataset.labels]).toEqual([1, 0, 2]);
    await expectFailure(open("validation"), "ISO_ARGUMENT", "validation", "train, test");
  });
});

describe("images", () => {
  const images = { input: { kind: "image", height: 4, width: 6, channels: 3 }, classes: ["dark", "light"] } as const;

  test("are scaled to the classifier's size, unreadable ones skipped with a warning", async () => {
    folder.write("i/light/a.png", await plain(12, 8, { r: 250, g: 240, b: 230 }).png().toBuffer());
    folder.write("i/light/b.jpg", "no picture");
    const { dataset, warnings } = await openForClassifier(folder.path("i"), images, { cacheDir });
    expect([...dataset.labels]).toEqual([1]);
    expect(recordsOf(dataset)).toEqual([Array.from({ length: 24 }, () => [250, 240, 230]).flat()]);
    expect(warnings).toEqual([expect.stringContaining("b.jpg")]);
    await expectFailure(
      openForClassifier(folder.path("i"), images, { cacheDir, strict: true }),
      "ISO_DATA_IMAGE_UNREADABLE",
      "b.jpg",
    );
  });

  test("of IDX files must have the classifier's size", async () => {
    for (const [name, content] of Object.entries(idxPair(4, "t10k"))) folder.write(`x/${name}`, content);
    const classes = ["3", "4", "5"];
    const input = { kind: "image", height: 2, width: 3, channels: 1 } as const;
    const { dataset, split } = await openForClassifier(folder.path("x"), { input, classes }, { cacheDir });
    expect(split).toBe("test");
    expect([...dataset.labels]).toEqual([0, 2, 0, 2]);
    await expectFailure(openForClassifier(folder.path("x"), images, { cacheDir }), "ISO_DATA_FORMAT", "3x2", "6x4");
  });

  test("are no rows of a table, nor the other way round", async () => {
    folder.write("i/light/a.png", await plain(4, 4, { r: 1, g: 2, b: 3 }).png().toBuffer());
    await expectFailure(
      openForClassifier(folder.path("i"), flowers, { cacheDir }),
      "ISO_DATA_FORMAT",
      "rows of a table",
    );
    const table = folder.write("t.csv", "a,b\n1,x\n");
    await expectFailure(openForClassifier(table, images, { cacheDir }), "ISO_DATA_FORMAT", "takes images");
  });
});
