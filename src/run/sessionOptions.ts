import type { InferenceSession } from "onnxruntime-node";

/**
 * Options of every session that a training's process opens. Denormal numbers, below 1e-38, count as zero: weights that fade and vanishing gradients are full of them, and arithmetic on them is tens of times
 * slower. ONNX Runtime takes the calling thread's setting from the first session of a process, so all have it.
 *
 * @param threads - of one operator; operators run one after the other. By default as many as there are cores
 */
export function sessionOptions(threads?: number): InferenceSession.SessionOptions {
  return {
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    interOpNumThreads: 1,
    // Plans of where tensors lie, made in the first run, cost half as much memory again (ResNet-20: 860 MiB against 550) and save no time.
    enableMemPattern: false,
    // The level above puts constants into layouts for convolutions; weights are no constants here.
    graphOptimizationLevel: "extended",
    extra: { session: { set_denormal_as_zero: "1" } },
  };
}
