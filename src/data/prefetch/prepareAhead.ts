import type { Batch, BatchFeed, BatchSource } from "../batches.js";
import type { BatchRequest } from "./protocol.js";
import { type BatchThread, startBatchThread } from "./thread.js";

export interface PrepareAheadOptions {
  /** A thread is started where preparing a batch takes at least so many milliseconds; 0 starts it at once, infinity never. */
  readonly worthwhile?: number;
  /** Batches that the thread is ahead at most. */
  readonly ahead?: number;
}

/** A feed whose batches a thread may prepare. */
export interface PreparedBatches extends BatchFeed {
  /** Batches that were prepared by the caller's own thread and by the other one. */
  readonly counts: { readonly here: number; readonly ahead: number };
  /** Ends the thread, which must be done before the dataset is closed. */
  close(): Promise<void>;
}

/** Batches that are prepared here and timed, before it is decided; the first ones take longer, until their code is compiled. */
const timedBatches = 12;
const untimedBatches = 4;

/**
 * The source's batches, prepared by a thread while their predecessors are trained on, where that pays: a training step blocks the thread that it is run from. Every batch is a
 * function of the source's settings, its epoch and its index, so it is the same wherever it is prepared.
 *
 * The first batches are prepared here; if they take longer than handing a batch over does, a thread is started, and takes over once it runs. It goes on in the order of training from what was
 * asked for last; asked for another batch, it drops what it has.
 *
 * @throws (as rejection of `batch`) the source's own coded errors; ISO_WORKER_LOST where the thread has ended
 * @example
 * const batches = prepareAhead(batchSource({ dataset, batchSize: 64, seed: 0 }));
 * const { records, targets } = await batches.batch(0, 0);
 * await batches.close();
 */
export function prepareAhead(
  source: BatchSource,
  { worthwhile = 0.5, ahead = 3 }: PrepareAheadOptions = {},
): PreparedBatches {
  const counts = { here: 0, ahead: 0 };
  const times: number[] = [];
  const queue: { readonly request: BatchRequest; readonly batch: Promise<Batch> }[] = [];
  let thread: BatchThread | undefined = worthwhile === 0 ? threadOf(source) : undefined;

  const following = ({ epoch, index }: BatchRequest): BatchRequest =>
    index + 1 < source.batchesPerEpoch ? { epoch, index: index + 1 } : { epoch: epoch + 1, index: 0 };
  /** Asks for what follows on that batch, as far ahead as is allowed. */
  const order = (running: BatchThread, taken: BatchRequest): void => {
    let last = queue.at(-1)?.request ?? taken;
    while (queue.length < ahead) {
      last = following(last);
      queue.push({ request: last, batch: running.request(last) });
    }
  };
  const prepareHere = (epoch: number, index: number): Batch => {
    const started = performance.now();
    const batch = source.batch(epoch, index);
    counts.here++;
    if (times.length < timedBatches && times.push(performance.now() - started) === timedBatches) {
      const settled = times.slice(untimedBatches).sort((a, b) => a - b);
      if (thread === undefined && settled[settled.length >> 1]! >= worthwhile) thread = threadOf(source);
    }
    return batch;
  };

  return {
    batchSize: source.batchSize,
    counts,
    batch(epoch, index) {
      const next = queue[0]?.request;
      if (next?.epoch !== epoch || next.index !== index) {
        queue.length = 0;
        const batch = prepareHere(epoch, index);
        if (thread?.ready) order(thread, { epoch, index });
        return batch;
      }
      const { batch } = queue.shift()!;
      counts.ahead++;
      order(thread!, { epoch, index });
      return batch;
    },
    async close() {
      await thread?.close();
    },
  };
}

function threadOf({ settings }: BatchSource): BatchThread | undefined {
  const { dataset, ...rest } = settings;
  return dataset.content && startBatchThread({ content: dataset.content, settings: rest });
}
