import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import type { Splits } from "../data/core.js";
import { GraphBuilder, inline } from "../graph/index.js";
import { expandScaleInvariantLinear } from "../method/index.js";
import { elementCount, type Model } from "../onnx/index.js";
import { leastMemory, requireMemory } from "../train/index.js";
import type { PlannedTraining } from "./plan.js";

/** The memory that this process could have at most, in bytes: the machine's, or what its control group allows of it, and what may be swapped out. */
export function memoryLimit(): number {
  const machine = totalmem();
  // 0 or larger than any memory where nothing constrains the process.
  const constrained = process.constrainedMemory();
  return (constrained > 0 ? Math.min(constrained, machine) : machine) + swapSpace();
}

/** Bytes; 0 where the system does not say. */
function swapSpace(): number {
  if (process.platform !== "linux") return 0;
  return 1024 * Number(/^SwapTotal:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0);
}

/**
 * Refuses a model without training that this machine surely cannot run.
 *
 * @param last - the value that its forward pass ends in
 * @param what - is done by running it: "validating on 256 examples at a time"
 * @throws ISO_MEMORY
 */
export function requireModelMemory(
  { graph, opsets }: Pick<Model, "graph" | "opsets">,
  last: string,
  what: string,
): void {
  requireMemory(leastMemory(graph, opsets, last), what, memoryLimit(), "Take smaller images or a smaller model");
}

/**
 * Refuses a training whose step this machine surely cannot run.
 *
 * @throws ISO_MEMORY
 */
export function requireStepMemory({ step, batches }: Pick<PlannedTraining, "step" | "batches">): void {
  const twice = new Set(step.stateInputs.filter(({ updated }) => updated).map(({ name }) => name));
  const least = leastMemory(step.graph, step.opsets, "loss", (name) => (twice.has(name) ? 2 : 1));
  const remedy = "Take a smaller --batch-size, smaller images or a smaller model";
  requireMemory(least, `a training step at batch size ${batches.batchSize}`, memoryLimit(), remedy);
}

/**
 * About how much memory a training's process takes at its peak, bytes; rather more than less. Measured and estimated, MB: digits with an MLP 180, 204; the same 2,048 wide
 * 535, 565; Fashion-MNIST with the convnet 419, 431, with ResNet-20 714, 940.
 */
export function estimateMemory(planned: PlannedTraining): number {
  const { splits } = planned.part;
  const process = 200e6;
  // Larger parts of the data are read from disk.
  const mostInMemory = 512 * 2 ** 20;
  const bytesOf = ({ size, recordLength, dtype }: Splits["train"]): number =>
    Math.min(mostInMemory, size * recordLength * (dtype === "uint8" ? 1 : 4));
  const data = bytesOf(splits.train) + bytesOf(splits.validation) + (splits.test ? bytesOf(splits.test) : 0);
  // Weights and optimizer state stand in two buffers each; gradients, a snapshot and an encoded checkpoint come on top.
  const perParameter = 80;
  // What the forward pass makes is kept for the backward pass, which makes more of it, though not all at a time.
  const perActivation = 5;
  return process + data + perParameter * planned.parameters + perActivation * forwardBytes(planned);
}

/** Bytes of everything that one forward pass computes. */
function forwardBytes({ part: { model }, batches }: PlannedTraining): number {
  const b = new GraphBuilder({ opsets: model.opsets });
  const [input] = model.graph.inputs;
  const shape = [batches.batchSize, ...(input!.shape as number[]).slice(1)];
  const bindings = new Map([[input!.name, b.input("batch", "float32", shape)]]);
  const graph = expandScaleInvariantLinear(model.graph);
  const values = inline(b, { ...model, graph }, bindings, { prefix: "model/" });
  let bytes = 0;
  for (const [name, value] of values) if (!graph.initializers.has(name)) bytes += 4 * elementCount(value.shape);
  return bytes;
}
