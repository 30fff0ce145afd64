import { type InferenceSession, Tensor as OrtTensor } from "onnxruntime-common";
import { differentiate } from "../autodiff/index.js";
import { Random } from "../data/core.js";
import { IsonormError } from "../errors.js";
import { eliminateDeadNodes, GraphBuilder, inline, pruneInitializers, type Value } from "../graph/index.js";
import { lower } from "../lowering/index.js";
import {
  expandScaleInvariantLinear,
  type LogicalMatrices,
  matrixOfSlice,
  radialComponent,
  relativeOutputChange,
  type WeightProof,
} from "../method/index.js";
import { elementCount, encode, float, type Graph, type Model, type Node, type Tensor } from "../onnx/index.js";
import { type CreateSession, leastMemory, requireMemory, TrainingForm } from "../train/index.js";

/** What the numbers say of one weight. */
export interface NumericalProof {
  /**
   * How far the outputs with 2W lie from those with W, relative to their size. Of a weight that holds several scale-invariant matrices the larger of that and the
   * change with factors of 2, 4, 8 ... for them.
   */
  readonly outputChange: number;
  /** <W, dL/dW> / (||W|| ||dL/dW||) */
  readonly radial: number;
  /** The outputs do not depend on the weight at all, as on a bias that a normalisation subtracts again: what is left is rounding. */
  readonly inert: boolean;
  /** Change and radial component are no more than rounding in float32, and the weight is not inert. */
  readonly scaleInvariant: boolean;
}

/**
 * Above these, it is no rounding. The 700 scale-invariant weights of torchvision's networks change the outputs by 1e-5 of their size at most, and have
 * radial components of at most 1e-6; while of weights that are not, some in networks of 50 layers reach no more than 1e-4 or 3e-4 of the one or the
 * other (docs/evidence/imports.md).
 */
export const largestInvariantChange = 1e-4;
export const largestInvariantRadial = 1e-5;
/** Below this share of the largest ||W|| ||dL/dW||, a gradient is the rounding error of sums that cancel: those of float32 leave about 1e-7. */
const largestInertShare = 1e-5;

/**
 * In place of each normalisation's epsilon. Networks are scale-invariant up to their epsilons, and one of 1e-3 (MobileNetV3) or next to
 * small weights (a depthwise convolution fresh from PyTorch) changes outputs by some percent: as much as what is not invariant.
 */
const smallestEpsilon = 1e-12;
const normalisations = new Set([
  "BatchNormalization",
  "LayerNormalization",
  "InstanceNormalization",
  "GroupNormalization",
]);

/** Standard deviation of what is added to gains and biases. */
const shake = 0.1;

/**
 * Shows scale invariance by number: runs the network in training form on random input with W and with 2W, and compares gradients with
 * weights. The loss is the output times fixed random coefficients.
 *
 * What holds for all weights is told from what holds at the present ones by shaking gains, biases and the like: with a bias of 0, or close to it, the gain
 * before a ReLU is scale-invariant too, but only there. Epsilons are taken to be 1e-12.
 *
 * @param weights - initializers to look at
 * @param inputs - the network's inputs by name, batch first
 * @param memoryLimit - of the process, bytes
 * @returns by weight name; a weight that the output does not depend on is missing
 * @throws coded errors of autodiff and graph, ISO_MEMORY, ISO_ONNX_UNSUPPORTED where ONNX Runtime cannot run the result
 */
export async function proveByNumbers(
  model: Model,
  weights: readonly Pick<WeightProof, "name" | "role" | "matrices">[],
  inputs: ReadonlyMap<string, Tensor>,
  createSession: CreateSession,
  memoryLimit: number,
): Promise<ReadonlyMap<string, NumericalProof>> {
  const feeds: Record<string, OrtTensor> = {};
  for (const [name, { dtype, data, shape }] of inputs)
    feeds[name] = new OrtTensor(dtype as "float32", data as Float32Array, shape);
  const values = new Map<string, Float32Array>();
  const tensor = (name: string, data: Float32Array): OrtTensor =>
    new OrtTensor("float32", data, model.graph.initializers.get(name)!.shape);
  for (const { name, role } of weights) {
    const own = model.graph.initializers.get(name)!.data as Float32Array;
    values.set(name, role === "weight" ? own : shaken(name, own));
    feeds[name] = tensor(name, values.get(name)!);
  }

  const { graph, tracked } = compileProof(
    model,
    weights.map(({ name }) => name),
    inputs,
  );
  const least = leastMemory(graph, model.opsets, "output");
  requireMemory(least, "running the network on a few examples", memoryLimit, "Only the graph's proof is shown");
  const base = await running(createSession, model, graph, (run) => run(feeds));
  const output = base.output!.data as Float32Array;
  const gradient = (name: string): Float32Array => base[gradientName(name)]!.data as Float32Array;
  const sensitivity = new Map(tracked.map((name) => [name, size(values.get(name)!) * size(gradient(name))]));
  const largest = Math.max(...sensitivity.values());

  const forward = pruneInitializers(
    eliminateDeadNodes({ ...graph, outputs: graph.outputs.filter(({ name }) => name === "output") }),
  );
  return running(createSession, model, forward, async (run) => {
    const proofs = new Map<string, NumericalProof>();
    const change = async (name: string, value: Float32Array): Promise<number> => {
      const changed = await run({ ...feeds, [name]: tensor(name, value) });
      return relativeOutputChange(output, changed.output!.data as Float32Array);
    };
    const matricesOf = new Map(weights.map(({ name, matrices }) => [name, matrices]));
    for (const name of tracked) {
      const value = values.get(name)!;
      // Exact in float32: nothing but rounding of sums of other sizes can tell the outputs of an invariant weight apart.
      const doubled = value.map((element) => 2 * element);
      const matrices = matricesOf.get(name);
      const outputChange = Math.max(
        await change(name, doubled),
        matrices ? await change(name, stretched(value, model.graph.initializers.get(name)!.shape, matrices)) : 0,
      );
      const radial = radialComponent(value, gradient(name));
      const inert = sensitivity.get(name)! <= largestInertShare * largest;
      const still = outputChange <= largestInvariantChange && Math.abs(radial) <= largestInvariantRadial;
      proofs.set(name, { outputChange, radial, inert, scaleInvariant: still && !inert });
    }
    return proofs;
  });
}

type Run = (feeds: Readonly<Record<string, OrtTensor>>) => Promise<InferenceSession.ReturnType>;

/** Gives `use` a session that runs the graph, for as long as it takes. Throws ISO_ONNX_UNSUPPORTED where ONNX Runtime cannot. */
async function running<T>(
  createSession: CreateSession,
  model: Model,
  graph: Graph,
  use: (run: Run) => Promise<T>,
): Promise<T> {
  const orRefuse = async <R>(running: Promise<R>): Promise<R> => {
    try {
      return await running;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new IsonormError(
        "ISO_ONNX_UNSUPPORTED",
        `ONNX Runtime cannot run the network in training form (${reason})`,
        "Only the graph's proof is shown",
        { cause },
      );
    }
  };
  const session = await orRefuse(createSession(encode({ ...model, graph })));
  try {
    return await use((feeds) => orRefuse(session.run(feeds)));
  } finally {
    await session.release();
  }
}

/** Each matrix of a weight times a power of two of its own. */
function stretched(value: Float32Array, shape: readonly number[], { axis, parts }: LogicalMatrices): Float32Array {
  const matrixOf = matrixOfSlice(parts, shape[axis]!);
  const stride = elementCount(shape.slice(axis + 1));
  return value.map((element, index) => element * 2 ** (1 + matrixOf[Math.floor(index / stride) % matrixOf.length]!));
}

/** The value with normal noise on it. */
function shaken(name: string, value: Float32Array): Float32Array {
  const random = new Random("inspect", "shaken", name);
  return value.map((element) => element + shake * random.normal());
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
  const expanded = expandScaleInvariantLinear(model.graph, { opset: model.opsets.get("") ?? 21 });
  const graph = { ...expanded, nodes: expanded.nodes.map(withoutEpsilon) };
  const form = new TrainingForm();
  const values = inline(b, { ...model, graph }, bindings, {
    prefix: "model/",
    replace: (node, operands) => (node.op === "Dropout" ? [operands[0]!] : form.replace(b, node, operands)),
  });
  const [logits] = model.graph.outputs;
  if (!logits)
    throw new IsonormError("ISO_MODEL_UNSUITABLE", "the model has no output", "Only the graph's proof is shown");
  const output = values.get(logits.name)!;
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
  return { graph: lower(b.finish("proof"), "cpu", { opsets: model.opsets }), tracked };
}

function withoutEpsilon(node: Node): Node {
  if (node.domain !== "" || !normalisations.has(node.op)) return node;
  return { ...node, attributes: { ...node.attributes, epsilon: float(smallestEpsilon) } };
}
