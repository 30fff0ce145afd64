import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { IsonormError } from "../errors.js";
import { attributeInt, attributeInts, eliminateDeadNodes, producers, pruneInitializers } from "../graph/index.js";
import type { Graph, Model, Node, Tensor } from "../onnx/types.js";
import {
  defaultScale,
  type ScaleInvariantLinearOptions,
  scaleInvariantLinearAttributes,
} from "./scaleInvariantLinear.js";

export interface ReplaceClassifierOptions extends Partial<ScaleInvariantLinearOptions> {
  readonly classes: number;
  /** Seed of the fresh weight. */
  readonly seed?: number;
  /**
   * Name of the Gemm or MatMul node to replace; by default the last one before the output. Any other node stays, and the classifier comes behind it: so a
   * network that only gives features gets one.
   */
  readonly node?: string;
  /** Examples that a fresh classifier alone is trained on, behind features that stay; undefined where features are trained too. */
  readonly frozenExamples?: number;
  /** Shape of a value for some batch, where it is known: needed where the classifier comes behind a node. */
  readonly shapeOf?: (value: string) => readonly number[] | undefined;
  /** Keep the old rows, whose directions are all that the new layer uses; only where the number of classes is the same. */
  readonly keepWeight?: boolean;
}

/** What was found and what was done. */
export interface ClassifierReport {
  /** The node replaced, as `Gemm /fc/Gemm`; the one that the classifier was put behind, where none was replaced. */
  readonly replaced: string;
  readonly features: number;
  /** 0 where there was no classifier. */
  readonly previousClasses: number;
  readonly classes: number;
  readonly scale: number;
  /** The new weight's initializer. */
  readonly weight: string;
  readonly keptWeight: boolean;
  readonly droppedBias: boolean;
  /** Operators after the classifier that were dropped, as `Softmax /Softmax`. */
  readonly droppedOperators: readonly string[];
  /** Outputs of the model that are gone. */
  readonly droppedOutputs: readonly string[];
  /** All of it in one sentence. */
  readonly description: string;
}

/** The end of a network: y = x W^T (+ bias), then operators that do not change which class is largest, or only its shape. */
interface Head {
  readonly node: Node;
  /** Name of x: [batch, features], or [batch, features, ...positions] where `bring` brings it to that. */
  readonly x: string;
  /** Operators that bring x to [batch, features], in order. */
  readonly bring: readonly ("GlobalAveragePool" | "Flatten")[];
  readonly features: number;
  /** W as [classes, features]; undefined where `node` gives the features and there is no classifier. */
  readonly weight: Tensor | undefined;
  readonly bias: boolean;
  /** In the order of the graph. */
  readonly after: readonly Node[];
}

const afterClassifier = new Set([
  "Softmax",
  "LogSoftmax",
  "Sigmoid",
  "Identity",
  "Squeeze",
  "Flatten",
  "Reshape",
  "Cast",
  "ArgMax",
  "Dropout",
  // ai.onnx.ml: a dictionary of probabilities by class, from scikit-learn's exporter.
  "ZipMap",
]);

/**
 * Replaces a network's classifier, whatever its number of classes, by a scale-invariant linear layer with the output `logits`
 * [batch, classes]. Softmax and the like after it go; so do other outputs.
 *
 * A classifier may also be a 1x1 convolution before or after the pooling, as in SqueezeNet; then pooling and layer take its place. A mean over positions
 * commutes with it, so that nothing else changes, unless a ReLU stands in between: that goes too.
 *
 * The fresh weight is normal with variance 1 / features, so that rows have norm 1 on average; its norm has no effect on the network.
 *
 * @throws ISO_MODEL_UNSUITABLE where the network does not end in a linear layer with a stored weight, and no node is named
 *
 * @example
 * const { model, report } = replaceClassifier(foreign, { classes: 5, seed: 1 });
 */
export function replaceClassifier(
  model: Model,
  options: ReplaceClassifierOptions,
): { readonly model: Model; readonly report: ClassifierReport } {
  const { classes, seed = 0, norm = "tensor", features: kind = "raw" } = options;
  const { graph } = model;
  const head = options.node === undefined ? findHead(graph) : headAt(graph, options.node, options.shapeOf);
  const { features } = head;
  const previousClasses = head.weight?.shape[0] ?? 0;
  const kept = options.keepWeight === true && previousClasses === classes ? head.weight : undefined;
  const frozen =
    kept || options.frozenExamples === undefined ? undefined : { features, examples: options.frozenExamples };
  const scale = options.scale ?? defaultScale(classes, { norm, features: kind, ...(frozen && { frozen }) });
  const weight = kept ?? freshWeight(classes, features, seed);
  const name = freshName(graph, "classifier.weight");
  // An old value called `logits` makes room for the new one.
  const previous = freshName(graph, "previous_logits");
  const rename = (names: readonly string[]) => names.map((value) => (value === outputName ? previous : value));
  const nodes = graph.nodes.map((node) => ({ ...node, inputs: rename(node.inputs), outputs: rename(node.outputs) }));
  const x = head.x === outputName ? previous : head.x;
  const brought: Node[] = [];
  for (const op of head.bring) {
    const output = freshName(graph, `classifier.${op}`);
    brought.push({
      op,
      domain: "",
      name: output,
      inputs: [brought.at(-1)?.outputs[0] ?? x],
      outputs: [output],
      attributes: {},
    });
  }
  const layer: Node = {
    op: "ScaleInvariantLinear",
    domain: "isonorm",
    name: freshName(graph, "classifier"),
    inputs: [brought.at(-1)?.outputs[0] ?? x, name],
    outputs: [outputName],
    attributes: scaleInvariantLinearAttributes({ scale, norm, features: kind }),
  };
  const batch = graph.inputs[0]?.shape?.[0];
  const replaced = pruneInitializers(
    eliminateDeadNodes({
      ...graph,
      nodes: [...nodes, ...brought, layer],
      outputs: [{ name: outputName, dtype: "float32", shape: [batch, classes] }],
      initializers: new Map([...graph.initializers, [name, weight]]),
    }),
  );
  const known = new Set(replaced.nodes.flatMap((node) => node.outputs));
  const report = describe({
    replaced: nodeLabel(head.node),
    features,
    previousClasses,
    classes,
    scale,
    weight: name,
    keptWeight: kept !== undefined,
    droppedBias: head.bias,
    droppedOperators: head.after.map(nodeLabel),
    droppedOutputs: graph.outputs.map((output) => output.name).filter((output) => output !== outputName),
  });
  return {
    model: {
      ...model,
      opsets: new Map([...model.opsets, ["isonorm", 1]]),
      graph: {
        ...replaced,
        valueInfo: graph.valueInfo.filter((value) => known.has(value.name) && value.name !== outputName),
      },
    },
    report,
  };
}

const outputName = "logits";

/** Walks back from each output to the linear layer that makes it. */
function findHead(graph: Graph): Head {
  const makers = producers(graph);
  const met: string[] = [];
  for (const output of graph.outputs) {
    const after: Node[] = [];
    let node = makers.get(output.name);
    while (
      node &&
      (afterClassifier.has(node.op) || bothProbabilities(graph, makers, node) || normalizedRows(makers, node))
    ) {
      after.unshift(node);
      node = makers.get((node.op === "Concat" ? node.inputs[1] : node.inputs[0]) ?? "");
    }
    const head = node && headOf(graph, makers, node);
    if (head) return { ...head, after: [...head.after, ...after] };
    met.push(node ? `${output.name} comes from ${nodeLabel(node)}` : `${output.name} is an input`);
  }
  throw new IsonormError(
    "ISO_MODEL_UNSUITABLE",
    `the model has no classifier to replace: no output comes from a Gemm, MatMul or 1x1 convolution with a stored weight (${met.join("; ")})`,
    "Name the node to replace (--head-node) or, where the model gives features, the node that makes them: a classifier is put behind it",
  );
}

/** Concat(1 - p, p), as scikit-learn's exporter gives the probabilities of two classes. */
function bothProbabilities(graph: Graph, makers: ReadonlyMap<string, Node>, { op, inputs }: Node): boolean {
  if (op !== "Concat" || inputs.length !== 2) return false;
  const other = makers.get(inputs[0]!);
  return other?.op === "Sub" && other.inputs[1] === inputs[1] && graph.initializers.has(other.inputs[0]!);
}

/** Rows over their sums, as scikit-learn's exporter gives the probabilities of a logistic regression: Div(p, Where(sum = 0, 1, sum)). */
function normalizedRows(makers: ReadonlyMap<string, Node>, { op, inputs: [p, divisor] }: Node): boolean {
  const safe = op === "Div" ? makers.get(divisor ?? "") : undefined;
  const sum = safe?.op === "Where" ? makers.get(safe.inputs[2] ?? "") : undefined;
  return sum?.op === "ReduceL1" && sum.inputs[0] === p;
}

function headAt(graph: Graph, name: string, shapeOf: ReplaceClassifierOptions["shapeOf"]): Head {
  const makers = producers(graph);
  const node = graph.nodes.find((candidate) => candidate.name === name);
  const head = node && headOf(graph, makers, node);
  if (head) return head;
  const shape = node && shapeOf?.(node.outputs[0] ?? "");
  if (!node || !shape || shape.length < 2)
    throw new IsonormError(
      "ISO_MODEL_UNSUITABLE",
      node
        ? `node ${nodeLabel(node)} is not a Gemm, MatMul or 1x1 convolution with a stored weight` +
            (shape ? `, and its output [${shape.join(", ")}] is no row of features for each example` : "")
        : `the model has no node named "${name}"`,
      "Name the node that computes the logits, or the features",
    );
  const features = shape.slice(1).reduce((product, size) => product * size, 1);
  const bring = shape.length === 2 ? [] : (["Flatten"] as const);
  return { node, x: node.outputs[0]!, bring, features, weight: undefined, bias: false, after: [] };
}

function headOf(graph: Graph, makers: ReadonlyMap<string, Node>, node: Node): Head | undefined {
  const linear = linearHead(graph, makers, node);
  return linear ? { ...linear, after: [] } : convolutionalHead(graph, makers, node);
}

/**
 * The 1x1 convolution that ends a network without linear layer: `node` itself where it follows the pooling, else the one before `node`, the pooling, with
 * or without ReLU in between.
 */
function convolutionalHead(graph: Graph, makers: ReadonlyMap<string, Node>, node: Node): Head | undefined {
  const before = (later: Node) => makers.get(later.inputs[0] ?? "");
  const after: Node[] = [];
  let convolution: Node | undefined = node;
  while (after.length < 2 && convolution?.op === (after.length === 0 ? "GlobalAveragePool" : "Relu")) {
    after.unshift(convolution);
    convolution = before(convolution);
  }
  if (convolution?.op !== "Conv" || convolution.domain !== "") return undefined;
  const [x, weightName, bias] = convolution.inputs as readonly [string, string, string | undefined];
  const stored = graph.initializers.get(weightName);
  if (stored?.dtype !== "float32" || stored.shape.slice(2).some((size) => size !== 1)) return undefined;
  const { attributes } = convolution;
  const all = (name: string, value: number) =>
    attributeInts(attributes, name)?.every((given) => given === value) ?? true;
  if (attributeInt(attributes, "group", 1) !== 1 || !all("strides", 1) || !all("pads", 0)) return undefined;
  let pooled: Node | undefined = convolution;
  while (pooled && keepsPositions.has(pooled.op)) pooled = before(pooled);
  const atOnePosition = pooled?.op === "GlobalAveragePool";
  if (after.length === 0 && !atOnePosition) return undefined;
  return {
    node: convolution,
    x,
    bring: atOnePosition ? ["Flatten"] : ["GlobalAveragePool", "Flatten"],
    weight: { ...stored, shape: stored.shape.slice(0, 2) },
    features: stored.shape[1]!,
    bias: (bias ?? "") !== "",
    after,
  };
}

/** Operators that leave one position one position. */
const keepsPositions = new Set("Conv Relu Clip HardSwish Dropout Identity BatchNormalization".split(" "));

/** The linear layer that `node` is, or whose bias it adds. */
function linearHead(graph: Graph, makers: ReadonlyMap<string, Node>, node: Node): Omit<Head, "after"> | undefined {
  const product =
    node.op === "Add"
      ? node.inputs.map((name) => makers.get(name)).find((maker) => maker?.op === "MatMul" || maker?.op === "Gemm")
      : node;
  const bias = node.op === "Add";
  if (bias && !node.inputs.some((name) => graph.initializers.has(name))) return undefined;
  if (!product) return undefined;
  const [x, weightName] = product.inputs as readonly [string, string];
  const stored = graph.initializers.get(weightName ?? "");
  if (stored?.dtype !== "float32" || stored.shape.length !== 2) return undefined;
  const head = (transposed: boolean, bias: boolean) => ({
    node: product,
    x,
    bring: [],
    weight: transposed ? stored : transpose(stored),
    features: stored.shape[transposed ? 1 : 0]!,
    bias,
  });
  if (product.op === "ScaleInvariantLinear" && product.domain === "isonorm") return head(true, false);
  if (product.domain !== "") return undefined;
  if (product.op === "MatMul") return head(false, bias);
  if (product.op !== "Gemm" || attributeInt(product.attributes, "transA", 0) !== 0) return undefined;
  return head(attributeInt(product.attributes, "transB", 0) !== 0, bias || (product.inputs[2] ?? "") !== "");
}

function transpose(matrix: Tensor & { readonly dtype: "float32" }): Tensor & { readonly dtype: "float32" } {
  const [rows, columns] = matrix.shape as readonly [number, number];
  const data = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) data[column * rows + row] = matrix.data[row * columns + column]!;
  return { dtype: "float32", shape: [columns, rows], data };
}

/** N(0, 1 / features), by Box and Muller's transform. */
function freshWeight(classes: number, features: number, seed: number): Tensor {
  const generator = xoroshiro128plus(seed);
  // In (0, 1], so that the logarithm is finite.
  const uniform = () => ((generator.next() >>> 0) + 1) / 2 ** 32;
  const deviation = 1 / Math.sqrt(features);
  const data = Float32Array.from(
    { length: classes * features },
    () => deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
  return { dtype: "float32", shape: [classes, features], data };
}

function freshName(graph: Graph, base: string): string {
  const taken = new Set([
    ...graph.initializers.keys(),
    ...graph.inputs.map((input) => input.name),
    ...graph.nodes.flatMap((node) => [node.name, ...node.outputs]),
  ]);
  let name = base;
  for (let count = 1; taken.has(name); count++) name = `${base}_${count}`;
  return name;
}

function nodeLabel(node: Node): string {
  return `${node.op} ${node.name || node.outputs[0]}`;
}

function describe(report: Omit<ClassifierReport, "description">): ClassifierReport {
  const dropped = [...(report.droppedBias ? ["its bias"] : []), ...report.droppedOperators];
  const outputs =
    report.droppedOutputs.length === 0 ? "" : `; output ${report.droppedOutputs.join(", ")} gives way to ${outputName}`;
  const place =
    report.previousClasses === 0
      ? `put behind ${report.replaced} (${report.features} features)`
      : `replaced ${report.replaced} (${report.features} features, ${report.previousClasses} classes) by`;
  const description =
    `${place} a scale-invariant linear layer ` +
    `with ${report.classes} classes and scale ${Number(report.scale.toPrecision(4))}, ` +
    `${report.keptWeight ? "keeping its weight" : "with a fresh weight"}` +
    `${dropped.length === 0 ? "" : `; dropped ${dropped.join(", ")}`}${outputs}`;
  return { ...report, description };
}
