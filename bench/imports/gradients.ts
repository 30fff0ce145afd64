import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { differentiate } from "../../src/autodiff/index.js";
import {
  eliminateCommonSubexpressions,
  eliminateDeadNodes,
  GraphBuilder,
  inline,
  upgrade,
  type Value,
} from "../../src/graph/index.js";
import { lower } from "../../src/lowering/index.js";
import { expandScaleInvariantLinear, replaceClassifier } from "../../src/method/index.js";
import { decode, encode, type Model, type Tensor } from "../../src/onnx/index.js";
import { softmaxCrossEntropy } from "../../src/train/loss.js";
import { TrainingForm } from "../../src/train/trainingForm.js";

/** One weight's gradient in isonorm against PyTorch's in float64. */
export interface Comparison {
  readonly weight: string;
  /** ||g - g64|| / ||g64||; infinite where isonorm has no gradient */
  readonly distance: number;
  /** The same of PyTorch's own gradient in float32 */
  readonly float32: number;
  /** ||g64|| over the largest of the network */
  readonly size: number;
}

/**
 * - `equal`: within 1e-3.
 * - `zero`: the gradient is 0 by mathematics, as of a bias that the next normalisation subtracts again, so that float64 has but its own rounding, below
 *   1e-12 of the network's largest gradient; and isonorm's is no more than float32's, below 1e-5 of it.
 * - `rounding`: float32 itself does not resolve the gradient, for PyTorch's is as far from its float64 (a factor of 4 allowed: one activation on the
 *   other side of a ReLU's kink makes the distance, and which one does is chance).
 * - `different`: none of these.
 */
export type Verdict = "equal" | "zero" | "rounding" | "different";

export function verdictOf({ distance, float32, size }: Comparison): Verdict {
  if (distance <= 1e-3) return "equal";
  if (size < 1e-12) return distance * size <= 1e-5 ? "zero" : "different";
  return distance <= 4 * float32 && float32 <= 0.1 ? "rounding" : "different";
}

/** An exported model as isonorm trains it, its classifier replaced by a scale-invariant linear layer with the weight W given: [classes, features]. */
export function imported(file: Uint8Array, classifier: Tensor): { readonly model: Model; readonly weight: string } {
  const classes = classifier.shape[0]!;
  const { model, report } = replaceClassifier(upgrade(decode(file)), { classes, scale: 2.5 * Math.sqrt(classes) });
  const initializers = new Map([...model.graph.initializers, [report.weight, classifier]]);
  return { model: { ...model, graph: { ...model.graph, initializers } }, weight: report.weight };
}

export interface Compared {
  readonly loss: number;
  readonly expectedLoss: number;
  readonly comparisons: readonly Comparison[];
  /** For each ReLU, by the name of its output: where it lets its input through. Empty unless asked for. */
  readonly sides: ReadonlyMap<string, Tensor>;
}

/**
 * Loss and gradients of one batch in training form, without dropout, against PyTorch's figures.
 *
 * @param figures - what export_torchvision.py stores: `input`, `targets`, `classifier`, `loss`, and for each weight `gradient:W`, `float32:W`
 */
export async function compareGradients(
  file: Uint8Array,
  figures: ReadonlyMap<string, Tensor>,
  threads = 1,
  withSides = false,
): Promise<Compared> {
  const { model, weight: classifier } = imported(file, figures.get("classifier")!);
  const wanted = [...figures.keys()].filter((key) => key.startsWith("gradient:")).map((key) => key.slice(9));
  const initializerOf = (name: string): string => (name === "classifier" ? classifier : name);
  const b = new GraphBuilder({ opsets: model.opsets });
  const feeds: Record<string, OrtTensor> = {};
  const feed = (name: string, { data, shape }: Tensor): Value => {
    feeds[name] = new OrtTensor("float32", data as Float32Array, shape);
    return b.input(name, "float32", shape);
  };
  const weights = new Map<string, Value>();
  const bindings = new Map([[model.graph.inputs[0]!.name, feed("batch", figures.get("input")!)]]);
  for (const name of wanted) {
    const tensor = model.graph.initializers.get(initializerOf(name));
    if (!tensor) continue;
    const value = feed(`weight:${name}`, tensor);
    weights.set(name, value);
    bindings.set(initializerOf(name), value);
  }
  const form = new TrainingForm();
  const values = inline(b, { ...model, graph: expandScaleInvariantLinear(model.graph) }, bindings, {
    prefix: "model/",
    replace: (node, inputs) => (node.op === "Dropout" ? [inputs[0]!] : form.replace(b, node, inputs)),
  });
  const { loss } = softmaxCrossEntropy(b, values.get("logits")!, feed("targets", figures.get("targets")!));
  const gradients = differentiate(b, loss, [...weights.values()]);
  b.output("loss", loss);
  const rectified = withSides
    ? model.graph.nodes.flatMap(({ op, outputs }) => (op === "Relu" ? [outputs[0]!] : []))
    : [];
  for (const name of rectified)
    b.output(`side:${name}`, b.cast(b.op("Greater", [values.get(name), b.scalar(0)]), "uint8"));
  for (const [index, name] of [...weights.keys()].entries()) {
    const gradient = gradients[index];
    if (gradient) b.output(`gradient:${name}`, gradient);
  }
  const graph = eliminateCommonSubexpressions(eliminateDeadNodes(b.finish("gradients")));
  const bytes = encode({
    ...model,
    graph: lower(graph, "cpu", { opsets: model.opsets }),
    opsets: new Map([...b.opsets].filter(([domain]) => domain !== "isonorm")),
  });
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: threads, logSeverityLevel: 3 });
  const results = await session.run(feeds);
  await session.release();

  const expected = (key: string): Float32Array => figures.get(key)!.data as Float32Array;
  const largest = Math.max(...wanted.map((name) => size(expected(`gradient:${name}`))));
  const comparisons = wanted.map((name): Comparison => {
    const gradient = results[`gradient:${name}`]?.data as Float32Array | undefined;
    const reference = expected(`gradient:${name}`);
    return {
      weight: name,
      distance: gradient ? relativeDistance(gradient, reference) : Number.POSITIVE_INFINITY,
      float32: expected(`float32:${name}`)[0]!,
      size: size(reference) / largest,
    };
  });
  const sides = new Map(
    rectified.map((name): [string, Tensor] => {
      const { data, dims } = results[`side:${name}`]!;
      return [name, { dtype: "uint8", shape: [...dims], data: data as Uint8Array }];
    }),
  );
  return { loss: (results.loss!.data as Float32Array)[0]!, expectedLoss: expected("loss")[0]!, comparisons, sides };
}

function size(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

/** ||a - b|| / ||b||; of two zeros 0. */
function relativeDistance(a: Float32Array, b: Float32Array): number {
  const difference = Math.sqrt(b.reduce((sum, value, index) => sum + (a[index]! - value) ** 2, 0));
  return difference === 0 ? 0 : difference / size(b);
}
