import { GraphBuilder, inline } from "../../src/graph/index.js";
import { expandScaleInvariantLinear } from "../../src/method/index.js";
import type { Model } from "../../src/onnx/index.js";
import { multiplications } from "./operations.js";

/**
 * Floating-point operations of one training step of a model that multiplies, whatever recipes compute it: the forward pass's Conv, Gemm and MatMul, and as much
 * again for the gradient of each operand that depends on a weight. So a layer counts three times, the first one twice. Everything else, from
 * normalisation to the weight update, is not counted.
 *
 * @param input - shape of the network's input, the batch included
 * @param weights - names of the trained weights
 */
export function trainingOperations(model: Model, input: readonly number[], weights: ReadonlySet<string>): number {
  const b = new GraphBuilder({ opsets: model.opsets });
  const x = b.input("x", "float32", input);
  const [declared] = model.graph.inputs;
  const bindings = new Map([[declared!.name, x]]);
  const trained = new Set<string>();
  for (const name of weights) {
    const weight = b.input(`weight/${name}`, "float32", model.graph.initializers.get(name)!.shape);
    bindings.set(name, weight);
    trained.add(weight.name);
  }
  inline(b, { ...model, graph: expandScaleInvariantLinear(model.graph) }, bindings);
  let total = 0;
  for (const { op, inputs, outputs } of b.nodes) {
    const depends = inputs.filter((name) => trained.has(name));
    if (depends.length > 0) for (const name of outputs) trained.add(name);
    const shapes = inputs.filter((name) => name !== "").map((name) => b.value(name).shape);
    const forward = multiplications(op, shapes, b.value(outputs[0]!).shape);
    total += forward * (1 + inputs.slice(0, 2).filter((name) => trained.has(name)).length);
  }
  return total;
}
