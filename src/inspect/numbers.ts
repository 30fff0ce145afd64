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
  /** The outputs do not depend on the weight at all, as on a bias that a normalisation subtracts again: what is left is rounding. */
  readonly inert: boolean;
  /** Change and radial component are small enough for float32 and a normalisation's epsilon, and the weight is not inert. */
  readonly scaleInvariant: boolean;
}

/** Above it, a change of the outputs is no rounding and no epsilon. */
export const largestInvariantChange = 1e-3;
export const largestInvariantRadial = 1e-3;
/** Below this share of the largest ||W|| ||dL/dW||, a gradient is the rounding error of sums that cancel: those of float32 leave about 1e-7. */
const largestInertShare = 1e-5;

/**
 * Shows scale invariance by number: runs the network in training form on random input with W and with 2W, and compares gradients with
 * weights. The loss is the output times fixed random coefficients. A weight whose elements are all equal, as fresh gains and biases are, is shaken first: with
 * a bias of 0 the gain before a ReLU is scale-invariant too, but only there.
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
    const values = new Map(weights.map((name) => [name, generic(name, model.graph.initializers.get(name)!)]));
    const tensor = (name: string, data: Float32Array): OrtTensor =>
      new OrtTensor("float32", data, model.graph.initializers.get(name)!.shape);
    for (const [name, value] of values) feeds.set(name, tensor(name, value));
    const run = async (
      changed: ReadonlyMap<string, OrtTensor>,
      fetches: string[],
    ): Promise<InferenceSession.ReturnType> => session.run(Object.fromEntries([...feeds, ...changed]), fetches);
    const base = await run(new Map(), ["output", ...tracked.map((name) => gradientName(name))]);
    const output = Float32Array.from(base.output!.data as Float32Array);
    const gradient = (name: string): Float32Array => base[gradientName(name)]!.data as Float32Array;
    const sensitivity = new Map(tracked.map((name) => [name, size(values.get(name)!) * size(gradient(name))]));
    const largest = Math.max(...sensitivity.values());
    const proofs = new Map<string, NumericalProof>();
    for (const name of tracked) {
      const value = values.get(name)!;
      const doubled = tensor(
        name,
        value.map((element) => 2 * element),
      );
      const changed = await run(new Map([[name, doubled]]), ["output"]);
      const outputChange = relativeOutputChange(output, changed.output!.data as Float32Array);
      const radial = radialComponent(value, gradient(name));
      const inert = sensitivity.get(name)! <= largestInertShare * largest;
      const still = outputChange <= largestInvariantChange && Math.abs(radial) <= largestInvariantRadial;
      proofs.set(name, { outputChange, radial, inert, scaleInvariant: still && !inert });
    }
    return proofs;
  } finally {
    await session.release();
  }
}

/** The weight's value; where all its elements are equal, with a tenth of normal noise on them. */
function generic(name: string, weight: Tensor): Float32Array {
  const value = weight.data as Float32Array;
  if (value.some((element) => element !== value[0])) return value;
  const random = new Random("inspect", "shaken", name);
  return value.map((element) => element + 0.1 * random.normal());
}

function size(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
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
