import type { InferenceSession } from "onnxruntime-node";
import { serving, servingFeeds } from "../classifier/index.js";
import {
  type Dataset,
  type InputDescription,
  type RecordSource,
  recordsPerMebibyte,
  sequentialBatches,
} from "../data/core.js";
import { type Evaluation, Evaluator } from "../metrics/index.js";

/** What an exported classifier says of some examples that follow each other. */
export interface ServedBatch {
  /** Index of the first of them. */
  readonly first: number;
  readonly count: number;
  /** [count, classes] */
  readonly logits: Float32Array;
  /** [count, classes] */
  readonly probabilities: Float32Array;
}

/** Runs an exported classifier over all records in order, a few mebibytes of them at a time. */
export async function* servedBatches(
  session: InferenceSession,
  input: InputDescription,
  records: RecordSource,
): AsyncGenerator<ServedBatch> {
  const batchSize = Math.min(512, 4 * recordsPerMebibyte(records));
  for (const batch of sequentialBatches(records, batchSize)) {
    const { first, count } = batch;
    const results = await session.run(servingFeeds(input, batch.records, count), [
      serving.logits,
      serving.probabilities,
    ]);
    const scores = (name: string): Float32Array => results[name]!.data as Float32Array;
    yield { first, count, logits: scores(serving.logits), probabilities: scores(serving.probabilities) };
  }
}

/** Judges an exported classifier on labelled examples. Memory does not grow with their number. */
export async function evaluateServed(
  session: InferenceSession,
  dataset: Dataset,
  onBatch?: (batch: ServedBatch) => void,
): Promise<Evaluation> {
  const evaluator = new Evaluator(dataset.classes.length);
  for await (const batch of servedBatches(session, dataset.input, dataset)) {
    evaluator.add(dataset.labels.subarray(batch.first, batch.first + batch.count), batch.logits);
    onBatch?.(batch);
  }
  return evaluator.finish();
}
