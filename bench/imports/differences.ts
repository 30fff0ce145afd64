import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { differentiate } from "../../src/autodiff/index.js";
import { Random } from "../../src/data/core.js";
import {
  eliminateCommonSubexpressions,
  eliminateDeadNodes,
  GraphBuilder,
  inline,
  type Value,
} from "../../src/graph/index.js";
import { lower } from "../../src/lowering/index.js";
import { analyseScaleInvariance, expandScaleInvariantLinear } from "../../src/method/index.js";
import { elementCount, encode, type Model, type Tensor } from "../../src/onnx/index.js";
import { softmaxCrossEntropy } from "../../src/train/loss.js";
import { TrainingForm } from "../../src/train/trainingForm.js";

/** One weight's gradient along itself: ||g||, and (L(w + h u) - L(w - h u)) / 2h with u = g / ||g||. */
export interface DifferencedGradient {
  readonly weight: string;
  readonly analytic: number;
  readonly difference: number;
  readonly agrees: boolean;
}

const batch = 4;

/**
 * The gradient of every weight of an imported network on one batch of random images, in training form without dropout, against central differences.
 *
 * The loss is float32, good to about 1e-7, so the step must change it by more: the steps tried move it by 3e-2 to 3e-4 according to the gradient, or the weight
 * by 1e-2 to 1e-4 of its norm where that is less. A gradient agrees where one step's difference is within 1 % of it; one that is 0 by mathematics
 * (below 1e-5 of the largest) where the difference stays as small.
 *
 * @param shape - of one image [channels, height, width]
 */
export async function differencedGradients(
  model: Model,
  shape: readonly number[],
  classes: number,
  seed: number,
): Promise<readonly DifferencedGradient[]> {
  const names = analyseScaleInvariance(model.graph).map(({ name }) => name);
  const random = new Random("bench", "differences", seed);
  const b = new GraphBuilder({ opsets: model.opsets });
  const feeds: Record<string, OrtTensor> = {};
  const feed = (name: string, { data, shape }: Tensor): Value => {
    feeds[name] = new OrtTensor("float32", data as Float32Array, shape);
    return b.input(name, "float32", shape);
  };
  const images = [batch, ...shape];
  const data = Float32Array.from({ length: elementCount(images) }, () => random.normal());
  const x = feed("batch", { dtype: "float32", shape: images, data });
  const hot = Float32Array.from({ length: batch * classes }, (_, at) =>
    at % classes === Math.floor(at / classes) % classes ? 1 : 0,
  );
  const targets = feed("targets", { dtype: "float32", shape: [batch, classes], data: hot });
  const weights = names.map((name) => feed(`weight:${name}`, model.graph.initializers.get(name)!));
  const bindings = new Map([
    [model.graph.inputs[0]!.name, x],
    ...names.map((name, index) => [name, weights[index]!] as const),
  ]);
  const form = new TrainingForm();
  const values = inline(b, { ...model, graph: expandScaleInvariantLinear(model.graph) }, bindings, {
    prefix: "model/",
    replace: (node, inputs) => (node.op === "Dropout" ? [inputs[0]!] : form.replace(b, node, inputs)),
  });
  const { loss } = softmaxCrossEntropy(b, values.get("logits")!, targets);
  b.output("loss", loss);
  const lossOnly = await open(b, model);
  differentiate(b, loss, weights).forEach((gradient, index) => {
    if (gradient) b.output(`gradient:${names[index]}`, gradient);
  });
  const withGradients = await open(b, model);
  const results = await withGradients.run(feeds);
  const largest = Math.max(...names.map((name) => norm(results[`gradient:${name}`]?.data as Float32Array | undefined)));

  const compared: DifferencedGradient[] = [];
  for (const name of names) {
    const key = `weight:${name}`;
    const { data, dims } = feeds[key]!;
    const weight = data as Float32Array;
    const gradient = results[`gradient:${name}`]?.data as Float32Array | undefined;
    const analytic = norm(gradient);
    const at = async (offset: number): Promise<number> => {
      const moved = weight.map((value, index) => value + (offset * (gradient?.[index] ?? 0)) / (analytic || 1));
      const { loss } = await lossOnly.run({ ...feeds, [key]: new OrtTensor("float32", moved, dims) });
      return Number(loss!.data[0]);
    };
    let [difference, agrees] = [Number.NaN, false];
    for (const share of [1, 0.3, 0.1, 0.03, 0.01]) {
      const step = share * Math.min(3e-2 / (analytic || 1), 1e-2 * (norm(weight) || 1));
      const found = ((await at(step)) - (await at(-step))) / (2 * step);
      const tolerance = analytic < 1e-5 * largest ? Math.max(1e-4 * largest, 1e-6 / step) : 0.01 * analytic;
      if (Number.isNaN(difference) || Math.abs(found - analytic) < Math.abs(difference - analytic)) difference = found;
      agrees = Math.abs(difference - analytic) <= tolerance;
      if (agrees) break;
    }
    compared.push({ weight: name, analytic, difference, agrees });
  }
  return compared;
}

function open(b: GraphBuilder, model: Model): Promise<InferenceSession> {
  const graph = eliminateCommonSubexpressions(eliminateDeadNodes(b.finish("differences")));
  const bytes = encode({
    ...model,
    graph: lower(graph, "cpu", { opsets: model.opsets }),
    opsets: new Map([...b.opsets].filter(([domain]) => domain !== "isonorm")),
  });
  return InferenceSession.create(bytes, { intraOpNumThreads: 2, logSeverityLevel: 3 });
}

function norm(values: Float32Array | undefined): number {
  return Math.sqrt((values ?? new Float32Array()).reduce((sum, value) => sum + value * value, 0));
}
