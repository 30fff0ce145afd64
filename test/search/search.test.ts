import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import type { FinishedSearch, SearchEvent } from "../../src/index.js";
import { digits, doneOf, type Event, eventsOf, isonorm, type Ran } from "../cli/isonorm.js";
import { smallSearch, studyContent, trainedState } from "./study.js";

// Whole searches, each of several processes: seconds on an idle machine, minutes on a busy one.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const folder = mkdtempSync(join(tmpdir(), "isonorm-test-"));
const two = join(folder, "two");
let ran: Ran;
let done: Event;

beforeAll(async () => {
  ran = await isonorm(...smallSearch(two, "--jobs", "2"));
  done = doneOf(ran);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Summary {
  readonly number: number;
  readonly elr: number;
  readonly fraction: number;
  readonly state: string;
  readonly validationLoss: number;
  readonly cost: number;
}

describe("isonorm search", () => {
  test("finds an effective learning rate, and says so as events with done last", () => {
    const trials = done.trials as Summary[];
    const full = trials.filter(({ fraction }) => fraction === 1);
    expect(trials.length).toBeGreaterThanOrEqual(6);
    expect(full.length).toBeGreaterThanOrEqual(1);
    expect(trials.every(({ state }) => state === "complete")).toBe(true);
    const winner = trials[done.trial as number]!;
    expect(winner).toMatchObject({ fraction: 1, elr: done.elr });
    const { fullRuns, seconds } = done.cost as { fullRuns: number; seconds: number };
    expect(fullRuns).toBeCloseTo(
      trials.reduce((sum, { cost }) => sum + cost, 0),
      12,
    );
    expect(fullRuns).toBeLessThanOrEqual(3);
    expect(seconds).toBeGreaterThan(0);
    expect(done).toMatchObject({ out: two, scale: 2.5 * Math.sqrt(10), examplesPerSecond: expect.any(Number) });
    // Twelve epochs of a small network get far above the 10 % of guessing, if not to the 98 % of a long training.
    expect((done.test as { accuracy: number }).accuracy).toBeGreaterThan(0.92);

    const events = eventsOf(ran).filter(({ event }) => event !== "warning");
    expect(events[0]).toMatchObject({
      event: "start",
      strategy: "bracket",
      searched: ["elr"],
      epochs: 12,
      trialsDone: 0,
    });
    const ended = events.filter(({ event, state }) => event === "trial" && state === "complete");
    expect(ended.map(({ number }) => number).toSorted()).toEqual(trials.map(({ number }) => number));
    expect(events.filter(({ event, trial }) => event === "epoch" && trial === winner.number)).toHaveLength(12);
    expect(ran.stderr).toContain("validation loss by ELR");
    expect(ran.stderr).toContain("test accuracy");
  });

  test("compresses the whole schedule into a short training", () => {
    const epochs = eventsOf(ran).filter(({ event, trial }) => event === "epoch" && trial === 2);
    const last = epochs.at(-1) as unknown as { epoch: number; step: number; elr: number };
    expect(last).toMatchObject({ epoch: 1.5, step: 60 });
    // Cosine: at the last of 60 steps (1 + cos(59/60 pi)) / 2 of the rate.
    expect(last.elr / 2 ** -8.5).toBeCloseTo((1 + Math.cos((59 / 60) * Math.PI)) / 2, 10);
  });

  test("fills the run folder, and its report shows trials and winner", () => {
    for (const name of ["model.onnx", "checkpoint.safetensors", "metrics.jsonl", "study.db"])
      expect(existsSync(join(two, name)), name).toBe(true);
    const record = JSON.parse(readFileSync(join(two, "run.json"), "utf8"));
    expect(record).toMatchObject({
      command: "search",
      status: "done",
      settings: { seed: 4 },
      results: { elr: done.elr },
    });
    const report = readFileSync(join(two, "report.html"), "utf8");
    for (const words of [
      "Response curve",
      "Best by training length",
      "80% interval",
      "The chosen training",
      "Confusion matrix",
    ])
      expect(report).toContain(words);
  });

  test("leaves a folder that evaluate takes as it takes a training's", async () => {
    const evaluated = doneOf(await isonorm("evaluate", two, digits, "--json"));
    const { accuracy, loss } = done.test as { accuracy: number; loss: number };
    expect(evaluated).toMatchObject({ trainedOn: true, split: "test", accuracy, loss });
  });

  test("resumed after the end, trains nothing and says again what came out", async () => {
    const again = await isonorm("search", "--resume", two, "--json");
    expect(doneOf(again)).toEqual(done);
    expect(eventsOf(again).map(({ event }) => event)).not.toContain("trial");
  });

  test("does not resume with other settings, nor over another run without being asked to", async () => {
    for (const [option, value, words] of [
      ["--momentum", "0.5", /momentum 0\.9.*0\.5/],
      ["--budget", "5", /budget 3.*5/],
      ["--search", "scale", /search space/],
    ] as const) {
      const other = await isonorm("search", "--resume", two, option, value);
      expect(other.status).toBe(2);
      expect(other.stderr).toMatch(/ISO_RESUME_MISMATCH/);
      expect(other.stderr).toMatch(words);
    }
    const over = await isonorm(...smallSearch(two));
    expect(over.status).toBe(2);
    expect(over.stderr).toMatch(/ISO_ARGUMENT.*already holds a run/);
  });

  test("lists studies and trials as tables, and exports them", async () => {
    const list = await isonorm("search", "--list", "--out", two);
    expect(list.stdout).toMatch(/study\s+created/);
    const show = await isonorm("search", two, "--show", "--json");
    const { trials } = eventsOf(show).at(-1) as unknown as { trials: { trial: number; loss: number }[] };
    expect(trials.map(({ loss }) => loss)).toEqual(
      (done.trials as Summary[]).map(({ validationLoss }) => validationLoss),
    );
    const csv = await isonorm("search", two, "--export", "csv");
    expect(csv.stdout.split("\r\n")).toHaveLength(trials.length + 2);
    const epochs = JSON.parse((await isonorm("search", two, "--show", "5", "--export", "json")).stdout);
    expect(epochs).toHaveLength(12);
    const missing = await isonorm("search", two, "--show", "77");
    expect(missing.status).toBe(2);
    expect(missing.stderr).toContain("ISO_STUDY_MISSING");
  });
});

test("--jobs 1 gives the very trials that --jobs 2 gives, to the last bit", async () => {
  const one = join(folder, "one");
  const single = doneOf(await isonorm(...smallSearch(one, "--jobs", "1")));
  expect(await studyContent(one)).toEqual(await studyContent(two));
  const trials = (single.trials as Summary[]).map(({ number }) => number);
  for (const trial of trials) expect(trainedState(one, trial)).toEqual(trainedState(two, trial));
  const choice = ({ trial, elr, validation, test, fit, why }: Event) => ({ trial, elr, validation, test, fit, why });
  expect(choice(single)).toEqual(choice(done));
});

describe("search() in the library", async () => {
  const { data, models, search } = (await import(
    join(inject("build"), "index.js")
  )) as typeof import("../../src/index.js");

  test("searches arrays in memory with events, and gives a classifier that works", async () => {
    // Class "yes" where the first of three numbers exceeds the second.
    const rows = Array.from({ length: 300 }, (_, i) => [Math.sin(i * 12.9898), Math.cos(i * 78.233), Math.sin(i)]);
    const source = data.arrays({
      records: Float32Array.from(rows.flat()),
      labels: rows.map(([a, b]) => (a! > b! ? 1 : 0)),
      classes: ["no", "yes"],
      input: { kind: "table", numeric: ["a", "b", "c"], categorical: [] },
    });
    const under = search({
      data: source,
      model: models.mlp({ hidden: [8] }),
      epochs: 6,
      batchSize: 16,
      strategy: "random",
      trials: 3,
      search: ["momentum"],
      choose: "loss",
      out: join(folder, "library"),
    });
    const events: SearchEvent[] = [];
    for await (const event of under) events.push(event);
    const study: FinishedSearch = await under;
    expect(events[0]).toMatchObject({ event: "start", strategy: "random", searched: ["elr", "momentum"] });
    expect(events.at(-1)).toMatchObject({ event: "done", elr: study.elr });
    expect(study.trials).toHaveLength(3);
    const losses = study.trials.map(({ validationLoss }) => validationLoss ?? Number.POSITIVE_INFINITY);
    expect(losses[study.best.trial]).toBe(Math.min(...losses));
    expect(study.found.momentum).toBeGreaterThanOrEqual(0.5);
    const [yes, no] = await study.best.classifier.predict([
      { a: 0.9, b: -0.9, c: 0 },
      { a: -0.9, b: 0.9, c: 0 },
    ]);
    expect([yes!.label, no!.label]).toEqual(["yes", "no"]);
    await study.best.classifier.save(join(folder, "saved.onnx"));
    expect(existsSync(join(folder, "saved.onnx"))).toBe(true);
    await study.best.classifier.release();
  });

  test("begins at the network's own default", async () => {
    const source = data.arrays({
      records: Float32Array.from({ length: 300 }, (_, i) => Math.sin(i * 12.9898)),
      labels: Array.from({ length: 100 }, (_, i) => i % 2),
      classes: ["no", "yes"],
      input: { kind: "table", numeric: ["a", "b", "c"], categorical: [] },
    });
    const study = await search({
      data: source,
      model: models.mlp({ hidden: [512, 512] }),
      epochs: 1,
      strategy: "grid",
      trials: 3,
      out: join(folder, "wide"),
    });
    const elements = 3 * 512 + 512 * 512 + 512 * 2;
    // The middle of a range that is as wide to either side.
    expect(study.trials.map(({ elr }) => elr).sort((a, b) => a - b)[1]).toBeCloseTo((2 ** -8.5 * 75_000) / elements, 8);
    await study.best.classifier.release();
  });

  test("rejects with a coded error", async () => {
    const out = join(folder, "poor");
    await expect(search({ data: digits, epochs: 10, budget: 1, out })).rejects.toMatchObject({
      code: "ISO_BUDGET_TOO_SMALL",
    });
    expect(existsSync(out)).toBe(false);
  });
});
