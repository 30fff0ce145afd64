import type { InputDescription, InputStatistics } from "../data/core.js";
import { IsonormError } from "../errors.js";
import { foldIdentities, GraphBuilder, pruneInitializers, type Value } from "../graph/index.js";
import { foldScaleInvariantLinear } from "../method/index.js";
import { type Graph, int, type Model, type Node, type Tensor, type ValueInfo } from "../onnx/types.js";
import { type ClassifierDescription, describeInMetadata } from "./description.js";
import { preprocessImage, preprocessTable } from "./preprocess.js";

/** Names of an exported classifier's inputs and outputs. */
export const serving = {
  /** uint8 [batch, height, width, channels] */
  pixels: "pixels",
  /** float32 [batch, numeric columns]; NaN where missing */
  features: "features",
  /** string [batch, categorical columns]; "" where missing */
  categories: "categories",
  /** float32 [batch, classes] */
  logits: "logits",
  probabilities: "probabilities",
} as const;

/** What the names of the preprocessing's values and constants begin with. */
export const preprocessPrefix = "preprocess/";

/**
 * The model that is served: raw input in, logits and probabilities out. Preprocessing is part of the graph, S / ||W|| is folded into the
 * classifier's weight, dropout is gone, labels and provenance stand in the metadata, the batch size is free.
 *
 * @param model - in inference form, with `isonorm:ScaleInvariantLinear` as its head
 * @param weights - trained weights and running statistics by initializer name
 */
export function exportClassifier(
  model: Model,
  weights: ReadonlyMap<string, Tensor>,
  statistics: InputStatistics,
  description: Omit<ClassifierDescription, "statistics">,
): Model {
  const initializers = new Map(model.graph.initializers);
  for (const [name, tensor] of weights) {
    if (!initializers.has(name))
      throw new IsonormError("ISO_INTERNAL", `the model has no weight ${name} to export`, "Report this as a bug");
    initializers.set(name, tensor);
  }
  const network = pruneInitializers(foldIdentities(foldScaleInvariantLinear({ ...model.graph, initializers })));
  const networkInput = network.inputs[0]!.name;
  const preprocess = preprocessGraph(description.input, statistics, model.opsets);
  // The preprocessing's result takes the name of the network's input, all its other values a prefix of their own.
  const rename = (name: string): string => {
    if (name === "" || preprocess.inputs.some((input) => input.name === name)) return name;
    return name === preprocess.outputs[0]!.name ? networkInput : preprocessPrefix + name;
  };
  const preprocessNodes = preprocess.nodes.map((node) => ({
    ...node,
    name: preprocessPrefix + node.name,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
  }));
  const softmax: Node = {
    op: "Softmax",
    domain: "",
    name: serving.probabilities,
    inputs: [serving.logits],
    outputs: [serving.probabilities],
    attributes: { axis: int(1) },
  };
  const open = (value: ValueInfo): ValueInfo => ({ ...value, shape: ["batch", ...(value.shape ?? []).slice(1)] });
  const scores: ValueInfo = { name: serving.logits, dtype: "float32", shape: ["batch", description.classes.length] };
  const graph: Graph = {
    name: network.name,
    nodes: [...preprocessNodes, ...network.nodes, softmax],
    inputs: preprocess.inputs.map(open),
    outputs: [scores, { ...scores, name: serving.probabilities }],
    initializers: new Map([
      ...[...preprocess.initializers].map(([name, tensor]) => [rename(name), tensor] as const),
      ...network.initializers,
    ]),
    valueInfo: network.valueInfo.filter((value) => value.name !== serving.logits),
  };
  return {
    graph,
    irVersion: model.irVersion,
    opsets: new Map([...model.opsets].filter(([domain]) => graph.nodes.some((node) => node.domain === domain))),
    producerName: "isonorm",
    producerVersion: description.provenance.version,
    metadata: describeInMetadata({ ...description, statistics }),
  };
}

/** Raw input to network input. The builder works with a batch of 1; no operator depends on it. */
function preprocessGraph(
  input: InputDescription,
  statistics: InputStatistics,
  opsets: ReadonlyMap<string, number>,
): Graph {
  const b = new GraphBuilder({ opsets });
  let x: Value;
  if (input.kind === "image") {
    const pixels = b.input(serving.pixels, "uint8", [1, input.height, input.width, input.channels]);
    x = preprocessImage(b, pixels, statistics);
  } else {
    const { numeric, categorical } = input;
    const features = numeric.length > 0 ? b.input(serving.features, "float32", [1, numeric.length]) : undefined;
    const cells = categorical.length > 0 ? b.input(serving.categories, "string", [1, categorical.length]) : undefined;
    const isCategory = categorical.map(({ categories }, column) => {
      const cell = b.op("Gather", [cells, b.int64([column])], { axis: int(1) });
      return b.op("Equal", [
        cell,
        b.constant({ dtype: "string", shape: [1, categories.length], data: categories }, "categories"),
      ]);
    });
    x = preprocessTable(b, features, isCategory, statistics);
  }
  b.markOutput(x);
  return b.finish("preprocess");
}
