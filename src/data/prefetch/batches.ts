import { parentPort, workerData } from "node:worker_threads";
import { plainError } from "../../errors.js";
import { batchSource } from "../batches.js";
import { storeOf } from "../pack/file.js";
import { selectDataset } from "../select.js";
import type { BatchAnswer, BatchRequest, ThreadData } from "./protocol.js";

/** The thread that prepares batches ahead: it answers requests in order, each with a batch or with the error that preparing it ended in. */
const { content, settings } = workerData as ThreadData;
const port = parentPort!;
const dataset = selectDataset({ ...content, store: storeOf(content.store), source: (record) => `record ${record}` });
const source = batchSource({ ...settings, dataset });

port.on("message", ({ epoch, index }: BatchRequest) => {
  try {
    const batch = source.batch(epoch, index);
    const transferred = [batch.records.buffer, batch.targets.buffer] as ArrayBuffer[];
    port.postMessage({ batch } satisfies BatchAnswer, transferred);
  } catch (error) {
    port.postMessage({ error: plainError(error) } satisfies BatchAnswer);
  }
});
port.postMessage("ready" satisfies BatchAnswer);
