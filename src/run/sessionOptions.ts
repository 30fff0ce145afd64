import type { InferenceSession } from "onnxruntime-node";

/**
 * Options of sessions that serve a model: ONNX Runtime's own choices.
 *
 * @param threads - of one operator; operators run one after the other. By default as many as there are physical cores, by ONNX Runtime's own count
 */
export function servingOptions(threads?: number): InferenceSession.SessionOptions {
  return { ...(threads === undefined ? {} : { intraOpNumThreads: threads }), interOpNumThreads: 1 };
}

/**
 * Options of every other session that a training's process opens. Denormal numbers, below 1e-38, count as zero: weights that fade and vanishing gradients are full of them, and
 * arithmetic on them is tens of times slower. ONNX Runtime takes the calling thread's setting from the first session of a process, so all have it.
 */
export function workerOptions(threads?: number): InferenceSession.SessionOptions {
  return { ...servingOptions(threads), extra: { session: { set_denormal_as_zero: "1" } } };
}

/** Options of the sessions that train and validate, whose weights are inputs. */
export function trainingOptions(threads?: number): InferenceSession.SessionOptions {
  return {
    ...workerOptions(threads),
    // Plans of where tensors lie, made in the first run, cost half as much memory again (ResNet-20: 860 MiB against 550) and save no time.
    enableMemPattern: false,
    // The level above puts constants into layouts for convolutions.
    graphOptimizationLevel: "extended",
  };
}
