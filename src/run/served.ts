import type { InferenceSession } from "onnxruntime-node";
import { serving, servingFeeds } from "../classifier/index.js";
import { type Dataset, recordsPerMebibyte, sequentialBatches } from "../data/core.js";
import { type Evaluation, evaluatePredictions } from "../metrics/index.js";

/**
 * Logits of an exported classifier for every example, in order.
 *
 * @returns [examples, classes]
 */
export async function servedLogits(session: InferenceSession, dataset: Dataset): Promise<Float32Array> {
  const classes = dataset.classes.length;
  const logits = new Float32Array(dataset.size * classes);
  const batchSize = Math.min(512, 4 * recordsPerMebibyte(dataset));
  for (const { records, first, count } of sequentialBatches(dataset, batchSize)) {
    const results = await session.run(servingFeeds(dataset.input, records, count), [serving.logits]);
    logits.set(results[serving.logits]!.data as Float32Array, first * classes);
  }
  return logits;
}

/** Judges an exported classifier on labelled examples. */
export async function evaluateServed(session: InferenceSession, dataset: Dataset): Promise<Evaluation> {
  return evaluatePredictions(dataset.labels, await servedLogits(session, dataset), dataset.classes.length);
}
