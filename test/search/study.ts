import { type ChildProcess, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeSafetensors } from "../../src/safetensors/index.js";
import { studyFile, trialFolder } from "../../src/search/executor/index.js";
import { openStudyFile } from "../../src/search/index.js";

const digits = join(import.meta.dirname, "../../examples/digits");

/** A search that takes five short trainings of 60 steps and one to three of 480, some milliseconds a step. */
export const smallSearch = (out: string, ...options: string[]): string[] => {
  const settings = ["--epochs", "12", "--batch-size", "32", "--hidden", "64", "--seed", "4", "--threads", "2"];
  return ["search", digits, ...settings, "--out", out, "--json", ...options];
};

/** Everything in a study that must not depend on how the search went: trials with their results and learning curves. What took time is left out. */
export async function studyContent(out: string): Promise<object[]> {
  const storage = openStudyFile(studyFile(out), { create: false });
  try {
    const [study] = await storage.studies();
    const trials = await storage.trials(study!.id);
    return await Promise.all(
      trials.map(async ({ number, candidate, seed, state, result, cost, error }) => ({
        number,
        candidate,
        seed,
        state,
        validation: result?.validation,
        steps: result?.steps,
        cost,
        error,
        epochs: await storage.epochs(study!.id, number),
      })),
    );
  } finally {
    await storage.close();
  }
}

/** The state that a trial's training ended with, as bytes by tensor. */
export function trainedState(out: string, trial: number): Record<string, string> {
  const { tensors } = decodeSafetensors(readFileSync(join(trialFolder(out, trial), "checkpoint.safetensors")));
  return Object.fromEntries(
    [...tensors].map(([name, { data }]) => {
      const { buffer, byteOffset, byteLength } = data as Float32Array;
      return [name, Buffer.from(buffer, byteOffset, byteLength).toString("base64")];
    }),
  );
}

/** Calls `act` when the process has written that many lines to stdout; not at all where it ends before. */
export function afterLines({ stdout }: ChildProcess, lines: number, act: () => void): void {
  let seen = 0;
  stdout!.on("data", (text: string) => {
    const before = seen;
    seen += text.split("\n").length - 1;
    if (before < lines && seen >= lines) act();
  });
}

/** Kills the processes that a process has started, or the first few of them. */
export function killChildren({ pid }: ChildProcess, most = Number.POSITIVE_INFINITY): void {
  try {
    const children = execFileSync("pgrep", ["-P", String(pid)], { encoding: "utf8" })
      .trim()
      .split("\n")
      .map(Number);
    for (const child of children.slice(0, most)) {
      try {
        process.kill(child, "SIGKILL");
      } catch (error) {
        // It may have ended since it was listed.
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  } catch {
    // There is none, or it has just ended.
  }
}
