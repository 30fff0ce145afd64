import { type InferenceSession, Tensor as OrtTensor } from "onnxruntime-common";
import { differentiate } from "../autodiff/index.js";
import { Random } from "../data/core.js";
import { GraphBuilder, inline, type Value } from "../graph/index.js";
import { lower } from "../lowering/index.js";
import { expandScaleInvariantLinear, radialComponent, relativeOutputChange } from "../method/index.js";
import { elementCount, encode, type Model, type Tensor } from "../onnx/index.js";
import { type CreateSession, TrainingForm } from "../train/index.js";

/** What the numbers say of one weight. */
export interface NumericalProof {
  /** How far the outputs with 2W lie from those with W, relative to their size. */
  readonly outputChange: number;
  /** <W, dL/dW> / (||W|| ||dL/dW||) */
  readonly radial: number;
  /** Both are small enough for a scale-invariant weight in float32 behind a normalisation's epsilon. */
  readonly scaleInvariant: boolean;
}

/** Above it, a change of the outputs is no rounding and no epsilon. */
export const largestInvariantChange = 1e-3;
export const largestInvariantRadial = 1e-3;

/**
 * Shows scale invariance by number: runs the network in training form on random input with W and with 2W, and compares gradients with
 * weights. The loss is the output times fixed random coefficients.
 *
 * @param weights - initializers to look at
 * @param inputs - the network's inputs by name, batch first
 * @returns by weight name; a weight that the output does not depend on is missing
 */
export async function proveByNumbers(
  model: Model,
  weights: readonly string[],
  inputs: ReadonlyMap<string, Tensor>,
  createSession: CreateSession,
): Promise<ReadonlyMap<string, NumericalProof>> {
  const { graph, tracked } = compileProof(model, weights, inputs);
  const session = await createSession(encode({ ...model, graph }));
  try {
    const feeds = new Map<string, OrtTensor>();
    for (const [name, { dtype, data, shape }] of inputs)
      feeds.set(name, new OrtTensor(dtype as "float32", data as Float32Array, shape));
    const value = (name: string): Float32Array => model.graph.initializers.get(name)!.data as Float32Array;
    for (const name of weights)
      feeds.set(name, new OrtTensor("float32", value(name), model.graph.initializers.get(name)!.shape));
    const run = async (
      changed: ReadonlyMap<string, OrtTensor>,
      fetches: string[],
    ): Promise<InferenceSession.ReturnType> => session.run(Object.fromEntries([...feeds, ...changed]), fetches);
    const base = await run(new Map(), ["output", ...tracked.map((name) => gradientName(name))]);
    const output = Float32Array.from(base.output!.data as Float32Array);
    const proofs = new Map<string, NumericalProof>();
    for (const name of tracked) {
      const doubled = new OrtTensor(
        "float32",
        value(name).map((element) => 2 * element),
        model.graph.initializers.get(name)!.shape,
      );
      const changed = await run(new Map([[name, doubled]]), ["output"]);
      const outputChange = relativeOutputChange(output, changed.output!.data as Float32Array);
      const radial = radialComponent(value(name), base[gradientName(name)]!.data as Float32Array);
      const scaleInvariant = outputChange <= largestInvariantChange && Math.abs(radial) <= largestInvariantRadial;
      proofs.set(name, { outputChange, radial, scaleInvariant });
    }
    return proofs;
  } finally {
    await session.release();
  }
}

const gradientName = (weight: string): string => `gradient:${weight}`;

/** Outputs `output` and, for each weight that it depends on, `gradient:<name>`. */
function compileProof(model: Model, weights: readonly string[], inputs: ReadonlyMap<string, Tensor>) {
  const b = new GraphBuilder({ opsets: model.opsets });
  const bindings = new Map<string, Value>();
  for (const [name, { dtype, shape }] of inputs) bindings.set(name, b.input(name, dtype, shape));
  const watched = weights.map((name) => {
    const value = b.input(name, "float32", model.graph.initializers.get(name)!.shape);
    bindings.set(name, value);
    return { name, value };
  });
  const form = new TrainingForm();
  const network = { ...model, graph: expandScaleInvariantLinear(model.graph, { opset: model.opsets.get("") ?? 21 }) };
  const values = inline(b, network, bindings, {
    prefix: "model/",
    replace: (node, operands) => (node.op === "Dropout" ? [operands[0]!] : form.replace(b, node, operands)),
  });
  const output = values.get(model.graph.outputs[0]!.name)!;
  const random = new Random("inspect", "coefficients");
  const data = Float32Array.from({ length: elementCount(output.shape) }, () => random.normal());
  const loss = b.sum(b.times(output, b.constant({ dtype: "float32", shape: output.shape, data })));
  const gradients = differentiate(
    b,
    loss,
    watched.map(({ value }) => value),
  );
  b.output("output", output);
  const tracked = watched.flatMap(({ name }, index) => {
    const gradient = gradients[index];
    if (!gradient) return [];
    b.output(gradientName(name), gradient);
    return [name];
  });
  return { graph: lower(b.finish("proof"), "cpu", model.opsets), tracked };
}
