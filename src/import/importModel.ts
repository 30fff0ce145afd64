import { preprocessPrefix, readDescription, serving } from "../classifier/index.js";
import { IsonormError } from "../errors.js";
import { eliminateDeadNodes, GraphBuilder, inferGraph, inline, renameReads, upgrade } from "../graph/index.js";
import {
  type ClassifierReport,
  expandScaleInvariantLinear,
  type ReplaceClassifierOptions,
  replaceClassifier,
} from "../method/index.js";
import type { Model, Tensor } from "../onnx/index.js";
import { asTrained } from "./asTrained.js";
import { type FlatModel, flatten } from "./flatten.js";
import { describeInput, fitInput } from "./input.js";
import { inSinglePrecision } from "./singlePrecision.js";

export interface ImportOptions {
  /** Shape of one preprocessed example: [channels, height, width] or [features]. */
  readonly shape: readonly number[];
  /** Names of the data's classes. */
  readonly classes: readonly string[];
  readonly seed: number;
  /** Undefined: the default. */
  readonly scale?: number | undefined;
  /** Examples that the classifier alone is trained on; undefined where more than that is trained. */
  readonly frozenExamples?: number | undefined;
  readonly norm: "tensor" | "row";
  readonly features: "raw" | "unit";
  /**
   * Name of the node to take for the classifier; by default the last linear layer before the output. A node that is none is kept, and a classifier
   * put behind it.
   */
  readonly headNode?: string | undefined;
}

/** A foreign model in the form of our own: inference form, one float input, the output `logits` [batch, classes]. */
export interface ImportedModel {
  readonly model: Model;
  readonly head: ClassifierReport;
  /** What was put before the old input, in words. */
  readonly inputSteps: readonly string[];
  /** Whether the model takes bytes, 0 to 255, unnormalised. */
  readonly takesBytes: boolean;
  /** Classes that the old classifier told apart; 0 where there was none. */
  readonly previousClasses: number;
}

/**
 * Takes a classifier from anywhere (PyTorch, TensorFlow, Keras, isonorm) to be trained on other data: today's operators, float32, constants folded, the input
 * fitted to the data, and the classifier replaced by the scale-invariant linear layer. Where the classes are the old ones, the classifier keeps
 * its directions, by name if the model has names.
 *
 * @throws ISO_MODEL_UNSUITABLE where input, classifier or batch size do not fit; ISO_ONNX_UNSUPPORTED listing nodes; ISO_GRAPH_SHAPE, ISO_GRAPH_INVALID
 */
export function importModel(source: Model, options: ImportOptions): ImportedModel {
  const { shape, classes } = options;
  const own = source.metadata.has("isonorm.provenance") ? readDescription(source) : undefined;
  const network = withFreeNames(inSinglePrecision(upgrade(asTrained(source))));
  const declared = describeInput(network.graph);
  const batch = network.graph.inputs[0]!.shape?.[0];
  const fitted = fitInput(network, shape);
  const flat = atSize(declared, shape, () =>
    flatten(fitted.model, shape, typeof batch === "number" ? batch : undefined),
  );
  const sameClasses = own === undefined || isPermutation(own.classes, classes);
  const { model, report } = replacing(flat, {
    shapeOf: shapesIn(flat.model, shape),
    classes: classes.length,
    seed: options.seed,
    norm: options.norm,
    features: options.features,
    keepWeight: sameClasses,
    ...(options.scale === undefined ? {} : { scale: options.scale }),
    ...(options.frozenExamples === undefined ? {} : { frozenExamples: options.frozenExamples }),
    ...(options.headNode === undefined ? {} : { node: options.headNode }),
  });
  const named = own && report.keptWeight ? inOrderOf(classes, model, report.weight, own.classes) : model;
  atSize(declared, shape, () => requireFreeBatch(named, shape, classes.length));
  return {
    model: named,
    head: report,
    inputSteps: fitted.steps,
    takesBytes: own === undefined && declared.bytes,
    previousClasses: report.previousClasses,
  };
}

/** `replaceClassifier`; where nodes that isonorm does not know lie before the classifier, or hide it, they are what is wrong. */
function replacing({ model, requireKnown }: FlatModel, options: ReplaceClassifierOptions) {
  try {
    const replaced = replaceClassifier(model, options);
    requireKnown(replaced.model.graph.nodes);
    return replaced;
  } catch (error) {
    if (options.node === undefined) requireKnown(model.graph.nodes);
    throw error;
  }
}

/** Shapes of a network's values for a batch of 2, worked out when first asked for. */
function shapesIn(
  { graph, opsets }: Model,
  shape: readonly number[],
): (value: string) => readonly number[] | undefined {
  return (name) => {
    const maker = graph.nodes.find(({ outputs }) => outputs.includes(name));
    if (!maker) return undefined;
    const inputs = graph.inputs.map((input) => ({ ...input, shape: [2, ...shape] }));
    const outputs = [{ name, dtype: undefined, shape: undefined }];
    return inferGraph(eliminateDeadNodes({ ...graph, inputs, outputs }), opsets).get(name)?.shape;
  };
}

/** The model with other names for whatever is called like the parts that export adds. */
function withFreeNames(model: Model): Model {
  const { graph } = model;
  const reserved = new Set<string>([serving.pixels, serving.features, serving.categories, serving.probabilities]);
  const rename = (name: string): string =>
    reserved.has(name) || name.startsWith(preprocessPrefix) ? `network/${name}` : name;
  const named = <T extends { readonly name: string }>(item: T): T => ({ ...item, name: rename(item.name) });
  return {
    ...model,
    graph: {
      ...graph,
      nodes: graph.nodes.map((node) => {
        const renamed = renameReads(named(node), rename);
        return { ...renamed, outputs: node.outputs.map(rename) };
      }),
      inputs: graph.inputs.map(named),
      outputs: graph.outputs.map(named),
      valueInfo: graph.valueInfo.map(named),
      initializers: new Map([...graph.initializers].map(([name, tensor]) => [rename(name), tensor] as const)),
    },
  };
}

function isPermutation(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}

/** The classifier's rows brought from the old order of the classes to the data's. */
function inOrderOf(classes: readonly string[], model: Model, weight: string, old: readonly string[]): Model {
  const tensor = model.graph.initializers.get(weight) as Tensor & { dtype: "float32" };
  const features = tensor.shape[1]!;
  const data = new Float32Array(tensor.data.length);
  classes.forEach((name, row) => {
    const from = old.indexOf(name) * features;
    data.set(tensor.data.subarray(from, from + features), row * features);
  });
  const initializers = new Map(model.graph.initializers).set(weight, { ...tensor, data });
  return { ...model, graph: { ...model.graph, initializers } };
}

/** Throws ISO_MODEL_UNSUITABLE unless the network gives [batch, classes] for any batch. */
function requireFreeBatch(model: Model, shape: readonly number[], classes: number): void {
  for (const batch of [2, 5]) {
    const b = new GraphBuilder({ opsets: model.opsets });
    const x = b.input("input", "float32", [batch, ...shape]);
    const graph = expandScaleInvariantLinear(model.graph);
    const logits = inline(b, { ...model, graph }, new Map([[graph.inputs[0]!.name, x]]), { prefix: "model/" }).get(
      "logits",
    )!;
    if (logits.shape.join() === `${batch},${classes}`) continue;
    throw new IsonormError(
      "ISO_MODEL_UNSUITABLE",
      `for ${batch} examples the model gives scores of shape [${logits.shape.join(", ")}], not [${batch}, ${classes}]`,
      "Export the model with a free batch size (PyTorch: dynamic_axes or dynamic_shapes)",
    );
  }
}

/** Adds to an error of shape what size the model asks for. */
function atSize<T>(
  { height, width, layout }: ReturnType<typeof describeInput>,
  shape: readonly number[],
  act: () => T,
): T {
  try {
    return act();
  } catch (error) {
    const [, dataHeight, dataWidth] = shape;
    const other = height !== undefined && width !== undefined && (height !== dataHeight || width !== dataWidth);
    if (!(error instanceof IsonormError) || error.code !== "ISO_GRAPH_SHAPE" || layout === "flat" || !other)
      throw error;
    throw new IsonormError(
      "ISO_MODEL_UNSUITABLE",
      `the model was made for images of ${height}x${width} pixels, and the data's are ${dataHeight}x${dataWidth} (${error.message})`,
      `Use --image-size ${height}x${width}`,
      { cause: error },
    );
  }
}
