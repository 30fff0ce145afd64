import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { TrainedRun, TrainingEvent } from "../src/index.js";
import { digits } from "./cli/isonorm.js";

// The built package, as a user imports it.
const isonorm = (await import(join(inject("build"), "index.js"))) as typeof import("../src/index.js");
const { data, IsonormError, loadClassifier, models, train } = isonorm;

const folder = mkdtempSync(join(tmpdir(), "isonorm-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("train on arrays in memory", () => {
  // Two numbers and a colour decide: class "yes" where a > b and the colour is red.
  const rows = Array.from({ length: 400 }, (_, i) => ({
    a: Math.sin(i * 12.9898),
    b: Math.cos(i * 78.233),
    colour: i % 2,
  }));
  const isYes = ({ a, b, colour }: (typeof rows)[number]) => a > b && colour === 1;
  const events: TrainingEvent[] = [];
  let run: TrainedRun;

  beforeAll(async () => {
    const training = train({
      data: data.arrays({
        records: Float32Array.from(rows.flatMap(({ a, b, colour }) => [a, b, colour])),
        labels: rows.map((row) => (isYes(row) ? 1 : 0)),
        classes: ["no", "yes"],
        input: { kind: "table", numeric: ["a", "b"], categorical: [{ name: "colour", categories: ["blue", "red"] }] },
      }),
      model: models.mlp({ hidden: [16, 16] }),
      epochs: 30,
      batchSize: 32,
      seed: 2,
      threads: 1,
      out: join(folder, "arrays"),
    });
    for await (const event of training) events.push(event);
    run = await training;
  });

  test("tells events in their order and ends with the figures", () => {
    const kinds = events.map(({ event }) => event).filter((event) => event !== "step" && event !== "preparing");
    expect(kinds).toEqual(["start", ...Array.from({ length: 30 }, () => "epoch"), "done"]);
    const start = events.find(({ event }) => event === "start");
    // [2 numbers + 2 colours -> 16 -> 16 -> 2], gains and biases of two normalisations.
    expect(start).toMatchObject({ model: "mlp", parameters: 4 * 16 + 16 * 16 + 16 * 2 + 4 * 16 });
    expect(run.test!.accuracy).toBeGreaterThan(0.9);
  });

  test("gives a classifier that predicts rows by column name", async () => {
    const predictions = await run.classifier.predict([
      { a: 0.9, b: -0.9, colour: "red", note: "not a column of the classifier" },
      { a: 0.9, b: -0.9, colour: "blue" },
      { a: -0.9, b: 0.9, colour: "red" },
      { a: null, b: Number.NaN, colour: null },
    ]);
    expect(predictions.map(({ label }) => label).slice(0, 3)).toEqual(["yes", "no", "no"]);
    for (const { probability, probabilities } of predictions) {
      expect(probability).toBe(Math.max(...probabilities));
      expect(probabilities[0]! + probabilities[1]!).toBeCloseTo(1, 5);
    }
  });

  test.each([
    [{ a: 1, colour: "red" }, "ISO_DATA_FORMAT", /example 0 has no column "b"/],
    [{ a: 1, b: "2", colour: "red" }, "ISO_DATA_NOT_NUMERIC", /column "b" is "2"/],
    [{ a: 1e300, b: 2, colour: "red" }, "ISO_DATA_NOT_FINITE", /column "a" is 1e\+300/],
    ["rose.jpg", "ISO_DATA_FORMAT", /example 0 is no object/],
  ])("refuses %j", async (row, code, message) => {
    const error = await run.classifier.predict([row as never]).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(IsonormError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test("saves a file that gives the same predictions when loaded", async () => {
    const path = join(folder, "saved.onnx");
    await run.classifier.save(path);
    const loaded = await loadClassifier(path, { threads: 1 });
    const examples = rows.slice(0, 50).map(({ a, b, colour }) => ({ a, b, colour: colour === 1 ? "red" : "blue" }));
    expect(await loaded.predict(examples)).toEqual(await run.classifier.predict(examples));
    expect(loaded.classes).toEqual(["no", "yes"]);
    await loaded.release();
  });

  test("cannot save where no folder is", async () => {
    await expect(run.classifier.save("/nowhere/model.onnx")).rejects.toMatchObject({ code: "ISO_OUT_NOT_WRITABLE" });
  });
});

test("train on a path; abort it, resume it, judge it on its own data", async () => {
  const out = join(folder, "path");
  const abort = new AbortController();
  const options = { data: digits, hidden: [64, 64], epochs: 3, batchSize: 32, threads: 1, out };
  const onEvent = ({ event }: TrainingEvent) => {
    if (event === "epoch") abort.abort();
  };
  const stopped = await train({ ...options, onEvent, signal: abort.signal }).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(stopped).toMatchObject({ code: "ISO_INTERRUPTED", exitStatus: 130 });
  await expect(train(options)).rejects.toMatchObject({ code: "ISO_ARGUMENT" });

  const run = await train({ ...options, resume: true });
  expect(run.out).toBe(out);
  const { dataset, split, trainedOn } = await isonorm.openEvaluationData(run.classifier, digits);
  const evaluation = await run.classifier.evaluate(dataset);
  dataset.close();
  expect({ split, trainedOn, accuracy: evaluation.accuracy }).toEqual({
    split: "test",
    trainedOn: true,
    accuracy: run.test!.accuracy,
  });
});

test("data of another form than was said is refused before anything starts", async () => {
  await expect(data.imageFolder(digits)).rejects.toMatchObject({ code: "ISO_DATA_FORMAT" });
  await expect(data.table("/nowhere")).rejects.toMatchObject({ code: "ISO_DATA_MISSING" });
  await expect(data.table(digits)).resolves.toMatchObject({ kind: "path", settings: { path: digits } });
});

test("an error reaches whoever only iterates", async () => {
  const empty = join(folder, "empty");
  mkdirSync(empty);
  writeFileSync(join(empty, "notes.txt"), "no data");
  const iterate = async () => {
    for await (const _ of train({ data: { kind: "path", settings: { path: empty } }, out: join(folder, "none") }));
  };
  await expect(iterate()).rejects.toMatchObject({ code: "ISO_DATA_FORMAT" });
});
