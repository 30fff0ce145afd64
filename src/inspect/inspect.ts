import { preprocessPrefix, readDescription, serving } from "../classifier/index.js";
import { Random } from "../data/core.js";
import { IsonormError } from "../errors.js";
import { analyseScaleInvariance, norms, scaleInvariantLinearAttributes, type WeightProof } from "../method/index.js";
import { elementCount, type Model, type Tensor, type ValueInfo } from "../onnx/index.js";
import type { CreateSession } from "../train/index.js";
import { type NumericalProof, proveByNumbers } from "./numbers.js";

/** One weight, its norm, and both proofs. */
export interface InspectedWeight extends WeightProof {
  /** Frobenius norm. */
  readonly norm: number;
  /** Null where the numbers could not be had (see {@link Inspection.withoutNumbers}) or the output does not depend on the weight. */
  readonly numbers: NumericalProof | null;
  /** Whether graph and numbers say the same; null without numbers. */
  readonly agree: boolean | null;
}

export interface Inspection {
  readonly weights: readonly InspectedWeight[];
  /** Trained numbers. */
  readonly parameters: number;
  /** Why there is no numerical proof, where there is none. */
  readonly withoutNumbers: string | undefined;
}

/** Examples in the batch that the numerical proof runs on. */
const batchSize = 8;

/**
 * Looks at every weight of a model: which are scale-invariant by the graph, and whether the numbers say the same.
 *
 * A classifier exported by isonorm is looked at as it was trained: the folded weight of its last layer is that of the scale-invariant linear layer.
 */
export async function inspectModel(exported: Model, createSession: CreateSession): Promise<Inspection> {
  const model = unfold(exported);
  const proofs = analyseScaleInvariance(model.graph, { batchNormalization: "training" }).filter(
    ({ name }) => !name.startsWith(preprocessPrefix),
  );
  let numbers: ReadonlyMap<string, NumericalProof> = new Map();
  let withoutNumbers: string | undefined;
  try {
    const inputs = new Map(model.graph.inputs.map((input) => [input.name, randomInput(input, exported)]));
    const names = proofs.map(({ name }) => name);
    numbers = await proveByNumbers(model, names, inputs, createSession);
  } catch (error) {
    if (!(error instanceof IsonormError)) throw error;
    withoutNumbers = `${error.code}: ${error.message}`;
  }
  const weights = proofs.map((proof): InspectedWeight => {
    const found = numbers.get(proof.name) ?? null;
    return {
      ...proof,
      norm: norms(model.graph.initializers.get(proof.name)!, undefined)[0]!,
      numbers: found,
      agree: found && found.scaleInvariant === proof.scaleInvariant,
    };
  });
  const parameters = proofs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return { weights, parameters, withoutNumbers };
}

/** Undoes the folding of an exported classifier's last layer; other models stay as they are. */
function unfold(model: Model): Model {
  if (!model.metadata.has("isonorm.provenance")) return model;
  const { scale } = readDescription(model).provenance;
  const { nodes, initializers, outputs } = model.graph;
  const folded = nodes.findLast(
    ({ op, inputs }) => op === "Gemm" && inputs.length === 2 && initializers.has(inputs[1]!),
  );
  const attributes = scaleInvariantLinearAttributes({ scale });
  return {
    ...model,
    opsets: new Map([...model.opsets, ["isonorm", 1]]),
    graph: {
      ...model.graph,
      nodes: nodes
        .filter((node) => node.outputs[0] !== serving.probabilities)
        .map((node) =>
          node === folded ? { ...node, op: "ScaleInvariantLinear", domain: "isonorm", attributes } : node,
        ),
      outputs: outputs.filter(({ name }) => name === serving.logits),
    },
  };
}

/** Something to run a network on: normal numbers, pixels, category names. */
function randomInput(input: ValueInfo, model: Model): Tensor {
  const shape = (input.shape ?? []).map((size, axis) => {
    if (typeof size === "number") return size;
    if (axis === 0) return batchSize;
    throw new IsonormError(
      "ISO_GRAPH_SHAPE",
      `input ${input.name} has no fixed size on axis ${axis}`,
      "Export the model with fixed sizes apart from the batch",
    );
  });
  const random = new Random("inspect", input.name);
  const length = elementCount(shape);
  switch (input.dtype) {
    case "float32":
      return { dtype: "float32", shape, data: Float32Array.from({ length }, () => random.normal()) };
    case "uint8":
      return { dtype: "uint8", shape, data: Uint8Array.from({ length }, () => random.int(256)) };
    case "string": {
      const { input: description } = readDescription(model);
      const columns = description.kind === "table" ? description.categorical : [];
      const data = Array.from({ length }, (_, index) => {
        const { categories } = columns[index % columns.length]!;
        return categories[random.int(Math.max(1, categories.length))] ?? "";
      });
      return { dtype: "string", shape, data };
    }
    default:
      throw new IsonormError(
        "ISO_ONNX_UNSUPPORTED",
        `input ${input.name} is of type ${input.dtype}, for which no random input can be made`,
        "Only the graph's proof is shown",
      );
  }
}
