import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { compressors } from "hyparquet-compressors";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, it } from "vitest";
import type { TableDescription } from "../dataset.js";
import { openRowsForClassifier } from "../open/forClassifier.js";
import { openData } from "../open/open.js";
import { recordsOf } from "../testing/records.js";
import { expectFailure, temporaryFolder } from "../testing/temporary.js";
import { sniffDelimiter } from "./csv.js";
import { readTable } from "./packed-table.js";

const temporary = temporaryFolder();
const { cacheDir } = temporary;

/** Twelve rows of two classes with those cells in column "x". */
function withColumn(cells: readonly string[], name = "x"): string {
  const rows = Array.from({ length: 12 }, (_, i) => `${i * 1.5},${cells[i % cells.length]},${i % 2 ? "yes" : "no"}`);
  return temporary.write("data.csv", [`w,${name},class`, ...rows, ""].join("\n"));
}

const whole = (path: string, options = {}) => readTable(path, undefined, { cacheDir, ...options });

describe("a CSV file", () => {
  it("is read with its header, quotes, blank lines and byte order mark", async () => {
    const text = '\uFEFFheight,"the ""kind""",label\r\n1.5,"a, b",x\r\n\r\n-2e3," c ",y\r\n';
    const part = await whole(temporary.write("data.csv", text));
    expect(part.columns.map(({ name, kind, texts }) => [name, kind, texts])).toEqual([
      ["height", "numeric", []],
      ['the "kind"', "categorical", ["a, b", "c"]],
    ]);
    expect(recordsOf(part.store)).toEqual([
      [1.5, 0],
      [-2000, 1],
    ]);
    expect([part.classes, [...part.labels]]).toEqual([
      ["x", "y"],
      [0, 1],
    ]);
    expect([part.source(0), part.source(1)].map((text) => text.slice(-5))).toEqual(["row 2", "row 4"]);
  });

  it.each([",", ";", "\t"])("may be delimited by %j, and hold the other delimiters in quotes", async (delimiter) => {
    const rows = [
      ["a", "b", "label"],
      ["1", '"x,;\t"', "p"],
      ["2", '"y;;;"', "q"],
    ];
    const path = temporary.write("data.csv", rows.map((row) => row.join(delimiter)).join("\n"));
    expect((await whole(path)).columns.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it("without header has columns c0, c1, ... and the label last", async () => {
    const part = await whole(temporary.write("data.csv", "1,2,7\n3,4,8\n5,6,7\n"));
    expect(part.columns.map(({ name }) => name)).toEqual(["c0", "c1"]);
    expect([part.label, part.classes, part.source(0).slice(-5)]).toEqual(["c2", ["7", "8"], "row 1"]);
  });

  it("is read as the user says where its first row is of numbers and a word", async () => {
    const path = temporary.write("data.csv", "5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,versicolor\n");
    expect((await whole(path)).warnings.join()).toContain(
      "is taken for the header, although 2 of its 3 cells are numbers",
    );
    const part = await whole(path, { noHeader: true });
    expect([part.store.size, part.classes]).toEqual([3, ["setosa", "versicolor"]]);
    expect((await whole(temporary.write("b.csv", "1,2\n3,4\n5,6"), { noHeader: false })).columns[0]!.name).toBe("1");
  });

  it("finds the label by its usual names before it takes the last column", async () => {
    expect((await whole(temporary.write("a.csv", "Class,a\np,1\nq,2"))).label).toBe("Class");
    expect((await whole(temporary.write("b.csv", "y,Target,a\n1,p,1\n2,q,2"))).label).toBe("Target");
    expect((await whole(temporary.write("c.csv", "a,b\n1,p\n2,q"))).label).toBe("b");
    expect((await whole(temporary.write("d.csv", "a,b,class\n1,p,2\n2,q,2"), { label: "b" })).label).toBe("b");
  });

  it("has missing cells as NaN", async () => {
    const part = await whole(withColumn(["", "NA", "?", "null", "0.25", "7"]));
    expect(
      recordsOf(part.store)
        .slice(0, 6)
        .map((record) => record[1]),
    ).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN, 0.25, 7]);
    expect(part.columns[1]).toMatchObject({ kind: "numeric", missing: 8 });
  });

  it("with text among numbers is refused with row, column, cell and what to do", async () => {
    const path = withColumn(["1", "2", "3", "4", "5", "6", "7", "8", "9", "1O"]);
    await expectFailure(whole(path), "ISO_DATA_NOT_NUMERIC", "Row 11", '"x"', '"1O"', "--categorical x");
    expect((await whole(path, { categorical: ["x"] })).columns[1]).toMatchObject({ kind: "categorical" });
  });

  it("says what is wrong with a decimal comma", async () => {
    const rows = Array.from({ length: 6 }, (_, i) => `${i},${i % 2},${i % 2 ? "yes" : "no"}`.replace(/,/g, ";"));
    const path = temporary.write("data.csv", ["a;b;class", ...rows, "1,5;1;yes", ""].join("\n"));
    await expectFailure(whole(path), "ISO_DATA_NOT_NUMERIC", "Row 8", '"1,5"', "decimals with a point");
  });

  it("takes a column of which most is text as categories, numbers among them included", async () => {
    const part = await whole(withColumn(["a", "b", "c", "10"]));
    expect(part.columns[1]).toMatchObject({ kind: "categorical", texts: ["a", "b", "c", "10"] });
    expect(
      recordsOf(part.store)
        .slice(0, 4)
        .map((record) => record[1]),
    ).toEqual([0, 1, 2, 3]);
  });

  it.each(["NaN", "inf", "-Infinity", "1e39"])("with a cell %s is refused with row and column", async (cell) => {
    await expectFailure(whole(withColumn(["1", "2", "3", cell])), "ISO_DATA_NOT_FINITE", "Row 5", '"x"', "");
  });

  it("leaves columns out that are identifiers, empty, or count the rows, and says so", async () => {
    const rows = Array.from({ length: 30 }, (_, i) => `${i},name ${i},,${i % 7},${i % 3 ? "p" : "q"}`);
    const part = await whole(temporary.write("data.csv", [",name,nothing,x,label", ...rows].join("\n")));
    expect(part.columns.map(({ name, kind }) => [name, kind])).toEqual([
      ["c0", "omitted"],
      ["name", "omitted"],
      ["nothing", "omitted"],
      ["x", "numeric"],
    ]);
    expect(part.warnings).toEqual([
      'Column "c0" counts the rows, and is left out.',
      'Column "name" has 30 different texts in 30 rows, and is left out.',
      'Column "nothing" has no value in any row, and is left out.',
    ]);
  });

  it("refuses more categories than it can hold only where the user asks for them", async () => {
    const rows = Array.from({ length: 4000 }, (_, i) => `t${i % 1500},${i % 5},${i % 2}`);
    const path = temporary.write("data.csv", ["text,x,label", ...rows].join("\n"));
    expect((await whole(path)).columns[0]!.kind).toBe("omitted");
    await expectFailure(whole(path, { categorical: ["text"] }), "ISO_ARGUMENT", "more than 1000 categories");
  });

  it("warns of constant columns", async () => {
    expect((await whole(withColumn(["4"]))).warnings).toEqual(["One column is constant: x."]);
  });

  it("skips rows without a label, counts them, and refuses them when strict", async () => {
    const path = temporary.write("data.csv", "a,label\n1,p\n2,\n3,q\n4,NA\n5,p\n");
    const part = await whole(path);
    expect(part.warnings.join()).toContain("2 rows of");
    expect(recordsOf(part.store)).toEqual([[1], [3], [5]]);
    expect(part.source(2)).toContain("row 6");
    await expectFailure(whole(path, { strict: true }), "ISO_DATA_LABEL_MISSING", "Row 3");
  });

  it("gives the same records in memory and through the cache, and finds them there again", async () => {
    const rows = Array.from({ length: 5000 }, (_, i) => `${i * 0.5},${"abc"[i % 3]},${i % 11 ? i % 2 : ""}`);
    const path = temporary.write("data.csv", ["x,kind,label", ...rows].join("\n"));
    const memory = await whole(path);
    for (let time = 0; time < 2; time++) {
      const disk = await whole(path, { memoryLimit: 1000 });
      expect({ ...disk, store: 0, source: 0 }).toEqual({ ...memory, store: 0, source: 0 });
      expect(recordsOf(disk.store)).toEqual(recordsOf(memory.store));
      expect(disk.source(3000)).toBe(memory.source(3000));
      disk.store.close();
    }
  });

  it.each<[string, string, string, string[]]>([
    ["no bytes", "", "ISO_DATA_EMPTY", ["no rows"]],
    ["only a header", "a,b,label\n", "ISO_DATA_EMPTY", ["no rows"]],
    ["one column", "a\n1\n2\n", "ISO_DATA_FORMAT", ["one column"]],
    ["a short row", "a,b,label\n1,2,p\n1,q\n", "ISO_DATA_FORMAT", ["Row 3", "2 cells", "3"]],
    ["an open quote", 'a,b,label\n1,2,p\n1,"2,q\n', "ISO_DATA_FORMAT", ["well-formed"]],
    ["two columns of one name", "a,a,label\n1,2,p\n", "ISO_DATA_FORMAT", ['"a"']],
    ["zero bytes", "a,b\0\n", "ISO_DATA_FORMAT", ["zero bytes"]],
    [
      "labels that are measurements",
      `a,label\n${Array.from({ length: 30 }, (_, i) => `1,${i / 7}`).join("\n")}`,
      "ISO_DATA_CLASS_TOO_SMALL",
      ["30 different values"],
    ],
  ])("with %s is refused", async (_, text, code, words) => {
    await expectFailure(whole(temporary.write("data.csv", text)), code, "data.csv", ...words);
  });

  it("without the wanted label lists its columns", async () => {
    await expectFailure(whole(withColumn(["1"]), { label: "kind" }), "ISO_DATA_LABEL_MISSING", '"kind"', "w, x, class");
  });

  it("without a column that is to be categorical lists its columns", async () => {
    await expectFailure(whole(withColumn(["1"]), { categorical: ["z"] }), "ISO_ARGUMENT", '"z"', "w, x");
  });

  it("in UTF-16 is recognised", async () => {
    await expectFailure(
      whole(temporary.write("data.csv", Buffer.from("\uFEFFa,b\n1,2", "utf16le"))),
      "ISO_DATA_FORMAT",
      "UTF-16",
    );
  });

  it("cut off inside of gzip is truncated", async () => {
    const packed = gzipSync(Array.from({ length: 3000 }, (_, i) => `${Math.sin(i)},${i % 2}`).join("\n"));
    await expectFailure(
      whole(temporary.write("data.csv.gz", packed.subarray(0, packed.length / 2))),
      "ISO_DATA_TRUNCATED",
      "data.csv.gz",
    );
  });
});

describe("sniffDelimiter", () => {
  it("goes by agreement between lines, not by the number of occurrences", () => {
    expect(sniffDelimiter("a;b\n1,2;3,4\n1,2;3\n")).toBe(";");
    expect(sniffDelimiter("only one column\n1\n")).toBe(",");
  });
});

describe("a Parquet file", () => {
  const columns = (count: number) => [
    { name: "whole", data: Array.from({ length: count }, (_, i) => BigInt(i * 3)), type: "INT64" as const },
    {
      name: "real",
      data: Array.from({ length: count }, (_, i) => (i % 4 ? i / 4 : null)),
      type: "DOUBLE" as const,
      nullable: true,
    },
    { name: "text", data: Array.from({ length: count }, (_, i) => ["u", "v"][i % 2]!), type: "STRING" as const },
    { name: "flag", data: Array.from({ length: count }, (_, i) => i % 3 === 0), type: "BOOLEAN" as const },
    { name: "label", data: Array.from({ length: count }, (_, i) => (i % 5 < 2 ? 0 : 1)), type: "INT32" as const },
  ];
  const file = (columnData: Parameters<typeof parquetWriteBuffer>[0]["columnData"], options = {}): string =>
    temporary.write("data.parquet", new Uint8Array(parquetWriteBuffer({ columnData, ...options })));

  it("is read row group by row group", async () => {
    const part = await whole(file(columns(3000), { rowGroupSize: 700 }));
    expect(part.columns.map(({ name, kind, missing }) => [name, kind, missing])).toEqual([
      ["whole", "numeric", 0],
      ["real", "numeric", 750],
      ["text", "categorical", 0],
      ["flag", "categorical", 0],
    ]);
    expect(recordsOf(part.store)[2999]).toEqual([8997, 749.75, 1, 1]);
    expect(recordsOf(part.store)[0]![1]).toBeNaN();
    expect(part.classes).toEqual(["0", "1"]);
    expect(part.source(2999)).toContain("row 3000");
  });

  it("with cells that are no numbers is refused as CSV is", async () => {
    const [w, r, , , label] = columns(10);
    const real = { ...r!, data: r!.data.map((value, i) => (i === 5 ? Number.NaN : value)) } as typeof r;
    await expectFailure(whole(file([w!, real!, label!])), "ISO_DATA_NOT_FINITE", "Row 6", '"real"');
  });

  it("with structures is refused by column", async () => {
    const nested = { name: "box", data: Array.from({ length: 10 }, (_, i) => ({ top: i })), type: "JSON" as const };
    await expectFailure(whole(file([nested, columns(10)[4]!])), "ISO_DATA_FORMAT", '"box"', "lists or structures");
  });

  it("cut off is truncated", async () => {
    const path = file(columns(100));
    writeFileSync(path, readFileSync(path).subarray(0, 500));
    await expectFailure(whole(path), "ISO_DATA_TRUNCATED", "500 bytes");
  });

  it("may be compressed in the usual ways", () => {
    expect(Object.keys(compressors)).toEqual(expect.arrayContaining(["SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4_RAW"]));
  });
});

describe("splits of a table", () => {
  it("learn categories from the training rows alone and give others as -1", async () => {
    const rows = ["a,0,p", "b,1,q", "a,2,p", "b,3,q", "a,4,p", "c,5,q"].join("\n");
    const train = temporary.write("train.csv", `kind,x,label\n${rows}`);
    temporary.write("test.csv", "label,x,kind\np,7,d\nq,8,\nq,9,b\n");
    const { train: training, test } = await openData(temporary.root, { cacheDir, validation: train });
    expect(training.input).toEqual({
      kind: "table",
      numeric: ["x"],
      categorical: [{ name: "kind", categories: ["a", "b", "c"] }],
    });
    expect(recordsOf(training)[5]).toEqual([5, 2]);
    expect(recordsOf(test!)).toEqual([
      [7, -1],
      [8, -1],
      [9, 1],
    ]);
    expect([...test!.labels]).toEqual([0, 1, 1]);
  });

  it("hold no category that only validation has", async () => {
    const rows = Array.from({ length: 40 }, (_, i) => `${i},${i < 20 ? "even" : "odd"},k${i % 10},${i % 2}`);
    const path = temporary.write("data.csv", ["x,half,kind,label", ...rows].join("\n"));
    const { train } = await openData(path, { cacheDir, validation: 0.4, test: 0.4 });
    const { categorical } = train.input as TableDescription;
    const column = train.recordLength - 1;
    const used = new Set(recordsOf(train).map((record) => record[column]));
    expect(used.size).toBe(categorical[1]!.categories.length);
    expect(used.has(-1)).toBe(false);
  });

  it("do not use a test table without labels that lies beside", async () => {
    temporary.write("train.csv", `x,label\n${Array.from({ length: 20 }, (_, i) => `${i},${i % 2}`).join("\n")}`);
    temporary.write("test.csv", "x\n1\n2\n");
    const { test, warnings } = await openData(temporary.root, { cacheDir });
    expect(test!.size).toBe(4);
    expect(warnings.join()).toContain("has no label column");
  });

  it("refuse a test table without one of the columns", async () => {
    const path = withColumn(["1", "2"]);
    const test = temporary.write("other.csv", "w,class\n1,yes\n");
    await expectFailure(openData(path, { cacheDir, test }), "ISO_DATA_FORMAT", "lacks the column x");
  });
});

describe("openRowsForClassifier", () => {
  const input: TableDescription = {
    kind: "table",
    numeric: ["x"],
    categorical: [{ name: "kind", categories: ["a", "b"] }],
  };

  it("matches columns by name and needs no label", async () => {
    const rows = await openRowsForClassifier(temporary.write("rows.csv", "kind,other,x\nb,?,1\nz,?,\n"), input, {
      cacheDir,
    });
    expect(recordsOf(rows)).toEqual([
      [1, 1],
      [Number.NaN, -1],
    ]);
    expect(rows.source(1)).toContain("row 3");
  });

  it("names the cell that is no number", async () => {
    await expectFailure(
      openRowsForClassifier(temporary.write("rows.csv", "kind,x\nb,one\n"), input),
      "ISO_DATA_NOT_NUMERIC",
      '"one"',
    );
  });

  it("takes a table of a single column", async () => {
    const one: TableDescription = { kind: "table", numeric: ["x"], categorical: [] };
    expect(recordsOf(await openRowsForClassifier(temporary.write("rows.csv", "x\n3\n4\n"), one))).toEqual([[3], [4]]);
  });
});
