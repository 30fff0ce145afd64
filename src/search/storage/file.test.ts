import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "libsql";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Random } from "../../data/core.js";
import { sampleEnding, sampleStudy, storageConformance } from "./conformance.js";
import { openStudyFile } from "./file.js";
import type { StudyStorage } from "./storage.js";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "study-"));
  path = join(folder, "study.db");
});
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

storageConformance(
  "study.db",
  async () => {
    const own = await mkdtemp(join(tmpdir(), "study-"));
    return {
      connect: async () => openStudyFile(join(own, "study.db")),
      dispose: () => rm(own, { recursive: true, force: true }),
    };
  },
  { describe, it },
);

const child = fileURLToPath(new URL("./testing/child.ts", import.meta.url));

/** A second process that opens the file and says so; with `write` it ends trials one after the other until it is killed. */
async function second(what: "own" | "transaction" | "write"): Promise<ChildProcess> {
  const process_ = spawn(process.execPath, ["--import", "tsx", child, path, what], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(process_);
  await once(process_.stdout!, "data");
  return process_;
}

async function kill(process_: ChildProcess): Promise<void> {
  const exit = once(process_, "exit");
  process_.kill("SIGKILL");
  await exit;
}

async function withFile<T>(use: (storage: StudyStorage) => Promise<T>, options = {}): Promise<T> {
  const storage = openStudyFile(path, options);
  try {
    return await use(storage);
  } finally {
    await storage.close();
  }
}

const code = (expected: string) => expect.objectContaining({ code: expected });

describe("study.db", () => {
  it("holds its studies when it is opened again", async () => {
    await withFile((storage) => storage.createStudy(sampleStudy));
    expect(await withFile((storage) => storage.studies(), { create: false })).toEqual([sampleStudy]);
  });

  it("is missing, not made, when it is only to be read", () => {
    expect(() => openStudyFile(path, { create: false })).toThrow(code("ISO_STUDY_MISSING"));
    expect(existsSync(path)).toBe(false);
  });

  it("says when its folder cannot be written", () => {
    expect(() => openStudyFile(join(folder, "no", "study.db"))).toThrow(code("ISO_OUT_NOT_WRITABLE"));
  });

  it("of a newer version is refused and left as it is", async () => {
    await withFile((storage) => storage.createStudy(sampleStudy));
    const database = new Database(path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    const before = await readFile(path);
    expect(() => openStudyFile(path)).toThrow(code("ISO_STUDY_NEWER"));
    expect(await readFile(path)).toEqual(before);
  });

  it.each([
    ["not a database", (bytes: Buffer) => Buffer.from("a study, supposedly. ".repeat(1000)).subarray(0, bytes.length)],
    ["cut off", (bytes: Buffer) => bytes.subarray(0, bytes.length - 5000)],
    [
      "overwritten from its second page on",
      (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0xab)]),
    ],
    [
      "with a record that is no JSON of ours",
      (bytes: Buffer) => Buffer.from(bytes.toString("latin1").replaceAll('"seed":7', '"sead":7'), "latin1"),
    ],
  ])("%s is refused and left as it is", async (_, damage) => {
    await withFile(async (storage) => {
      await storage.createStudy(sampleStudy);
      await storage.addTrials(
        "flowers",
        Array.from({ length: 50 }, (_, number) => ({ number, candidate: { elr: 1, fraction: 1, replicate: 0 } })),
      );
    });
    const checkpoint = new Database(path);
    checkpoint.pragma("wal_checkpoint(TRUNCATE)");
    checkpoint.close();
    const damaged = damage(await readFile(path));
    await writeFile(path, damaged);
    await expect(async () => withFile((storage) => storage.study("flowers"))).rejects.toThrow(
      code("ISO_STUDY_CORRUPT"),
    );
    expect(await readFile(path)).toEqual(damaged);
  });

  it("of another program is refused and left as it is", async () => {
    const database = new Database(path);
    database.exec("CREATE TABLE recipes (name TEXT)");
    database.close();
    const before = await readFile(path);
    expect(() => openStudyFile(path)).toThrow(code("ISO_STUDY_CORRUPT"));
    expect(await readFile(path)).toEqual(before);
  });

  it("left empty by a process that was killed while it made it is made anew", async () => {
    await writeFile(path, "");
    expect(() => openStudyFile(path, { create: false })).toThrow(code("ISO_STUDY_MISSING"));
    await withFile((storage) => storage.createStudy(sampleStudy));
    expect(await withFile((storage) => storage.studies())).toHaveLength(1);
  });

  it("locked by another process's write beyond the timeout says so; afterwards all is there", async () => {
    await withFile((storage) => storage.createStudy(sampleStudy));
    const writer = await second("transaction");
    const storage = openStudyFile(path, { busyTimeout: 50 });
    await expect(storage.claimTrial("flowers", "w", 1)).rejects.toThrow(code("ISO_STUDY_LOCKED"));
    expect(await storage.studies()).toEqual([sampleStudy]);
    await kill(writer);
    expect(await storage.claimTrial("flowers", "w", 1)).toBeUndefined();
    await storage.close();
  });

  it("has one owner at a time; one that is killed leaves it free", async () => {
    const owner = await second("own");
    expect(() => openStudyFile(path, { own: true })).toThrow(code("ISO_STUDY_LOCKED"));
    await withFile((storage) => storage.studies());
    await kill(owner);
    await withFile((storage) => storage.studies(), { own: true });
  });

  it("survives kill -9 at ten random moments: whole results only, none twice, and the search goes on", async () => {
    const trials = Array.from({ length: 4000 }, (_, number) => ({
      number,
      candidate: { elr: 2 ** -8, fraction: 1, replicate: 0 },
    }));
    await withFile(async (storage) => {
      await storage.createStudy(sampleStudy);
      await storage.addTrials("flowers", trials);
    });
    const random = new Random(1, "kill");
    let finished = 0;
    for (let round = 0; round < 10; round++) {
      const writer = await second("write");
      await new Promise((resolve) => setTimeout(resolve, 20 + 180 * random.uniform()));
      await kill(writer);
      await withFile(
        async (storage) => {
          const lost = await storage.loseTrials("flowers", Number.POSITIVE_INFINITY);
          expect(lost.length).toBeLessThanOrEqual(1);
          const stored = await storage.trials("flowers");
          expect(stored).toHaveLength(trials.length);
          const complete = stored.filter(({ state }) => state === "complete");
          for (const trial of complete) {
            expect(trial.result).toEqual(sampleEnding.state === "complete" && sampleEnding.result);
            // The writer records an epoch before it ends a trial.
            if (trial.number >= finished) expect(await storage.epochs("flowers", trial.number)).toHaveLength(1);
          }
          expect(complete.every(({ number }, i) => number === i)).toBe(true);
          expect(complete.length).toBeGreaterThanOrEqual(finished);
          finished = complete.length;
        },
        { own: true },
      );
    }
    expect(finished).toBeGreaterThan(0);
  });
});
