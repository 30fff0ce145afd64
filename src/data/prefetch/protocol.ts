import type { PlainError } from "../../errors.js";
import type { Batch, BatchSettings } from "../batches.js";
import type { DatasetContent } from "../select.js";

/** What the thread begins with. */
export interface ThreadData {
  readonly content: DatasetContent;
  readonly settings: Omit<BatchSettings, "dataset">;
}

export interface BatchRequest {
  readonly epoch: number;
  readonly index: number;
}

/** Says once that the thread has started, then answers each request, in their order. */
export type BatchAnswer = "ready" | { readonly batch: Batch } | { readonly error: PlainError };
