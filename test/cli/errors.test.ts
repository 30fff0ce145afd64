import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { digits, doneOf, eventsOf, isonorm, temporaryFolder } from "./isonorm.js";

/** Bad input is refused within a second on an idle machine; the margin is for test machines that do several things at once. */
const secondsToRefuse = 6;

async function expectRefusal(args: string[], code: string, ...words: (string | RegExp)[]): Promise<void> {
  const ran = await isonorm(...args);
  expect(ran.stderr).toContain(`error ${code}: `);
  expect(ran.status).toBe(2);
  expect(ran.stdout).toBe("");
  // What a user gets is a sentence or two, and no stack trace.
  expect(ran.stderr).not.toMatch(/^\s+at /m);
  for (const word of words) expect(ran.stderr).toMatch(word);
  expect(ran.seconds).toBeLessThan(secondsToRefuse);
}

/** Pictures of one colour each: `perClass` of them in a subfolder for each class. */
async function imageFolder(classes: readonly string[], perClass: number): Promise<string> {
  const folder = temporaryFolder();
  for (const [index, name] of classes.entries()) {
    mkdirSync(join(folder, name));
    for (let picture = 0; picture < perClass; picture++) {
      const background = { r: 20 + 100 * index, g: 10 * picture, b: 60 };
      const image = sharp({ create: { width: 12, height: 12, channels: 3, background } });
      await image.png().toFile(join(folder, name, `${picture}.png`));
    }
  }
  return folder;
}

function tableOf(...rows: (readonly (string | number)[])[]): string {
  const path = join(temporaryFolder(), "table.csv");
  writeFileSync(path, rows.map((row) => `${row.join(",")}\n`).join(""));
  return path;
}

const smallTable = () =>
  Array.from({ length: 20 }, (_, row) => [row * 0.5, (row * 7) % 5, row % 2 === 0 ? "even" : "odd"]);

describe("train refuses", () => {
  const train = (data: string, ...options: string[]) => [
    "train",
    data,
    "--out",
    join(temporaryFolder(), "run"),
    ...options,
  ];

  test("a path that does not exist", () =>
    expectRefusal(train("/nowhere/at/all"), "ISO_DATA_MISSING", "/nowhere/at/all"));

  test("an empty folder", () => expectRefusal(train(temporaryFolder()), "ISO_DATA_EMPTY"));

  test("data of one class", async () =>
    expectRefusal(train(await imageFolder(["cat"], 4)), "ISO_DATA_ONE_CLASS", "cat"));

  test("a class with one example", async () => {
    const folder = await imageFolder(["cat", "dog", "owl"], 4);
    for (const picture of [1, 2, 3]) writeFileSync(join(folder, "owl", `${picture}.png`), "");
    await expectRefusal(train(folder), "ISO_DATA_CLASS_TOO_SMALL", "owl");
  });

  test("an unreadable image with --strict", async () => {
    const folder = await imageFolder(["cat", "dog"], 4);
    writeFileSync(join(folder, "dog", "broken.jpg"), "this is no picture");
    await expectRefusal(train(folder, "--strict"), "ISO_DATA_IMAGE_UNREADABLE", /dog.broken\.jpg/);
  });

  test("a truncated IDX file", async () => {
    const folder = temporaryFolder();
    const images = Buffer.alloc(16 + 20 * 36);
    images.set([0, 0, 8, 3, 0, 0, 0, 20, 0, 0, 0, 6, 0, 0, 0, 6]);
    writeFileSync(
      join(folder, "train-labels-idx1-ubyte"),
      Buffer.from([0, 0, 8, 1, 0, 0, 0, 20, ...Array.from({ length: 20 }, (_, i) => i % 2)]),
    );
    writeFileSync(join(folder, "train-images-idx3-ubyte"), images);
    truncateSync(join(folder, "train-images-idx3-ubyte"), 500);
    await expectRefusal(train(folder), "ISO_DATA_TRUNCATED", "train-images-idx3-ubyte", "500");
  });

  test("a table without the label column asked for", () =>
    expectRefusal(
      train(tableOf(["a", "b", "kind"], ...smallTable()), "--label", "species"),
      "ISO_DATA_LABEL_MISSING",
      "species",
      "kind",
    ));

  test("a cell that is no number in a numeric column", () => {
    const rows = smallTable();
    rows[6]![1] = "many";
    return expectRefusal(train(tableOf(["a", "b", "kind"], ...rows)), "ISO_DATA_NOT_NUMERIC", "many", "Row 8");
  });

  test("a NaN among the features", () => {
    const rows = smallTable();
    rows[3]![0] = "NaN";
    return expectRefusal(train(tableOf(["a", "b", "kind"], ...rows)), "ISO_DATA_NOT_FINITE", "Row 5", '"a"');
  });

  test("a model that it does not know", () =>
    expectRefusal(train(digits, "--model", "resnet21"), "ISO_MODEL_UNKNOWN", "resnet21", "resnet20"));

  test.each(["0", "-0.25"])("an effective learning rate of %s", (elr) =>
    expectRefusal(train(digits, `--elr=${elr}`), "ISO_ELR_INVALID", `is ${elr}`),
  );

  test("a setting out of range", () => expectRefusal(train(digits, "--momentum", "2"), "ISO_ARGUMENT", "momentum"));

  test("a number that is none", () =>
    expectRefusal(train(digits, "--epochs", "many"), "ISO_ARGUMENT", "--epochs", "many"));

  test("a device that cannot train", () =>
    expectRefusal(train(digits, "--device", "quantum"), "ISO_DEVICE_UNAVAILABLE", "quantum"));

  test("an output folder that cannot be written to", async () => {
    // A file stands where a folder would have to be made, which not even root may do.
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "");
    await expectRefusal(["train", digits, "--out", join(file, "run")], "ISO_OUT_NOT_WRITABLE", "ENOTDIR");
  });

  test.skipIf(process.getuid?.() === 0)("an output folder without permission to write", async () => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o500);
    await expectRefusal(["train", digits, "--out", folder], "ISO_OUT_NOT_WRITABLE");
  });

  test("an output folder that holds another run", async () => {
    const out = temporaryFolder();
    writeFileSync(join(out, "run.json"), "{}");
    await expectRefusal(["train", digits, "--out", out], "ISO_ARGUMENT", "already holds a run");
  });

  test("to resume where there is no run", () =>
    expectRefusal(["train", "--resume", temporaryFolder()], "ISO_CHECKPOINT_MALFORMED"));

  test("without leaving the output folder behind", async () => {
    const out = join(temporaryFolder(), "run");
    await isonorm("train", temporaryFolder(), "--out", out);
    expect(existsSync(out)).toBe(false);
  });
});

test("an unreadable image is skipped with a warning, and counted", async () => {
  const folder = await imageFolder(["cat", "dog"], 12);
  writeFileSync(join(folder, "dog", "broken.jpg"), "this is no picture");
  const out = join(temporaryFolder(), "run");
  const ran = await isonorm("train", folder, "--out", out, "--epochs", "1", "--threads", "1", "--json");
  doneOf(ran);
  const events = eventsOf(ran);
  expect(events.filter(({ event }) => event === "warning")).toContainEqual({
    event: "warning",
    message: expect.stringMatching(/One unreadable image was skipped.*broken\.jpg/),
  });
  const { train, validation, test } = events.find(({ event }) => event === "start")!.examples as Record<string, number>;
  expect(train! + validation! + test!).toBe(24);
  expect(doneOf(await isonorm("check", folder, "--json"))).toMatchObject({
    examples: 24,
    unreadable: [{ file: expect.stringContaining("broken.jpg") }],
  });
});

describe("a model file is refused", () => {
  const model = () => {
    const path = join(temporaryFolder(), "model.onnx");
    copyFileSync(join(import.meta.dirname, "../fixtures/pytorch/depthwise.onnx"), path);
    return path;
  };

  test("where it is cut off", async () => {
    const path = model();
    truncateSync(path, 1000);
    for (const args of [
      ["inspect", path],
      ["evaluate", path, digits],
      ["predict", path, digits],
    ])
      await expectRefusal(args, "ISO_ONNX_MALFORMED", "model.onnx");
  });

  test("where it is no ONNX", async () => {
    const path = join(temporaryFolder(), "model.onnx");
    writeFileSync(path, gunzipSync(readFileSync(join(digits, "digits.csv.gz"))));
    await expectRefusal(["inspect", path], "ISO_ONNX_MALFORMED");
  });

  test("where it does not exist", () =>
    expectRefusal(["evaluate", "nowhere.onnx", digits], "ISO_MODEL_UNREADABLE", "nowhere.onnx"));

  test("where isonorm did not export it", () =>
    expectRefusal(["evaluate", model(), digits], "ISO_MODEL_UNSUITABLE", "isonorm.classes"));
});

describe("arguments", () => {
  test.each([
    [["--help"], 0],
    [["train", "--help"], 0],
    [["--version"], 0],
    [["train", "--no-such-option"], 2],
    [["evaluate"], 2],
    [["conquer"], 2],
    [["evaluate", "a.onnx", "b", "--split", "half"], 2],
  ])("%j ends with %d", async (args, status) => {
    const ran = await isonorm(...(args as string[]));
    expect(ran.status).toBe(status);
    expect(status === 0 ? ran.stdout : ran.stderr).not.toBe("");
    expect(ran.seconds).toBeLessThan(secondsToRefuse);
  });

  test("train without data says what to do", () =>
    expectRefusal(["train"], "ISO_ARGUMENT", "isonorm train examples/digits"));
});

test("with --json an error is the last event, and the words for people stand on stderr", async () => {
  const ran = await isonorm("train", "/nowhere", "--json");
  expect(ran.status).toBe(2);
  expect(eventsOf(ran).at(-1)).toEqual({
    event: "error",
    code: "ISO_DATA_MISSING",
    message: expect.stringContaining("/nowhere"),
    exitStatus: 2,
  });
  expect(ran.stderr).toContain("error ISO_DATA_MISSING");
});

test("a stack trace is shown with --debug", async () => {
  const ran = await isonorm("train", "/nowhere", "--debug");
  expect(ran.stderr).toMatch(/^\s+at /m);
});
