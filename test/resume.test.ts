import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeSafetensors } from "../src/safetensors/index.js";
import { digits, doneOf, eventsOf, type Ran, startIsonorm } from "./cli/isonorm.js";

// 1,293 training examples in batches of 32: 40 steps an epoch, of some milliseconds each. Augmentation of tables is mixup; the average and Adam's two moments
// are state as well.
const stepsPerEpoch = 40;
const settings = ["--epochs", "4", "--batch-size", "32", "--hidden", "256,256", "--threads", "1", "--seed", "3"];
const more = ["--optimizer", "adam", "--ema", "0.98", "--augmentation", "mixup=0.2", "--keep", "best"];

const folder = mkdtempSync(join(tmpdir(), "isonorm-test-"));
const train = (out: string) =>
  startIsonorm(["train", digits, ...settings, ...more, "--out", join(folder, out), "--json"]);
const resume = (out: string) => startIsonorm(["train", "--resume", join(folder, out), "--json"]).ended;

let whole: Ran;
beforeAll(async () => {
  whole = await train("whole").ended;
  doneOf(whole);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Lets a training run into its second epoch, and does something to it there. */
async function interrupt(
  out: string,
  act: (parent: number, worker: number) => void,
): Promise<{ ran: Ran; worker: number }> {
  const { process: parent, ended } = train(out);
  let worker = 0;
  await new Promise<void>((resolve, reject) => {
    let seen = "";
    parent.stdout!.on("data", (text: string) => {
      seen += text;
      if (!seen.includes('"event":"epoch"') || worker !== 0) return;
      worker = Number(execFileSync("pgrep", ["-P", String(parent.pid)], { encoding: "utf8" }));
      act(parent.pid!, worker);
      resolve();
    });
    ended.then(() => reject(new Error("the training ended before it could be interrupted")));
  });
  return { ran: await ended, worker };
}

/** The worker outlives a killed parent until its checkpoint is written. */
async function gone(pid: number): Promise<void> {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline; ) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`process ${pid} did not end`);
}

function checkpoint(out: string) {
  const { tensors, metadata } = decodeSafetensors(readFileSync(join(folder, out, "checkpoint.safetensors")));
  const progress = JSON.parse(metadata.isonorm!) as { step: number; history: Record<string, number>[] };
  // Times differ from run to run.
  const history = progress.history.map(({ seconds: _, examplesPerSecond: __, ...figures }) => figures);
  return { tensors, step: progress.step, history };
}

/** Resumes and compares with the uninterrupted training: every tensor bit for bit, every figure. */
async function expectSameEnd(out: string): Promise<void> {
  const ran = await resume(out);
  const done = doneOf(ran);
  const { stepsDone } = eventsOf(ran).find(({ event }) => event === "start") as unknown as { stepsDone: number };
  expect(stepsDone).toBeGreaterThanOrEqual(stepsPerEpoch);
  const expected = doneOf(whole);
  expect({ validation: done.validation, test: done.test }).toEqual({
    validation: expected.validation,
    test: expected.test,
  });
  const [resumed, uninterrupted] = [checkpoint(out), checkpoint("whole")];
  expect(resumed.history).toEqual(uninterrupted.history);
  expect([...resumed.tensors.keys()]).toEqual([...uninterrupted.tensors.keys()]);
  for (const [name, { data }] of uninterrupted.tensors) {
    const bytes = (array: ArrayBufferView) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
    const same = bytes(resumed.tensors.get(name)!.data as Float32Array).equals(bytes(data as Float32Array));
    expect({ name, same }).toEqual({ name, same: true });
  }
  const lines = readFileSync(join(folder, out, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
  expect(lines.map((line) => JSON.parse(line).epoch)).toEqual([1, 2, 3, 4]);
}

test.skipIf(process.platform === "win32")(
  "a signal before training begins ends it at once, and leaves nothing behind",
  async () => {
    const { process: parent, ended } = train("early");
    // The worker is there before it has loaded what it needs.
    while (true) {
      try {
        execFileSync("pgrep", ["-P", String(parent.pid)]);
        break;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    parent.kill("SIGINT");
    const ran = await ended;
    expect(ran.status).toBe(130);
    expect(ran.stderr).toContain("stopped before training began");
    expect(existsSync(join(folder, "early"))).toBe(false);
  },
);

describe.skipIf(process.platform === "win32")(
  "a training interrupted in the middle of an epoch and resumed ends as if it had not been, after",
  () => {
    test.each(["SIGINT", "SIGTERM"] as const)("%s", async (signal) => {
      // A signal that comes while an epoch is validated and saved stops at its end: on a busy machine it may take several to meet the middle of one.
      let [out, attempts] = ["", 0];
      do {
        out = `${signal}-${attempts++}`;
        const { ran } = await interrupt(out, (parent) => process.kill(parent, signal));
        expect(ran.status).toBe(130);
        expect(ran.stderr).toMatch(/error ISO_INTERRUPTED: .*--resume/);
        expect(eventsOf(ran).at(-1)).toMatchObject({ event: "interrupted", exitStatus: 130 });
      } while (checkpoint(out).step % stepsPerEpoch === 0 && attempts < 10);
      expect(checkpoint(out).step % stepsPerEpoch).toBeGreaterThan(0);
      await expectSameEnd(out);
    });

    test("SIGINT to the whole group, twice", async () => {
      const { ran } = await interrupt("twice", (parent, worker) => {
        for (const pid of [parent, worker]) process.kill(pid, "SIGINT");
      });
      expect(ran.status).toBe(130);
      await expectSameEnd("twice");
    });

    test("SIGKILL of the worker", async () => {
      const { ran } = await interrupt("worker", (_, worker) => process.kill(worker, "SIGKILL"));
      expect(ran.status).toBe(1);
      expect(ran.stderr).toMatch(/error ISO_WORKER_LOST: .*SIGKILL.*--resume/);
      await expectSameEnd("worker");
    });

    test("SIGKILL of the command, whose worker then saves and ends", async () => {
      const { ran, worker } = await interrupt("command", (parent) => process.kill(parent, "SIGKILL"));
      expect(ran.status).toBeUndefined();
      await gone(worker);
      // Nobody tells the worker when; on a busy machine it may have come to the end of its epoch.
      const { step } = checkpoint("command");
      expect(step).toBeGreaterThan(0);
      expect(step).toBeLessThan(4 * stepsPerEpoch);
      await expectSameEnd("command");
    });

    test("SIGKILL of both", async () => {
      await interrupt("both", (parent, worker) => {
        process.kill(worker, "SIGKILL");
        process.kill(parent, "SIGKILL");
      });
      await expectSameEnd("both");
    });
  },
);
