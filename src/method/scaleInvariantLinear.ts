import { IsonormError } from "../errors.js";
import { attributeFloat, attributeString, type GraphBuilder, type Value } from "../graph/index.js";
import { type Attributes, float, type Graph, int, type Node, string, type Tensor } from "../onnx/types.js";
import { sumOfSquaresOf } from "./fixedNorm.js";
import { builderSink, graphSink, type NodeSink } from "./nodeSink.js";
import { norms, requireUsableNorms } from "./norm.js";

/**
 * The scale-invariant linear layer, the classifier of the method (patent CN114078195B, claims on the "scaling-invariant linear
 * layer"; FixNorm, arXiv 2103.15345): for x [batch, features], W [classes, features] and a constant S > 0
 *
 *   logits = S * (x W^T) / ||W||
 *
 * without bias. With W' = cW, c > 0, numerator and norm both gain c, so the logits stay: only W's direction matters, and
 * <W, dL/dW> = d/dc L(cW) = 0 at c = 1 (Euler). S bounds how sharp the softmax can get, the job that the norm of an ordinary
 * classifier does and that weight decay otherwise steers.
 *
 * In a model it is one node, isonorm:ScaleInvariantLinear(x, W; scale, norm, features).
 */
export interface ScaleInvariantLinearOptions {
  /** S > 0 */
  readonly scale: number;
  /** `tensor` (the default): ||W|| is the Frobenius norm. `row`: each class's row is divided by its own norm. */
  readonly norm?: "tensor" | "row";
  /**
   * `raw` (the default): x as it is. `unit`: x / ||x|| for each example; with norm `row` that is the cosine classifier
   * (AdaCos, arXiv 1905.00292, eq. 3).
   */
  readonly features?: "raw" | "unit";
}

/** What a classifier alone is trained on: standardised features that stay as they are. */
export interface FrozenFeatures {
  readonly features: number;
  readonly examples: number;
}

export const scaleInvariantLinearOperator = "ScaleInvariantLinear";

/**
 * Added to ||x||^2 for unit features, so that an example whose features are all zero gets logits 0 and gradient 0 rather than NaN.
 * For ||x|| >= 1e-3 it changes x / ||x|| by less than 1e-6 of its size.
 */
const unitFeatureEpsilon = 1e-12;

/**
 * The default scale constant S.
 *
 * For raw features each row shall have scale tau = 2.5, whatever the number of classes. With norm `tensor` a row's norm is on
 * average ||W|| / sqrt(classes), so S = tau * sqrt(classes); with norm `row` S = tau.
 *
 * Unit features leave only angles. There a row's scale follows AdaCos (arXiv 1905.00292, eq. 13 and 15: the predicted
 * probability's slope is steepest at 45 degrees, where exp(s cos 45°) equals the sum over the other classes, about classes - 1),
 * but asks for probability 0.9 instead of 0.5 at 45 degrees, since that formula gives two classes the scale 0:
 * s = sqrt(2) * ln(9 (classes - 1)).
 *
 * A classifier alone, behind raw features that stay as they are, cannot have them made better separable, and S decides how much it may adapt to its
 * examples: as the inverse of weight decay it has to grow with their number. Its logits are about as large as a row's scale times the norm of
 * an example's features, sqrt(features) for features of variance 1; so tau = 4.5 examples^(1/3) / sqrt(features), measured in docs/decisions.md.
 *
 * @param options.frozen - of a classifier alone: its features' number, and that of the examples that it is trained on
 *
 * @example
 * defaultScale(10); // 7.905694150420948
 */
export function defaultScale(
  classes: number,
  options: Pick<ScaleInvariantLinearOptions, "norm" | "features"> & { readonly frozen?: FrozenFeatures } = {},
): number {
  if (!Number.isInteger(classes) || classes < 2)
    throw new IsonormError("ISO_ARGUMENT", `the number of classes is ${classes}`, "Give a whole number of at least 2");
  const row =
    options.features === "unit"
      ? Math.SQRT2 * Math.log(9 * (classes - 1))
      : options.frozen
        ? (4.5 * Math.cbrt(options.frozen.examples)) / Math.sqrt(options.frozen.features)
        : 2.5;
  return options.norm === "row" ? row : row * Math.sqrt(classes);
}

/**
 * The layer as it is trained: one abstract operator, whose gradient stands with its rule (autodiff/rules/linearOverNorm.ts). Unit features are made by ordinary operators before it.
 *
 * @param x - [batch, features]
 * @param weight - W: [classes, features]
 * @param name - of its node
 * @returns logits: [batch, classes]
 */
export function scaleInvariantLinear(
  b: GraphBuilder,
  x: Value,
  weight: Value,
  options: ScaleInvariantLinearOptions,
  name?: string,
): Value {
  const { scale, norm, features } = complete(options);
  const input = features === "unit" ? b.value(unitFeatures(builderSink(b), x.name)) : x;
  const length =
    norm === "row"
      ? b.reshape(b.sqrt(sumOfSquaresOf(b, weight, "channel")), [weight.shape[0]!])
      : b.sqrt(sumOfSquaresOf(b, weight, "tensor"));
  return b.abstract("LinearOverNorm", [input, weight, length], { scale: float(scale) }, name)[0]!;
}

/**
 * The folded weight for serving: S W / ||W||, computed in float64 so that neither tiny nor huge weights lose digits.
 *
 * @param weight - W: [classes, features], float32
 * @throws ISO_NORM_ZERO naming the weight where a norm is zero or not finite
 */
export function foldedWeight(weight: Tensor, options: ScaleInvariantLinearOptions, name = "of the classifier"): Tensor {
  const { scale, norm } = complete(options);
  const values = norms(weight, norm === "row" ? 0 : undefined);
  requireUsableNorms(name, values);
  const features = weight.shape[1] ?? 1;
  const data = Float32Array.from(weight.data as Float32Array, (element, index) => {
    const row = norm === "row" ? Math.floor(index / features) : 0;
    return (element / values[row]!) * scale;
  });
  return { dtype: "float32", shape: weight.shape, data };
}

/**
 * The layer as it is served: one matrix product with the folded weight. Unit features stay ordinary operators before it.
 *
 * @param x - [batch, features]
 * @param weight - W: [classes, features], float32
 * @returns logits: [batch, classes]
 */
export function foldedLinear(b: GraphBuilder, x: Value, weight: Tensor, options: ScaleInvariantLinearOptions): Value {
  const folded = b.constant(foldedWeight(weight, options), "classifier.weight");
  return b.value(composeFolded(builderSink(b), x.name, folded.name, options));
}

/** S, norm and features of an isonorm:ScaleInvariantLinear node, defaults filled in. Throws ISO_GRAPH_INVALID for wrong ones. */
export function scaleInvariantLinearOptions(
  attributes: Attributes,
  where: string,
): Required<ScaleInvariantLinearOptions> {
  const scale = attributeFloat(attributes, "scale");
  const norm = attributeString(attributes, "norm", "tensor");
  const features = attributeString(attributes, "features", "raw");
  if (scale === undefined || !(scale > 0 && Number.isFinite(scale)))
    throw invalid(where, `scale ${scale}`, "a positive number");
  if (norm !== "tensor" && norm !== "row") throw invalid(where, `norm "${norm}"`, '"tensor" or "row"');
  if (features !== "raw" && features !== "unit") throw invalid(where, `features "${features}"`, '"raw" or "unit"');
  return { scale, norm, features };
}

/** The attributes of an isonorm:ScaleInvariantLinear node. */
export function scaleInvariantLinearAttributes(options: ScaleInvariantLinearOptions): Attributes {
  const { scale, norm, features } = complete(options);
  return { scale: float(scale), norm: string(norm), features: string(features) };
}

export function isScaleInvariantLinear(node: Node): boolean {
  return node.domain === "isonorm" && node.op === scaleInvariantLinearOperator;
}

/**
 * The graph with each isonorm:ScaleInvariantLinear written out in plain operators, as the layer runs before it is folded.
 * @param options.opset - operator set of the graph; default 21
 */
export function expandScaleInvariantLinear(graph: Graph, { opset = 21 }: { opset?: number } = {}): Graph {
  const sink = graphSink(graph, opset);
  for (const node of graph.nodes)
    if (isScaleInvariantLinear(node))
      compose(sink, node.inputs[0]!, node.inputs[1]!, optionsOf(node), node.outputs[0]!);
    else sink.keep(node);
  return sink.graph();
}

/**
 * The graph with S / ||W|| folded into the weight of each isonorm:ScaleInvariantLinear, which becomes a Gemm: what is exported.
 * The folded weight takes the weight's name where nothing else reads that weight.
 *
 * @param options.opset - operator set of the graph; default 21
 * @throws ISO_GRAPH_INVALID where the weight is not an initializer; ISO_NORM_ZERO where it has no direction
 */
export function foldScaleInvariantLinear(graph: Graph, { opset = 21 }: { opset?: number } = {}): Graph {
  const sink = graphSink(graph, opset);
  for (const node of graph.nodes) {
    if (!isScaleInvariantLinear(node)) {
      sink.keep(node);
      continue;
    }
    const [x, w] = node.inputs as readonly [string, string];
    const weight = graph.initializers.get(w);
    if (!weight)
      throw new IsonormError(
        "ISO_GRAPH_INVALID",
        `the weight ${w} of ScaleInvariantLinear ${node.name} is not an initializer`,
        "Put the trained weight into the graph before exporting it",
      );
    const shared = graph.nodes.some((other) => other !== node && other.inputs.includes(w));
    const folded = sink.initializer(w, foldedWeight(weight, optionsOf(node), w), { replace: !shared });
    composeFolded(sink, x, folded, optionsOf(node), node.outputs[0]!);
  }
  return sink.graph();
}

/** logits = (x W^T) * (S / ||W||); the scale meets the small product rather than the weight. */
function compose(sink: NodeSink, x: string, w: string, options: ScaleInvariantLinearOptions, output?: string): string {
  const { scale, norm, features } = complete(options);
  const squares = sink.op("Mul", [w, w]);
  const sumOfSquares = sink.reduceSum(squares, norm === "row" ? [1] : undefined, false); // [] or [classes]
  const multiplier = sink.op("Div", [sink.scalar(scale), sink.op("Sqrt", [sumOfSquares])]);
  const input = features === "unit" ? unitFeatures(sink, x) : x;
  const products = sink.op("Gemm", [input, w], { transB: int(1) });
  return sink.op("Mul", [products, multiplier], {}, output);
}

function composeFolded(
  sink: NodeSink,
  x: string,
  folded: string,
  options: ScaleInvariantLinearOptions,
  output?: string,
): string {
  const input = options.features === "unit" ? unitFeatures(sink, x) : x;
  return sink.op("Gemm", [input, folded], { transB: int(1) }, output);
}

/** x / ||x|| for each example. x: [batch, features] */
function unitFeatures(sink: NodeSink, x: string): string {
  const sumOfSquares = sink.reduceSum(sink.op("Mul", [x, x]), [1], true);
  return sink.op("Div", [x, sink.op("Sqrt", [sink.op("Add", [sumOfSquares, sink.scalar(unitFeatureEpsilon)])])]);
}

function optionsOf(node: Node): Required<ScaleInvariantLinearOptions> {
  return scaleInvariantLinearOptions(node.attributes, node.name);
}

function complete(options: ScaleInvariantLinearOptions): Required<ScaleInvariantLinearOptions> {
  if (!(options.scale > 0 && Number.isFinite(options.scale)))
    throw new IsonormError("ISO_ARGUMENT", `the scale constant S is ${options.scale}`, "Give a positive number");
  return { scale: options.scale, norm: options.norm ?? "tensor", features: options.features ?? "raw" };
}

function invalid(where: string, what: string, wanted: string): IsonormError {
  return new IsonormError("ISO_GRAPH_INVALID", `ScaleInvariantLinear ${where} has ${what}`, `It must be ${wanted}`);
}
