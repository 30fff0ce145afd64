import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digits, doneOf, type Event, eventsOf, isonorm, type Ran, temporaryFolder } from "./isonorm.js";

// One training that all tests look at: digits, three epochs.
const folder = mkdtempSync(join(tmpdir(), "isonorm-test-"));
const run = join(folder, "run");
let training: Ran;
let trained: Event;

beforeAll(async () => {
  training = await isonorm("train", digits, "--epochs", "3", "--threads", "1", "--seed", "5", "--out", run, "--json");
  trained = doneOf(training);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The first rows of digits as a CSV file: 64 pixels each and, if asked for, the digit. */
function digitRows(count: number, options: { label: boolean; header?: boolean }): { path: string; labels: string[] } {
  const rows = gunzipSync(readFileSync(join(digits, "digits.csv.gz")))
    .toString()
    .split("\n")
    .slice(0, count);
  const cells = rows.map((row) => row.split(","));
  const shown = cells.map((row) => (options.label ? row : row.slice(0, 64)));
  const header = [...Array.from({ length: 64 }, (_, pixel) => `pixel ${pixel}`), ...(options.label ? ["digit"] : [])];
  const path = join(temporaryFolder(), "rows.csv");
  writeFileSync(path, [...(options.header ? [header] : []), ...shown].map((row) => `${row.join(",")}\n`).join(""));
  return { path, labels: cells.map((row) => row[64]!) };
}

describe("train", () => {
  test("with --json prints events and nothing else, done last", () => {
    const kinds = eventsOf(training).map(({ event }) => event);
    expect(kinds.filter((kind) => kind !== "warning")).toEqual(["start", "epoch", "epoch", "epoch", "done"]);
    expect(trained).toMatchObject({
      status: "done",
      validation: { accuracy: expect.any(Number), loss: expect.any(Number) },
      test: { accuracy: expect.any(Number), loss: expect.any(Number) },
      elr: 2 ** -8.5,
      scale: 2.5 * Math.sqrt(10),
      examplesPerSecond: expect.any(Number),
      out: run,
    });
    // Three epochs get far above the 10 % of guessing.
    expect((trained.test as { accuracy: number }).accuracy).toBeGreaterThan(0.9);
    expect(training.stderr).toContain("test accuracy");
  });

  test("fills the run folder", () => {
    for (const name of ["checkpoint.safetensors", "model.onnx", "report.html"])
      expect(existsSync(join(run, name)), name).toBe(true);
    const record = JSON.parse(readFileSync(join(run, "run.json"), "utf8"));
    expect(record).toMatchObject({
      status: "done",
      dataHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      settings: { seed: 5 },
    });
    const metrics = readFileSync(join(run, "metrics.jsonl"), "utf8").trimEnd().split("\n");
    expect(metrics.map((line) => JSON.parse(line).epoch)).toEqual([1, 2, 3]);
  });

  test("gives the same figures again with the same seed", async () => {
    const again = doneOf(
      await isonorm(
        "train",
        digits,
        "--epochs",
        "3",
        "--threads",
        "1",
        "--seed",
        "5",
        "--out",
        join(folder, "again"),
        "--json",
      ),
    );
    expect(again.validation).toEqual(trained.validation);
    expect(again.test).toEqual(trained.test);
  });

  test("does not resume with other settings", async () => {
    const ran = await isonorm("train", "--resume", run, "--elr", "0.5");
    expect(ran.status).toBe(2);
    expect(ran.stderr).toMatch(/ISO_RESUME_MISMATCH.*elr.*0\.5/);
  });

  test("does not resume with other data", async () => {
    const { path } = digitRows(200, { label: true });
    const ran = await isonorm("train", path, "--resume", run);
    expect(ran.status).toBe(2);
    expect(ran.stderr).toContain("ISO_RESUME_MISMATCH");
  });

  test("does not resume when the data on disk has changed", async () => {
    const { path } = digitRows(300, { label: true });
    const out = join(temporaryFolder(), "run");
    doneOf(await isonorm("train", path, "--epochs", "1", "--out", out, "--json"));
    writeFileSync(path, readFileSync(path, "utf8").replace("5", "6"));
    const ran = await isonorm("train", "--resume", out);
    expect(ran.status).toBe(2);
    expect(ran.stderr).toContain("ISO_RESUME_MISMATCH");
  });

  test("resumed after the end, says again what came out", async () => {
    const again = doneOf(await isonorm("train", "--resume", run, "--json"));
    expect(again.test).toEqual(trained.test);
  });
});

describe("evaluate", () => {
  test("on the training data gives the figures of train's own test split", async () => {
    const done = doneOf(await isonorm("evaluate", run, digits, "--json"));
    const { accuracy, loss, macroF1 } = trained.test as Record<string, number>;
    expect(done).toMatchObject({ split: "test", trainedOn: true, accuracy, loss, macroF1, examples: 359 });
    const confusion = done.confusion as { label: string; predicted: string; examples: number }[];
    const right = confusion
      .filter(({ label, predicted }) => label === predicted)
      .reduce((sum, { examples }) => sum + examples, 0);
    expect(right / 359).toBe(accuracy);
    expect(done.perClass).toHaveLength(10);
    expect(done.ece).toBeGreaterThanOrEqual(0);
  });

  test("of the validation split gives train's validation figures", async () => {
    const done = doneOf(await isonorm("evaluate", join(run, "model.onnx"), digits, "--split", "validation", "--json"));
    expect(done).toMatchObject({ accuracy: (trained.validation as Event).accuracy, examples: 145 });
  });

  test("knows the training data by the model file alone", async () => {
    const alone = join(temporaryFolder(), "digits.onnx");
    copyFileSync(join(run, "model.onnx"), alone);
    expect(doneOf(await isonorm("evaluate", alone, digits, "--json"))).toMatchObject({
      split: "test",
      trainedOn: true,
      examples: 359,
    });
  });

  test("of all examples counts every split", async () => {
    expect(doneOf(await isonorm("evaluate", run, digits, "--split", "all", "--json"))).toMatchObject({
      examples: 1797,
    });
  });

  test.each([
    ["without a header", false],
    ["with other column names", true],
  ])("takes other data, %s, and all of it", async (_, header) => {
    const { path } = digitRows(40, { label: true, header });
    const done = doneOf(await isonorm("evaluate", run, path, "--json"));
    expect(done).toMatchObject({ split: "all", trainedOn: false, examples: 40 });
    expect(done.accuracy).toBeGreaterThan(0.9);
  });

  test("takes data that lacks some classes", async () => {
    const { path } = digitRows(3, { label: true });
    expect(doneOf(await isonorm("evaluate", run, path, "--json"))).toMatchObject({ examples: 3 });
  });

  test("names a label that the classifier does not know", async () => {
    const { path } = digitRows(30, { label: true });
    const [first, second, ...rest] = readFileSync(path, "utf8").split("\n");
    writeFileSync(path, [first, second!.replace(/\d$/, "eleven"), ...rest].join("\n"));
    const ran = await isonorm("evaluate", run, path);
    expect(ran.status).toBe(2);
    expect(ran.stderr).toMatch(/ISO_DATA_FORMAT.*"eleven".*row 2\b/);
  });

  test("names a split that other data does not have", async () => {
    const ran = await isonorm("evaluate", run, digitRows(30, { label: true }).path, "--split", "validation");
    expect(ran.status).toBe(2);
    expect(ran.stderr).toMatch(/ISO_ARGUMENT.*no validation split/);
  });

  test("for people shows a table of classes and the confusion matrix", async () => {
    const ran = await isonorm("evaluate", run, digits);
    expect(ran.status).toBe(0);
    for (const words of ["95% interval", "macro F1", "precision", "confusion matrix"])
      expect(ran.stdout).toContain(words);
  });

  test("writes predictions as CSV", async () => {
    const path = join(temporaryFolder(), "predictions.csv");
    const done = doneOf(await isonorm("evaluate", run, digits, "--out", path, "--json"));
    const [header, ...lines] = readFileSync(path, "utf8").trimEnd().split("\n");
    expect(header).toMatch(/^source,label,predicted,probability 0,.*,probability 9$/);
    expect(lines).toHaveLength(359);
    const cells = lines.map((line) => line.split(","));
    expect(cells.filter(([, label, predicted]) => label === predicted).length / 359).toBe(done.accuracy);
    // Seven digits of each probability are written.
    for (const [, , , ...probabilities] of cells)
      expect(probabilities.map(Number).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
  });

  test("refuses to write predictions where no folder is", async () => {
    const ran = await isonorm("evaluate", run, digits, "--out", "/nowhere/predictions.csv");
    expect(ran.status).toBe(2);
    expect(ran.stderr).toContain("ISO_OUT_NOT_WRITABLE");
  });
});

describe("predict", () => {
  test("labels rows without labels", async () => {
    const { path, labels } = digitRows(20, { label: false });
    const ran = await isonorm("predict", run, path, "--json");
    expect(doneOf(ran)).toMatchObject({ examples: 20, skipped: 0 });
    const predictions = eventsOf(ran).filter(({ event }) => event === "prediction");
    expect(predictions[0]).toEqual({
      event: "prediction",
      source: `${path} row 1`,
      label: expect.any(String),
      probability: expect.any(Number),
      top: Array.from({ length: 3 }, () => ({ label: expect.any(String), probability: expect.any(Number) })),
    });
    const right = predictions.filter(({ label }, row) => label === labels[row]).length;
    expect(right).toBeGreaterThanOrEqual(18);
  });

  test("takes no notice of a label column", async () => {
    const { path, labels } = digitRows(20, { label: true });
    const predictions = eventsOf(await isonorm("predict", run, path, "--json")).filter(
      ({ event }) => event === "prediction",
    );
    expect(predictions.filter(({ label }, row) => label === labels[row]).length).toBeGreaterThanOrEqual(18);
  });

  test("shows as many classes as asked for", async () => {
    const ran = await isonorm("predict", run, digitRows(2, { label: false }).path, "--top", "1");
    expect(ran.stdout).toMatch(/^\S+ row 1: 0 \d+\.\d\d %\n\S+ row 2: 1 \d+\.\d\d %\n$/);
  });

  test("names a missing column", async () => {
    const path = join(temporaryFolder(), "rows.csv");
    writeFileSync(path, "a,b\n1,2\n");
    const ran = await isonorm("predict", run, path);
    expect(ran.status).toBe(2);
    expect(ran.stderr).toMatch(/ISO_DATA_FORMAT.*no column c0/);
  });
});

describe("inspect", () => {
  test("lists every weight with its proof, by graph and by number", async () => {
    const ran = await isonorm("inspect", run, "--json");
    expect(ran.status).toBe(0);
    const last = eventsOf(ran).at(-1)!;
    expect(last.event).toBe("weights");
    const weights = last.weights as {
      name: string;
      scaleInvariant: boolean;
      agree: boolean;
      norm: number;
      reason: string;
    }[];
    const invariant = weights.filter(({ scaleInvariant }) => scaleInvariant).map(({ name }) => name);
    expect(invariant).toEqual(["layer1.linear.weight", "layer2.linear.weight", "classifier.weight"]);
    for (const { name, agree, norm, reason } of weights) {
      expect({ name, agree }).toEqual({ name, agree: true });
      expect(norm).toBeGreaterThanOrEqual(0);
      expect(reason).not.toBe("");
    }
  });

  test("knows the built-in models by name", async () => {
    const ran = await isonorm("inspect", "mlp");
    expect(ran.status).toBe(0);
    expect(ran.stdout).toContain("graph analysis and numbers agree on every weight");
  });
});

test("check counts examples, splits and duplicates", async () => {
  const { path } = digitRows(100, { label: true });
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text + text.split("\n").slice(0, 1).join("\n"));
  const done = doneOf(await isonorm("check", path, "--json"));
  expect(done).toMatchObject({
    examples: 101,
    classes: [..."0123456789"],
    splits: [{ name: "train" }, { name: "validation" }, { name: "test" }],
  });
  const { within, leaks } = done.duplicates as { within: number; leaks: number };
  expect(within + leaks).toBe(1);
});

test("doctor finds that training works here", async () => {
  const ran = await isonorm("doctor", "--json");
  expect(ran.status).toBe(0);
  const report = eventsOf(ran).at(-1)!;
  expect(report).toMatchObject({ event: "doctor", ok: true });
  expect(ran.stderr).toMatch(/training step on the CPU\s+works/);
  expect(ran.stderr).toMatch(/image decoding\s+works/);
});

test("images: train on a folder, then predict files and folders, one of them unreadable", async () => {
  const { default: sharp } = await import("sharp");
  const data = join(temporaryFolder(), "data");
  for (const [index, name] of ["dark", "light"].entries()) {
    mkdirSync(join(data, name), { recursive: true });
    for (let picture = 0; picture < 20; picture++) {
      const level = 60 + 120 * index + picture;
      const image = sharp({
        create: { width: 8, height: 8, channels: 3, background: { r: level, g: level / 2, b: level } },
      });
      await image.png().toFile(join(data, name, `${picture}.png`));
    }
  }
  const out = join(temporaryFolder(), "run");
  const training = doneOf(
    await isonorm("train", data, "--model", "mlp", "--hidden", "8", "--epochs", "5", "--out", out, "--json"),
  );
  const evaluation = doneOf(await isonorm("evaluate", out, data, "--json"));
  expect(evaluation).toMatchObject({ trainedOn: true, split: "test", accuracy: (training.test as Event).accuracy });

  const broken = join(temporaryFolder(), "broken.png");
  writeFileSync(broken, "no picture");
  const ran = await isonorm("predict", out, join(data, "dark"), join(data, "light", "3.png"), broken, "--json");
  expect(doneOf(ran)).toMatchObject({ examples: 21, skipped: 1 });
  const events = eventsOf(ran);
  expect(events.filter(({ event }) => event === "warning")).toMatchObject([
    { message: expect.stringContaining("broken.png") },
  ]);
  const predictions = events.filter(({ event }) => event === "prediction");
  const wanted = predictions.map(({ source }) => (String(source).includes("light") ? "light" : "dark"));
  expect(predictions.map(({ label }) => label)).toEqual(wanted);

  const none = await isonorm("predict", out, broken);
  expect(none.status).toBe(2);
  expect(none.stderr).toContain("ISO_DATA_IMAGE_UNREADABLE");
  const table = await isonorm("evaluate", out, digits);
  expect(table.status).toBe(2);
  expect(table.stderr).toMatch(/ISO_DATA_FORMAT.*a table, and the classifier takes images/);
});
