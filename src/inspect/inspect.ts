import { Random } from "../data/core.js";
import { IsonormError } from "../errors.js";
import { unroll } from "../graph/index.js";
import { asTrained } from "../import/index.js";
import { analyseScaleInvariance, norms, type WeightProof } from "../method/index.js";
import { elementCount, type Model, type Tensor, type ValueInfo } from "../onnx/index.js";
import type { CreateSession } from "../train/index.js";
import { largestInvariantChange, type NumericalProof, proveByNumbers } from "./numbers.js";

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

/** Height and width of images where the model takes any, in pixels. */
const freeImageSize = 64;

/**
 * Looks at every weight of a model: which are scale-invariant by the graph, and whether the numbers say the same.
 *
 * A classifier exported by isonorm is looked at as it was trained (see {@link asTrained}).
 *
 * @param memoryLimit - of the process, bytes: what takes more is not run
 */
export async function inspectModel(
  exported: Model,
  createSession: CreateSession,
  memoryLimit = Number.POSITIVE_INFINITY,
): Promise<Inspection> {
  const model = writtenOut(asTrained(exported));
  const proofs = analyseScaleInvariance(model.graph, { batchNormalization: "training" });
  let numbers: ReadonlyMap<string, NumericalProof> = new Map();
  let withoutNumbers: string | undefined;
  try {
    const inputs = new Map(model.graph.inputs.map((input) => [input.name, randomInput(input)]));
    numbers = await proveByNumbers(model, proofs, inputs, createSession, memoryLimit);
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
      agree: found && agrees(found, proof.scaleInvariant),
    };
  });
  const parameters = proofs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return { weights, parameters, withoutNumbers };
}

/**
 * Whether numbers and graph say the same. Outputs that do not depend on a weight at all bear out either verdict, if they do stay: a bias that is subtracted
 * again has no scale to keep, and the one weight of a channel that batch normalisation follows, as of a 3x3 convolution at a single position, has
 * nothing but its sign.
 */
function agrees({ inert, outputChange, scaleInvariant }: NumericalProof, proved: boolean): boolean {
  return inert ? !proved || outputChange <= largestInvariantChange : scaleInvariant === proved;
}

/** The model with its loops and branches written out, where the sizes of its inputs are known; as it is where not, or where that fails: the proof by numbers says why. */
function writtenOut(model: Model): Model {
  try {
    const inputs = model.graph.inputs.map(
      (input) => [input.name, { dtype: input.dtype ?? "float32", shape: inputShape(input) }] as const,
    );
    return unroll(model, new Map(inputs)).model;
  } catch (error) {
    if (error instanceof IsonormError) return model;
    throw error;
  }
}

function inputShape(input: ValueInfo): readonly number[] {
  return (input.shape ?? []).map((size, axis) => {
    if (typeof size === "number") return size;
    if (axis === 0) return batchSize;
    if (input.shape?.length === 4) return freeImageSize;
    throw new IsonormError(
      "ISO_GRAPH_SHAPE",
      `input ${input.name} has no fixed size on axis ${axis}`,
      "Export the model with fixed sizes apart from the batch",
    );
  });
}

/** Something to run a network on: normal numbers, or pixels. */
function randomInput(input: ValueInfo): Tensor {
  const shape = inputShape(input);
  const random = new Random("inspect", input.name);
  const length = elementCount(shape);
  switch (input.dtype) {
    case "float32":
      return { dtype: "float32", shape, data: Float32Array.from({ length }, () => random.normal()) };
    case "uint8":
      return { dtype: "uint8", shape, data: Uint8Array.from({ length }, () => random.int(256)) };
    default:
      throw new IsonormError(
        "ISO_ONNX_UNSUPPORTED",
        `input ${input.name} is of type ${input.dtype}, for which no random input can be made`,
        "Only the graph's proof is shown",
      );
  }
}
