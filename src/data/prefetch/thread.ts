import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { IsonormError } from "../../errors.js";
import type { Batch } from "../batches.js";
import type { BatchAnswer, BatchRequest, ThreadData } from "./protocol.js";

/** A thread that prepares batches in the order in which they are asked for. */
export interface BatchThread {
  /** Whether requests are answered without waiting for it to start: it has started, or it has ended. */
  readonly ready: boolean;
  /** @throws (as rejection) the coded error that preparing the batch ended in; ISO_WORKER_LOST where the thread has ended */
  request(request: BatchRequest): Promise<Batch>;
  close(): Promise<void>;
}

interface Waiting {
  resolve(batch: Batch): void;
  reject(error: unknown): void;
}

export function startBatchThread(data: ThreadData): BatchThread {
  const worker = openThread(data);
  const waiting: Waiting[] = [];
  let ready = false;
  let end: unknown;
  const fail = (cause: unknown): void => {
    end ??= new IsonormError(
      "ISO_WORKER_LOST",
      `the thread that prepares batches ended (${cause instanceof Error ? cause.message : cause})`,
      "Continue with --resume; if memory ran out, use a smaller --batch-size",
      { cause },
    );
    for (const { reject } of waiting.splice(0)) reject(end);
  };
  worker.on("message", (answer: BatchAnswer) => {
    if (answer === "ready") {
      ready = true;
      return;
    }
    const next = waiting.shift();
    // What was under way when the thread ended has failed already.
    if (!next) return;
    const { resolve, reject } = next;
    if ("batch" in answer) resolve(answer.batch);
    else reject(IsonormError.revived(answer.error));
  });
  worker.on("error", fail);
  worker.on("exit", (code) => fail(`exit status ${code}`));
  return {
    get ready() {
      return ready || end !== undefined;
    },
    request(request) {
      const batch = new Promise<Batch>((resolve, reject) => {
        if (end !== undefined) reject(end);
        else waiting.push({ resolve, reject });
      });
      // A batch that nobody comes to take may fail without a word; who takes it still gets the error.
      batch.catch(() => {});
      worker.postMessage(request);
      return batch;
    },
    async close() {
      await worker.terminate();
    },
  };
}

/** Beside this file in the build; from the sources (tests, development) through the tsx loader. */
function openThread(workerData: ThreadData): Worker {
  const here = dirname(fileURLToPath(import.meta.url));
  const built = join(here, "batches.js");
  if (existsSync(built)) return new Worker(built, { workerData, execArgv: [] });
  // The loader's --import has no effect on a thread's own entry.
  const loader = import.meta.resolve("tsx/esm/api");
  const entry = pathToFileURL(join(here, "batches.ts")).href;
  const start = `import(${JSON.stringify(loader)}).then(({ tsImport }) => tsImport(${JSON.stringify(entry)}, ${JSON.stringify(entry)}));`;
  return new Worker(start, { workerData, eval: true, execArgv: [] });
}
