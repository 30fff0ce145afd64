import { preprocessPrefix, readDescription, serving } from "../classifier/index.js";
import { inferGraph, pruneInitializers, storedConstant, upgrade } from "../graph/index.js";
import { norms, scaleInvariantLinearAttributes } from "../method/index.js";
import type { Graph, Model, Node, Tensor } from "../onnx/index.js";

/**
 * The network as training sees it. Of a classifier that isonorm exported: without the preprocessing, which has no weights, and
 * with the folded weight of its last layer as that of the scale-invariant linear layer again. Other models only come to the
 * present operator set, whose nodes the gradients are made of, with Constant nodes as initializers.
 */
export function asTrained(model: Model): Model {
  if (!model.metadata.has("isonorm.provenance")) return upgrade(withStoredConstants(model));
  const { scale } = readDescription(model).provenance;
  const network = withoutPreprocessing(model);
  const { nodes, initializers, outputs } = network;
  const folded = nodes.findLast(
    ({ op, inputs }) => op === "Gemm" && inputs.length === 2 && initializers.has(inputs[1]!),
  );
  const unfolded = folded && {
    ...folded,
    op: "ScaleInvariantLinear",
    domain: "isonorm",
    attributes: scaleInvariantLinearAttributes({ scale, norm: normOf(initializers.get(folded.inputs[1]!)!, scale) }),
  };
  return {
    ...model,
    opsets: new Map([...model.opsets, ["isonorm", 1]]),
    graph: {
      ...network,
      nodes: nodes
        .filter((node) => node.outputs[0] !== serving.probabilities)
        .map((node) => (unfolded && node === folded ? unfolded : node)),
      outputs: outputs.filter(({ name }) => name === serving.logits),
    },
  };
}

/** Constant nodes as initializers: some exporters (PaddlePaddle's) store all their weights in them. */
function withStoredConstants(model: Model): Model {
  const initializers = new Map(model.graph.initializers);
  const nodes = model.graph.nodes.filter((node) => {
    const value = storedConstant(node);
    if (value) initializers.set(node.outputs[0] ?? "", value);
    return !value;
  });
  return nodes.length === model.graph.nodes.length
    ? model
    : { ...model, graph: { ...model.graph, nodes, initializers } };
}

/** The folded weight S W / ||W|| has norm S; divided row by row, each of its rows has. */
function normOf(folded: Tensor, scale: number): "tensor" | "row" {
  // Two classes or more: row by row the whole has at least sqrt(2) S.
  return norms(folded)[0]! < 1.2 * scale ? "tensor" : "row";
}

/** The graph from the preprocessing's result on, which becomes its input. */
function withoutPreprocessing({ graph, opsets }: Model): Graph {
  const isPreprocessing = ({ name }: Node): boolean => name.startsWith(preprocessPrefix);
  const preprocessing = graph.nodes.filter(isPreprocessing);
  const network = graph.nodes.filter((node) => !isPreprocessing(node));
  const read = new Set(network.flatMap(({ inputs }) => inputs));
  const one = graph.inputs.map((input) => ({ ...input, shape: [1, ...(input.shape ?? []).slice(1)] }));
  const values = inferGraph({ ...graph, nodes: preprocessing, inputs: one }, opsets);
  const results = preprocessing.flatMap(({ outputs }) => outputs).filter((name) => read.has(name));
  const inputs = results.map((name) => {
    const { dtype, shape } = values.get(name)!;
    return { name, dtype, shape: ["batch", ...shape.slice(1)] };
  });
  return pruneInitializers({ ...graph, nodes: network, inputs });
}
