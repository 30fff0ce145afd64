import { describe, expect, it } from "vitest";
import { checkData } from "./check.js";
import { plain } from "./testing/images.js";
import { expectFailure, temporaryFolder } from "./testing/temporary.js";

const temporary = temporaryFolder();
const { cacheDir } = temporary;

describe("checkData", () => {
  it("counts examples by class and split", async () => {
    const rows = Array.from({ length: 100 }, (_, i) => `${i},${i % 4 ? "p" : "q"}`).join("\n");
    const { splits, classes, duplicates } = await checkData(temporary.write("data.csv", `x,label\n${rows}`));
    expect(classes).toEqual(["p", "q"]);
    expect(splits).toEqual([
      { name: "train", size: 72, perClass: [54, 18] },
      { name: "validation", size: 8, perClass: [6, 2] },
      { name: "test", size: 20, perClass: [15, 5] },
    ]);
    expect(duplicates).toEqual({ within: 0, leaks: 0, conflicting: 0, examples: [] });
  });

  it("finds records that occur twice, in other splits and with other labels", async () => {
    temporary.write("train.csv", "x,y,label\n1,1,p\n2,2,q\n1,1,p\n3,,q\n4,4,p\n");
    temporary.write("validation.csv", "x,y,label\n5,5,p\n2,2,q\n6,6,q\n");
    temporary.write("test.csv", "x,y,label\n4,4,q\n3,,q\n7,7,p\n5,5,p\n");
    const { duplicates } = await checkData(temporary.root);
    expect(duplicates).toMatchObject({ within: 1, leaks: 4, conflicting: 1 });
    expect(duplicates.examples[0]).toEqual({
      first: { split: "train", source: temporary.path("train.csv row 6"), label: "p" },
      second: { split: "test", source: temporary.path("test.csv row 2"), label: "q" },
      conflicting: true,
    });
    const sides = duplicates.examples.map(({ first, second }) => `${first.split} ${second.split}`).sort();
    expect(sides).toEqual(["train test", "train test", "train train", "train validation", "validation test"]);
  });

  it("describes the columns of a table", async () => {
    const rows = Array.from({ length: 40 }, (_, i) => `${i % 5 ? i : ""},7,${"uv"[i % 2]},id-${i},${i % 2}`).join("\n");
    const path = temporary.write("train.csv", `x,same,kind,name,label\n${rows}`);
    const { columns, omittedColumns, warnings } = await checkData(path, { validation: path, test: 0 });
    expect(columns).toEqual([
      { name: "x", kind: "numeric", missing: 0.2, constant: false, min: 1, max: 39, categories: null },
      { name: "same", kind: "numeric", missing: 0, constant: true, min: 7, max: 7, categories: null },
      { name: "kind", kind: "categorical", missing: 0, constant: false, min: null, max: null, categories: 2 },
    ]);
    expect(omittedColumns).toEqual(["name"]);
    expect(warnings.join()).toContain('"name"');
  });

  it("tells sizes, modes and unreadable files of images", async () => {
    for (let i = 0; i < 3; i++) {
      const shade = { r: 10 * i, g: 0, b: 200 };
      temporary.write(`images/a/${i}.png`, await plain(8, 8, shade).png().toBuffer());
      temporary.write(`images/b/${i}.jpg`, await plain(9, 8, shade).jpeg().toBuffer());
    }
    temporary.write("images/b/broken.gif", "GIF?");
    const { imageSizes, imageModes, unreadable, input } = await checkData(temporary.path("images"), {
      cacheDir,
      test: 0,
    });
    expect(input).toMatchObject({ kind: "image", height: 32, width: 32 });
    expect(imageSizes).toEqual([
      { name: "8x8", count: 3 },
      { name: "9x8", count: 3 },
    ]);
    expect(imageModes).toEqual([
      { name: "png srgb", count: 3 },
      { name: "jpeg srgb", count: 3 },
    ]);
    expect(unreadable).toEqual([
      { file: temporary.path("images/b/broken.gif"), reason: expect.stringContaining("unsupported image format") },
    ]);
  });

  it("fails as opening does", async () => {
    await expectFailure(checkData(temporary.path("none")), "ISO_DATA_MISSING");
  });
});
