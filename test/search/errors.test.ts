import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "libsql";
import { describe, expect, test, vi } from "vitest";
import {
  digits,
  doneOf,
  type Event,
  eventsOf,
  isonorm,
  type Ran,
  startIsonorm,
  temporaryFolder,
} from "../cli/isonorm.js";
import { afterLines, killChildren } from "./study.js";

// Whole searches, each of several processes: seconds on an idle machine, minutes on a busy one.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const out = () => join(temporaryFolder(), "run");
/** Three trainings of 50 steps and one of 80. */
const quick = (folder: string, ...options: string[]) => {
  const settings = ["--epochs", "4", "--hidden", "8", "--threads", "2"];
  return ["search", digits, ...settings, "--out", folder, "--json", ...options];
};

function expectError(ran: Ran, code: string, status: number, ...words: (string | RegExp)[]): void {
  expect(ran.stderr).toContain(`error ${code}: `);
  expect(ran.status).toBe(status);
  expect(eventsOf(ran).at(-1)).toMatchObject({ event: "error", code });
  for (const word of words) expect(ran.stderr).toMatch(word);
}

const endedTrials = (ran: Ran): Event[] =>
  eventsOf(ran).filter(({ event, state }) => event === "trial" && state !== "running");

describe("a search that cannot succeed says why", () => {
  test("where every candidate diverges, with a report of what was tried", async () => {
    const folder = out();
    // Biases and batch normalisation's parameters are infinite after the first step, whatever the effective learning rate.
    const ran = await isonorm(...quick(folder, "--lr", "1e30"));
    expectError(ran, "ISO_SEARCH_ALL_DIVERGED", 1, /2\^-8\.5/, "Lower --lr");
    expect(endedTrials(ran).map(({ state }) => state)).toEqual(Array(6).fill("diverged"));
    expect(readFileSync(join(folder, "report.html"), "utf8")).toContain("6 diverged");
    expect(JSON.parse(readFileSync(join(folder, "run.json"), "utf8"))).toMatchObject({ status: "failed" });
    expectError(await isonorm("search", "--resume", folder, "--json"), "ISO_SEARCH_ALL_DIVERGED", 1);
  });

  test.each([
    [
      "a budget that no low rung fits into",
      ["--budget", "1.2"],
      "ISO_BUDGET_TOO_SMALL",
      /1\.2 full trainings.*needs at least \d/,
    ],
    ["an unknown strategy", ["--strategy", "guess"], "ISO_ARGUMENT", "bracket, grid, random"],
    ["an unknown parameter to search", ["--search", "width"], "ISO_ARGUMENT", /width.*scale, momentum/],
    ["a number of trials for bracket", ["--trials", "9"], "ISO_ARGUMENT", "budget"],
    ["no training at a time", ["--jobs", "0"], "ISO_ARGUMENT", "--jobs"],
    ["no fixed norm", ["--fixed-norm", "none"], "ISO_ARGUMENT", "no effective learning rate"],
    ["the best weights on the way", ["--keep", "best"], "ISO_ARGUMENT", "--keep best"],
    ["an unknown model", ["--model", "resnet21"], "ISO_MODEL_UNKNOWN", "resnet21"],
  ])("with %s, and leaves nothing behind", async (_, options, code, words) => {
    const folder = out();
    expectError(await isonorm(...quick(folder, ...options)), code, 2, words);
    expect(existsSync(folder)).toBe(false);
  });

  test("to resume where there is no search", async () => {
    expectError(await isonorm("search", "--resume", temporaryFolder(), "--json"), "ISO_STUDY_MISSING", 2);
  });

  test("to train on in a search's folder, with the command to use", async () => {
    const folder = out();
    mkdirSync(folder);
    doneOf(await isonorm(...quick(folder)));
    expectError(await isonorm("train", "--resume", folder, "--json"), "ISO_ARGUMENT", 2, "isonorm search --resume");
  });
});

test("a class without validation examples is warned of, and macro-F1 still decides", async () => {
  const folder = join(temporaryFolder(), "data");
  mkdirSync(folder);
  const rows = (count: number, classes: number) =>
    Array.from(
      { length: count },
      (_, i) => `${Math.sin(i)},${(i % classes) + 0.1 * Math.cos(7 * i)},class ${i % classes}\n`,
    );
  for (const [name, classes] of [
    ["train", 3],
    ["validation", 2],
    ["test", 3],
  ] as const)
    writeFileSync(join(folder, `${name}.csv`), `a,b,label\n${rows(240, classes).join("")}`);
  const settings = ["--epochs", "20", "--hidden", "8", "--batch-size", "24", "--choose", "macroF1"];
  const ran = await isonorm("search", folder, ...settings, "--out", out(), "--json");
  const done = doneOf(ran);
  expect(eventsOf(ran)).toContainEqual({
    event: "warning",
    message: expect.stringMatching(/validation split has no example of class 2/),
  });
  expect((done.validation as { macroF1: number }).macroF1).toBeGreaterThan(0.9);
});

describe("a study file", () => {
  test("that another search runs in is left to it", async () => {
    const folder = out();
    const { process: first, ended } = startIsonorm(quick(folder));
    const second = await new Promise<Ran>((resolve) => {
      afterLines(first, 3, () => resolve(isonorm("search", "--resume", folder, "--json")));
    });
    expectError(second, "ISO_STUDY_LOCKED", 2, folder);
    doneOf(await ended);
  });

  test("from a newer version, or damaged, is told of and left as it is", async () => {
    const folder = out();
    doneOf(await isonorm(...quick(folder)));
    const path = join(folder, "study.db");
    const database = new Database(path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    const newer = readFileSync(path);
    for (const command of [
      ["search", "--resume", folder, "--json"],
      ["search", folder, "--show", "--json"],
    ])
      expectError(await isonorm(...command), "ISO_STUDY_NEWER", 2, /99/);
    expect(readFileSync(path).equals(newer)).toBe(true);

    const damaged = Buffer.from(newer).fill(0x5a, 100, 8192);
    writeFileSync(path, damaged);
    for (const command of [
      ["search", "--resume", folder, "--json"],
      ["search", "--list", "--out", folder, "--json"],
    ])
      expectError(await isonorm(...command), "ISO_STUDY_CORRUPT", 2, "study.db");
    expect(readFileSync(path).equals(damaged)).toBe(true);
  });
});

describe("a trial", () => {
  test("that fails is kept with its error, and the search goes on", async () => {
    const folder = out();
    mkdirSync(join(folder, "trials", "0001"), { recursive: true });
    writeFileSync(join(folder, "trials", "0001", "run.json"), "no record");
    const ran = await isonorm(...quick(folder));
    const done = doneOf(ran);
    expect(endedTrials(ran).find(({ number }) => number === 1)).toMatchObject({
      state: "failed",
      error: { code: "ISO_CHECKPOINT_MALFORMED", message: expect.stringContaining("0001") },
    });
    expect((done.trials as Event[]).filter(({ state }) => state === "complete").length).toBeGreaterThanOrEqual(3);
    expect(readFileSync(join(folder, "report.html"), "utf8")).toContain("ISO_CHECKPOINT_MALFORMED");
  });

  test("that all others fail like ends the search", async () => {
    const folder = out();
    for (const number of [0, 1, 2, 3, 4]) {
      mkdirSync(join(folder, "trials", `000${number}`), { recursive: true });
      writeFileSync(join(folder, "trials", `000${number}`, "run.json"), "no record");
    }
    expectError(await isonorm(...quick(folder)), "ISO_SEARCH_ALL_FAILED", 1, "ISO_CHECKPOINT_MALFORMED");
  });

  test.skipIf(process.platform === "win32")("whose process is killed again and again has failed", async () => {
    const folder = out();
    const { process: search, ended } = startIsonorm(quick(folder));
    const killer = setInterval(() => killChildren(search), 20);
    const ran = await ended.finally(() => clearInterval(killer));
    expectError(ran, "ISO_SEARCH_ALL_FAILED", 1, "ISO_WORKER_LOST", "SIGKILL");
    // Each of the three trials is tried four times more.
    expect(endedTrials(ran).filter(({ state }) => state === "lost")).toHaveLength(12);
    expect(endedTrials(ran).filter(({ state }) => state === "failed")).toHaveLength(3);
  });

  test("that cannot write stops the search, which goes on when it can", async () => {
    const folder = out();
    mkdirSync(join(folder, "trials"), { recursive: true });
    writeFileSync(join(folder, "trials", "0001"), "in the way");
    expectError(await isonorm(...quick(folder)), "ISO_OUT_NOT_WRITABLE", 2, "0001");
    rmSync(join(folder, "trials", "0001"));
    const resumed = doneOf(await isonorm("search", "--resume", folder, "--json"));
    expect((resumed.trials as Event[]).every(({ state }) => state === "complete")).toBe(true);
  });
});

test("data that changes during a search stops it", async () => {
  const path = join(temporaryFolder(), "table.csv");
  const table = (sign: number) =>
    Array.from({ length: 300 }, (_, i) => `${Math.sin(i)},${sign * Math.cos(i)},${i % 2 ? "odd" : "even"}\n`).join("");
  writeFileSync(path, `a,b,label\n${table(1)}`);
  const folder = out();
  const settings = ["--epochs", "20", "--hidden", "8", "--jobs", "1"];
  const { process: search, ended } = startIsonorm(["search", path, ...settings, "--out", folder, "--json"]);
  afterLines(search, 3, () => writeFileSync(path, `a,b,label\n${table(-1)}`));
  expectError(await ended, "ISO_RESUME_MISMATCH", 2, /data in .*table\.csv has changed/);
  expectError(await isonorm("search", "--resume", folder, "--json"), "ISO_RESUME_MISMATCH", 2, "not what the search");
  writeFileSync(path, `a,b,label\n${table(1)}`);
  doneOf(await isonorm("search", "--resume", folder, "--json"));
});
