import { type ChildProcess, type ForkOptions, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { IsonormError } from "../errors.js";
import type { TrainingReport } from "../report/index.js";
import type { DoneEvent, TrainingEvent } from "./events.js";
import type { TrainingJob } from "./job.js";

/** What the parent tells the worker. */
export type WorkerMessage = { readonly kind: "job"; readonly job: TrainingJob } | { readonly kind: "stop" };

/** What the worker tells. */
export type WorkerEvent = TrainingEvent | { readonly event: "report"; readonly report: TrainingReport };

export interface RunTrainingOptions {
  readonly onEvent?: (event: TrainingEvent) => void;
  /** Gets the content of the report that a job writes which is to finish. */
  readonly onReport?: (report: TrainingReport) => void;
  /** Aborting asks the worker to stop with a checkpoint; the promise then rejects with ISO_INTERRUPTED. */
  readonly signal?: AbortSignal;
}

/**
 * Trains in a child process, because ONNX Runtime blocks the event loop of the process that it runs in.
 *
 * @returns the `done` event
 * @throws the worker's coded error; ISO_INTERRUPTED when stopped by `signal`; ISO_WORKER_LOST when the worker was killed
 */
export async function runTraining(job: TrainingJob, options: RunTrainingOptions = {}): Promise<DoneEvent> {
  const worker = startWorker();
  let last: TrainingEvent | undefined;
  // A worker that was killed cannot be told anything; its exit says so.
  const tell = (message: WorkerMessage): void => void worker.send(message, () => {});
  const stop = (): void => {
    if (worker.connected) tell({ kind: "stop" });
  };
  options.signal?.addEventListener("abort", stop);
  try {
    const exit = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
      worker.once("error", reject);
      worker.once("close", (code, signal) => resolve({ code, signal }));
    });
    worker.on("message", (event: WorkerEvent) => {
      if (event.event === "report") {
        options.onReport?.(event.report);
        return;
      }
      last = event;
      options.onEvent?.(event);
    });
    tell({ kind: "job", job });
    if (options.signal?.aborted) stop();
    const { code, signal } = await exit;
    return conclude(last, job, signal ?? `exit status ${code}`);
  } finally {
    options.signal?.removeEventListener("abort", stop);
    if (worker.exitCode === null && worker.signalCode === null) worker.kill("SIGKILL");
  }
}

function conclude(last: TrainingEvent | undefined, job: TrainingJob, end: string): DoneEvent {
  if (last?.event === "done") return last;
  if (last?.event === "interrupted")
    throw new IsonormError(
      "ISO_INTERRUPTED",
      `stopped at step ${last.step} of ${last.totalSteps}; the checkpoint is in ${last.out}`,
      `Continue with --resume ${last.out}`,
    );
  if (last?.event === "error") throw IsonormError.revived(last);
  throw new IsonormError(
    "ISO_WORKER_LOST",
    `the training process ended without a result (${end})`,
    `Continue from its last checkpoint with --resume ${job.out}; if memory ran out, use a smaller --batch-size`,
  );
}

/** Beside this file in the build; from the sources (tests, development) through the tsx loader. */
function startWorker(): ChildProcess {
  const here = dirname(fileURLToPath(import.meta.url));
  const built = join(here, "worker.js");
  const options: ForkOptions = {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    // Its own process group: a terminal's Ctrl-C reaches the parent alone, which then asks for a checkpoint.
    detached: true,
    // Structured clones: JSON has no typed arrays, and makes null of a loss that is not finite.
    serialization: "advanced",
  };
  if (existsSync(built)) return fork(built, [], options);
  return fork(join(here, "worker.ts"), [], { ...options, execArgv: ["--import", "tsx"] });
}
