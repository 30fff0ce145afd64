import { shared } from "../data/index.js";
import { IsonormError, plainError } from "../errors.js";
import type { TrainingEvent } from "./events.js";
import { runJob, type TrainingJob } from "./job.js";
import { RunFolder } from "./runFolder.js";
import type { WorkerEvent, WorkerMessage } from "./spawn.js";

/**
 * The process in which a training runs. Its parent sends one job and may ask it to stop; it sends events and ends with `done`,
 * `interrupted` or `error`. A signal, or the parent's death, stops it with a checkpoint; before training has begun there is
 * nothing to save, and it ends at once.
 */
let stopRequested = false;
let begun = false;
let folder: string | undefined;
const requestStop = (): void => {
  if (stopRequested) return;
  stopRequested = true;
  if (!begun) void endAtOnce();
};
process.on("SIGINT", requestStop);
process.on("SIGTERM", requestStop);
process.on("disconnect", requestStop);

process.on("message", (message: WorkerMessage) => {
  if (message.kind === "stop") requestStop();
  else void work(inSharedMemory(message.job));
});

/** The records that came with a job are moved to where the thread that prepares batches sees them too, instead of being copied for it. */
function inSharedMemory(job: TrainingJob): TrainingJob {
  return job.arrays ? { ...job, arrays: { ...job.arrays, records: shared(job.arrays.records) } } : job;
}

async function work(job: TrainingJob): Promise<void> {
  folder = job.out;
  try {
    await runJob(job, {
      emit: send,
      report: (report) => send({ event: "report", report }),
      stopRequested: () => stopRequested,
    });
  } catch (error) {
    send(asEvent(error));
  }
  await end();
}

async function endAtOnce(): Promise<void> {
  if (folder !== undefined) new RunFolder(folder).removeIfEmpty();
  send(asEvent(new IsonormError("ISO_INTERRUPTED", "stopped before training began", "Start it again")));
  await end();
}

/** Only what has been handed to the channel reaches the parent. */
async function end(): Promise<void> {
  await Promise.all(underWay);
  process.exit(0);
}

const underWay = new Set<Promise<void>>();

function send(event: WorkerEvent): void {
  if (event.event === "start") begun = true;
  if (!process.connected) return;
  const sent = new Promise<void>((resolve) => {
    process.send?.(event, undefined, undefined, () => resolve());
  }).finally(() => underWay.delete(sent));
  underWay.add(sent);
}

function asEvent(error: unknown): TrainingEvent {
  const plain = plainError(error);
  return { event: "error", ...plain, exitStatus: IsonormError.revived(plain).exitStatus };
}
