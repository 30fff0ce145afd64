import { preprocessRecords, recordShape } from "../classifier/index.js";
import type { InputDescription, InputStatistics } from "../data/core.js";
import { eliminateDeadNodes, GraphBuilder, inline, pruneInitializers } from "../graph/index.js";
import { expandScaleInvariantLinear } from "../method/index.js";
import { float, type Graph, type Model, type Node, type Tensor } from "../onnx/index.js";

const normalisations = new Set([
  "BatchNormalization",
  "InstanceNormalization",
  "GroupNormalization",
  "LayerNormalization",
  "RMSNormalization",
  "SimplifiedLayerNormalization",
]);

/**
 * The convolutions of a network that has no normalisation at all: most likely a batch normalisation was folded into each when the model was exported for
 * inference. None of their weights is scale-invariant as they stand.
 *
 * @param weights - names of the weights that are to be trained; convolutions of others are left out
 */
export function foldedConvolutions({ nodes, initializers }: Graph, weights: ReadonlySet<string>): readonly Node[] {
  if (nodes.some(({ op }) => normalisations.has(op))) return [];
  return nodes.filter(
    ({ op, domain, inputs: [, weight = "", bias = ""] }) =>
      op === "Conv" && domain === "" && weights.has(weight) && (bias === "" || initializers.has(bias)),
  );
}

/** Mean and variance of each channel of a value [batch, channels, ...]. [channels] each */
export interface Moments {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/** From `records`, a batch of raw ones, to `mean <i>` and `variance <i>`, [channels] each, of the i-th of those values over it. */
export function momentsGraph(
  model: Model,
  names: readonly string[],
  input: InputDescription,
  statistics: InputStatistics,
  batch: number,
): Model {
  const b = new GraphBuilder({ opsets: model.opsets });
  const records = b.input("records", input.kind === "image" ? "uint8" : "float32", [batch, ...recordShape(input)]);
  const bindings = new Map([[model.graph.inputs[0]!.name, preprocessRecords(b, records, input, statistics)]]);
  const values = inline(b, { ...model, graph: expandScaleInvariantLinear(model.graph) }, bindings, {
    prefix: "model/",
  });
  names.forEach((name, index) => {
    const y = values.get(name)!;
    const axes = y.shape.map((_, axis) => axis).filter((axis) => axis !== 1);
    const mean = b.mean(y, axes, true);
    b.output(`mean ${index}`, b.reshape(mean, [y.shape[1]!]));
    b.output(`variance ${index}`, b.mean(b.square(b.minus(y, mean)), axes));
  });
  const opsets = new Map([...model.opsets].filter(([domain]) => domain !== "isonorm"));
  return { ...model, opsets, graph: pruneInitializers(eliminateDeadNodes(b.finish("moments"))) };
}

/** Moments over batches of equal size from those of each batch: the variance is the mean of variances plus the variance of means. */
export function poolMoments(batches: readonly { mean: Float32Array; variance: Float32Array }[]): Moments {
  const channels = batches[0]!.mean.length;
  const mean = new Float64Array(channels);
  const variance = new Float64Array(channels);
  for (let channel = 0; channel < channels; channel++) {
    for (const batch of batches) mean[channel]! += batch.mean[channel]! / batches.length;
    for (const batch of batches)
      variance[channel]! += (batch.variance[channel]! + (batch.mean[channel]! - mean[channel]!) ** 2) / batches.length;
  }
  return { mean, variance };
}

const epsilon = 1e-5;

/**
 * Puts a batch normalisation behind each of those convolutions, with gamma and beta such that the network computes what it did:
 *
 *   gamma = sqrt(variance + epsilon), beta = mean:  gamma (y - mean) / sqrt(variance + epsilon) + beta = y
 *
 * The convolution's bias goes: what it added is part of the mean. From then on its weight is scale-invariant.
 */
export function insertBatchNormalizations(
  model: Model,
  convolutions: readonly Node[],
  moments: readonly Moments[],
): Model {
  const initializers = new Map(model.graph.initializers);
  const indexOf = new Map(convolutions.map((node, index) => [node, index]));
  const nodes = model.graph.nodes.flatMap((node) => {
    const index = indexOf.get(node);
    if (index === undefined) return [node];
    const { mean, variance } = moments[index]!;
    const [x = "", weight = "", biasName = ""] = node.inputs;
    const [y = ""] = node.outputs;
    const bias = biasName === "" ? undefined : (initializers.get(biasName)!.data as Float32Array);
    const name = `${weight}/inserted`;
    const add = (suffix: string, value: (channel: number) => number): string => {
      const tensor: Tensor = {
        dtype: "float32",
        shape: [mean.length],
        data: Float32Array.from(mean, (_, i) => value(i)),
      };
      initializers.set(`${name}.${suffix}`, tensor);
      return `${name}.${suffix}`;
    };
    const convolution: Node = { ...node, inputs: [x, weight], outputs: [`${y}/unnormalised`] };
    const normalisation: Node = {
      op: "BatchNormalization",
      domain: "",
      name,
      inputs: [
        `${y}/unnormalised`,
        add("gamma", (i) => Math.sqrt(variance[i]! + epsilon)),
        add("beta", (i) => mean[i]!),
        add("running_mean", (i) => mean[i]! - (bias?.[i] ?? 0)),
        add("running_var", (i) => variance[i]!),
      ],
      outputs: [y],
      attributes: { epsilon: float(epsilon), momentum: float(0.9) },
    };
    return [convolution, normalisation];
  });
  return { ...model, graph: { ...model.graph, nodes, initializers } };
}

const standardization = ["mean", "inverseDeviation"] as const;

/**
 * Standardises the features that a fresh classifier gets: the mean of each comes to 0, and their variance to 1 on average, by numbers measured once that training does
 * not move. The classifier's scale S is made for such features; those of a trained network are often all positive and close to each other, or of another order of magnitude.
 *
 * One deviation for all: what varies little over the training data is mostly noise, which a division of its own would bring up
 * (docs/decisions.md).
 *
 * @param moments - of the features, one entry a feature
 * @returns the model, and the names of the vectors put in
 */
export function standardizeFeatures(
  model: Model,
  moments: Moments,
): { readonly model: Model; readonly fixed: ReadonlySet<string> } {
  const { mean, variance } = moments;
  const head = model.graph.nodes.findLast(({ op }) => op === "ScaleInvariantLinear")!;
  const [features = "", weight = ""] = head.inputs;
  const name = `${head.name}/standardized`;
  const [centre, inverse] = standardization.map((each) => `${name}.${each}`) as [string, string];
  const typical = variance.reduce((sum, each) => sum + each, 0) / variance.length;
  const initializers = new Map<string, Tensor>([
    ...model.graph.initializers,
    [centre, { dtype: "float32", shape: [mean.length], data: Float32Array.from(mean) }],
    // Features may be small, all of them.
    [inverse, { dtype: "float32", shape: [1], data: Float32Array.of(1 / Math.sqrt(typical + 1e-12)) }],
  ]);
  const steps: readonly Node[] = [
    {
      op: "Sub",
      domain: "",
      name: `${name}/centre`,
      inputs: [features, centre],
      outputs: [`${name}/centred`],
      attributes: {},
    },
    { op: "Mul", domain: "", name, inputs: [`${name}/centred`, inverse], outputs: [name], attributes: {} },
  ];
  const nodes = model.graph.nodes.flatMap((node) =>
    node === head ? [...steps, { ...head, inputs: [name, weight] }] : [node],
  );
  return { model: { ...model, graph: { ...model.graph, nodes, initializers } }, fixed: new Set([centre, inverse]) };
}
