import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject, onTestFinished } from "vitest";

/** One line of --json output. */
export type Event = Readonly<Record<string, unknown>> & { readonly event: string };

export interface Ran {
  /** Exit status; undefined where a signal ended the process. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

export const digits = join(import.meta.dirname, "../../examples/digits");

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "isonorm-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts the built command line. Two threads and a cache of its own make it the same everywhere. */
export function startIsonorm(args: readonly string[], cwd?: string): { process: ChildProcess; ended: Promise<Ran> } {
  const started = performance.now();
  const child = spawn(process.execPath, [join(inject("build"), "cli.js"), ...args], {
    cwd,
    env: { ...process.env, XDG_CACHE_HOME: join(tmpdir(), "isonorm-test-cache"), NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      resolve({ status: code ?? undefined, stdout, stderr, seconds: (performance.now() - started) / 1000 });
    });
  });
  return { process: child, ended };
}

/**
 * The most memory that a process and its children took until now, each for itself, in bytes; what the kernel counts (VmHWM), asked for every 20 ms while
 * the process runs. Undefined on systems without /proc.
 */
export function watchPeakMemory(pid: number): () => number | undefined {
  if (!existsSync("/proc/self/status")) return () => undefined;
  let peak = 0;
  const look = (each: number): void => {
    try {
      peak = Math.max(
        peak,
        1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${each}/status`, "utf8"))?.[1] ?? 0),
      );
      for (const task of readdirSync(`/proc/${each}/task`))
        for (const child of readFileSync(`/proc/${each}/task/${task}/children`, "utf8").trim().split(" "))
          if (child !== "") look(Number(child));
    } catch {
      // It has ended meanwhile.
    }
  };
  const timer = setInterval(() => look(pid), 20);
  return () => {
    clearInterval(timer);
    return peak;
  };
}

export function isonorm(...args: string[]): Promise<Ran> {
  return startIsonorm(args).ended;
}

/** The events on stdout. Fails where a line is no JSON object with an `event`. */
export function eventsOf({ stdout }: Ran): Event[] {
  expect(stdout.endsWith("\n")).toBe(true);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => {
      const event = JSON.parse(line) as Event;
      expect(event).toMatchObject({ event: expect.any(String) });
      return event;
    });
}

/** The last event, which must be `done`. */
export function doneOf(ran: Ran): Event {
  expect(ran, ran.stderr).toMatchObject({ status: 0 });
  const last = eventsOf(ran).at(-1)!;
  expect(last.event).toBe("done");
  return last;
}
