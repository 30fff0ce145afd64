import { IsonormError } from "../../errors.js";
import { consumers, currentOpset, inferGraph, operatorKey, readNames, type Value } from "../../graph/index.js";
import type { Graph, Node, Tensor } from "../../onnx/types.js";
import { labelOf, type ScalingContext, type ScalingRule } from "./context.js";
import { linearRules } from "./linear.js";
import { type LogicalMatrices, possibleMatrices, takesApart } from "./matrices.js";
import { normalisationRules } from "./normalisations.js";
import { doesNotCommute, pointwiseRules } from "./pointwise.js";
import { inferRanks } from "./ranks.js";
import { type WeightRole, type WeightUse, weightUse } from "./roles.js";
import { free, invariant, isInvariant, type Parts, type Scaling, unknown } from "./scaling.js";
import { shapeRules } from "./shapes.js";

export interface WeightProof {
  readonly name: string;
  readonly shape: readonly number[];
  readonly role: WeightRole;
  /** Whether multiplying the weight by any c > 0 leaves every output of the network as it is. */
  readonly scaleInvariant: boolean;
  /** Why, or why not, in words: `followed by BatchNormalization bn1`. */
  readonly reason: string;
  /** Whether each slice along `channelAxis` may be scaled by a factor of its own: granularity `channel` is legal. */
  readonly perChannel: boolean;
  /** The axis of the weight's output channels; set where `perChannel` holds. */
  readonly channelAxis?: number;
  /**
   * Set where the tensor holds several matrices that the graph takes apart, as those of queries, keys and values, and each is scale-invariant by
   * itself: each may have a norm of its own.
   */
  readonly matrices?: LogicalMatrices;
}

export interface InvarianceOptions {
  /**
   * How BatchNormalization nodes are regarded: `training`, the default, with the statistics of the batch; `inference`, with running
   * statistics, which makes them affine maps. A function decides for each node.
   */
  readonly batchNormalization?: "training" | "inference" | ((node: Node) => "training" | "inference");
  /** Operator-set versions by domain; by default those of upgraded models. */
  readonly opsets?: ReadonlyMap<string, number>;
  /** Names of the initializers to prove; by default every float one that takes part and is neither a statistic nor a constant. */
  readonly weights?: readonly string[];
}

const rules: Readonly<Record<string, ScalingRule>> = {
  ...pointwiseRules,
  ...linearRules,
  ...shapeRules,
  ...normalisationRules,
};

/**
 * Proves for each weight of a network whether it is scale-invariant: f(cW) = f(W) for all c > 0.
 *
 * For one weight at a time, walks the graph forward and notes for each value by which power of c it scales. Linear maps, ReLU,
 * pooling and the like hand the power on, products add powers, normalisations take it to 0; everything else needs power 0 to
 * begin with. W is scale-invariant when every output ends with power 0. Paths need no enumeration: where two meet, their powers
 * must agree, so a weight used twice or a residual sum needs no rule of its own. The analysis is sound but not complete: a
 * weight it calls scale-invariant is, up to the epsilons of the normalisations, one that it does not might still be.
 *
 * @returns a proof for each weight, in the order of the graph's initializers
 *
 * @example
 * analyseScaleInvariance(model.graph).filter((weight) => weight.scaleInvariant).map((weight) => weight.name);
 */
export function analyseScaleInvariance(graph: Graph, options: InvarianceOptions = {}): readonly WeightProof[] {
  const walk = prepare(graph, options);
  const proofs: WeightProof[] = [];
  for (const name of options.weights ?? graph.initializers.keys()) {
    const tensor = graph.initializers.get(name);
    const use = tensor && isFloat(tensor) ? weightUse(graph, name) : undefined;
    if (!tensor || !use) continue;
    if (!options.weights && (use.role === "statistic" || use.role === "constant")) continue;
    proofs.push(prove(walk, name, tensor, use));
  }
  return proofs;
}

function prove(walk: Walk, name: string, tensor: Tensor, use: WeightUse): WeightProof {
  const whole = judge(walk(name), use);
  const byMatrix =
    use.role === "weight" && tensor.shape.length > 1 ? judgeMatrices(walk, name, tensor, use) : undefined;
  // Scaling the matrices one after another scales them all.
  const verdict = byMatrix?.matrices ? { scaleInvariant: true, reason: byMatrix.reason } : whole;
  const proof = { name, shape: tensor.shape, role: use.role, ...verdict, perChannel: false };
  if (!verdict.scaleInvariant) return byMatrix ? { ...proof, reason: `${whole.reason}; ${byMatrix.reason}` } : proof;
  const channelAxis = tensor.shape.findIndex((_, axis) => judge(walk(name, { axis }), use).scaleInvariant);
  return {
    ...proof,
    ...(byMatrix?.matrices ? { matrices: byMatrix.matrices } : {}),
    ...(channelAxis < 0 ? {} : { perChannel: true, channelAxis }),
  };
}

/**
 * Whether the weight holds several matrices that the graph takes apart, and which of them are scale-invariant by themselves: `matrices` is set
 * where all are. Undefined where the graph takes nothing apart, or nothing that is scale-invariant.
 */
function judgeMatrices(
  walk: Walk,
  name: string,
  tensor: Tensor,
  use: WeightUse,
): { matrices?: LogicalMatrices; reason: string } | undefined {
  for (const [axis] of tensor.shape.entries())
    for (const { parts, by } of possibleMatrices(walk(name, { axis }))) {
      const count = Math.max(...parts) + 1;
      const walkOf = (matrix: number) => walk(name, { axis, parts: { scaled: parts.map((part) => part === matrix) } });
      // Heads that stay side by side in one value are no matrices of their own.
      if (!takesApart(walkOf(0))) continue;
      const verdicts = Array.from({ length: count }, (_, matrix) => judge(walkOf(matrix), use));
      const held = `${by} takes its ${count} matrices along axis ${axis} apart`;
      if (verdicts.every((verdict) => verdict.scaleInvariant))
        return { matrices: { axis, parts }, reason: `${held}: each is ${verdicts[0]!.reason}` };
      const numbers = (is: boolean) => verdicts.flatMap((v, matrix) => (v.scaleInvariant === is ? [matrix + 1] : []));
      const broken = verdicts.find((verdict) => !verdict.scaleInvariant)!;
      if (numbers(true).length > 0)
        return {
          reason: `${held}: of them ${numbers(true).join(", ")} alone would be scale-invariant, ${numbers(false).join(", ")} not (${broken.reason})`,
        };
    }
  return undefined;
}

export interface Normaliser {
  readonly label: string;
  readonly through: readonly string[];
  readonly cancels: string | undefined;
}

function judge({ values, normalisers, outputs }: Walked, use: WeightUse): { scaleInvariant: boolean; reason: string } {
  const no = (reason: string) => ({ scaleInvariant: false, reason });
  const broken = outputs.find((output) => values.get(output)?.kind === "unknown");
  if (broken !== undefined) return no(reasonOf(values.get(broken)!, use));
  const scales = outputs.find((output) => !isInvariant(values.get(output) ?? free));
  if (scales !== undefined) {
    const shifted = values.get(scales);
    if (shifted?.kind === "scales" && shifted.shift)
      return no(
        shifted.shift.alone
          ? reasonOf(unknown(`${shifted.shift.by} to the output ${scales}`), use)
          : `a bias follows (${shifted.shift.by})`,
      );
    return no(`no normalisation follows before the output ${scales}`);
  }
  if (outputs.every((output) => (values.get(output) ?? free).kind === "free"))
    return no(
      use.role === "bias"
        ? `redundant: the normalisation after ${labelOf(use.node)} subtracts it again`
        : "does not reach an output",
    );
  return { scaleInvariant: true, reason: invarianceInWords(normalisers, use) };
}

function reasonOf(scaling: Scaling, use: WeightUse): string {
  const reason = scaling.kind === "unknown" ? scaling.reason : "";
  return use.role === "weight" ? reason : `${use.role} of ${labelOf(use.node)}: ${reason}`;
}

function invarianceInWords(normalisers: readonly Normaliser[], use: WeightUse): string {
  if (normalisers.length === 1 && normalisers[0]!.label === labelOf(use.node) && use.node.op === "ScaleInvariantLinear")
    return `${labelOf(use.node)} divides by its norm`;
  const words = normalisers.slice(0, 3).map(({ label, through, cancels }) => {
    const between = through.filter((step) => step !== label && step !== labelOf(use.node));
    const path = between.length > 4 ? [...between.slice(0, 3), `${between.length - 3} more`] : between;
    return `${label}${path.length > 0 ? ` through ${path.join(", ")}` : ""}${cancels ? `, which also takes away a bias (${cancels})` : ""}`;
  });
  const more = normalisers.length > 3 ? ` and ${normalisers.length - 3} more` : "";
  return `followed by ${words.join(" and ")}${more}`;
}

export interface Walked {
  readonly values: ReadonlyMap<string, Scaling>;
  /** The nodes at which some input depends on the weight. */
  readonly met: readonly ScalingContext[];
  readonly normalisers: readonly Normaliser[];
  readonly outputs: readonly string[];
}

/** How every value answers when weight `name` is scaled: slice by slice along `axis` where one is given, or some parts along it alone. */
type Walk = (name: string, along?: { readonly axis: number; readonly parts?: Parts }) => Walked;

function prepare(graph: Graph, { batchNormalization = "training", opsets }: InvarianceOptions): Walk {
  const known = knownValues(graph, opsets);
  const dimensions = (name: string | undefined) => known.get(name ?? "")?.shape;
  const constants = new Map(graph.initializers);
  // Shapes and indices computed by the graph. Computed floats may depend on a weight.
  for (const { name, constant } of known.values())
    if (constant && !isFloat(constant) && !constants.has(name)) constants.set(name, constant);
  for (const node of graph.nodes) {
    const value = node.attributes.value;
    if (node.op === "Constant" && value?.kind === "tensor") constants.set(node.outputs[0]!, value.value);
  }
  const ranks = new Map(inferRanks(graph, constants));
  for (const { name, shape } of known.values()) ranks.set(name, shape.length);
  const readers = consumers(graph);
  const outputs = graph.outputs.map((value) => value.name);

  return (name, along = undefined) => {
    const values = new Map<string, Scaling>([[name, { kind: "scales", degree: 1, slices: "", through: [], ...along }]]);
    const normalisers: Normaliser[] = [];
    const met: ScalingContext[] = [];
    for (const node of graph.nodes) {
      const inputs = inputsOf(node).map((input) => values.get(input) ?? free);
      if (inputs.every((input) => input.kind === "free")) continue;
      const context: ScalingContext = {
        node,
        label: labelOf(node),
        inputs,
        has: (input) => (node.inputs[input] ?? "") !== "",
        rank: (input) => ranks.get(node.inputs[input] ?? ""),
        outputRank: ranks.get(node.outputs[0] ?? ""),
        dimensions: (input) => dimensions(node.inputs[input]),
        outputDimensions: (output) => dimensions(node.outputs[output]),
        shape: (input) => constants.get(node.inputs[input] ?? "")?.shape,
        constant: (input) => constants.get(node.inputs[input] ?? ""),
        consumers: readers.get(node.outputs[0] ?? "") ?? [],
        batchNormalization: typeof batchNormalization === "function" ? batchNormalization(node) : batchNormalization,
      };
      met.push(context);
      const results = step(context);
      node.outputs.forEach((output, index) => {
        const result = results[index] ?? unknown(`${context.label} has no rule for its output ${output}`);
        if (output !== "") values.set(output, result);
      });
      const [first] = results;
      const moved = inputs.find((input) => input.kind === "scales" && !isInvariant(input));
      if (first && isInvariant(first) && first.kind === "scales" && moved?.kind === "scales")
        normalisers.push({ label: context.label, through: moved.through, cancels: moved.shift?.by });
    }
    return { values, met, normalisers, outputs };
  };
}

/** Stands for a batch of any size: a prime, so that it divides no other dimension and no reshape seems to mix it with another by chance. */
const someBatch = 7919;

/**
 * Shapes, and contents where they are constant, of the graph's values: none where they cannot be had. The proof then has the ranks alone, and
 * says no in more cases.
 */
function knownValues(
  graph: Graph,
  opsets: ReadonlyMap<string, number> = new Map([["", currentOpset]]),
): ReadonlyMap<string, Value> {
  const inputs = graph.inputs.map((input) => ({
    ...input,
    shape: input.shape?.map((size, axis) => (axis === 0 && typeof size !== "number" ? someBatch : size)),
  }));
  try {
    return inferGraph({ ...graph, inputs }, new Map([["isonorm", 1], ...opsets]));
  } catch (error) {
    if (error instanceof IsonormError) return new Map();
    throw error;
  }
}

function step(c: ScalingContext): readonly Scaling[] {
  const { node, inputs } = c;
  const rule = rules[operatorKey(node.op, node.domain)];
  // An operator that only asks for shapes does not mind.
  if (node.op === "Shape" || node.op === "Size") return node.outputs.map(() => free);
  const broken = inputs.find((input) => input.kind === "unknown");
  if (broken) return node.outputs.map(() => broken);
  // Whatever the operator, inputs that do not change give outputs that do not.
  const through = [...new Set(inputs.flatMap((input) => (input.kind === "scales" ? input.through : [])))];
  if (inputs.every(isInvariant)) return node.outputs.map(() => invariant());
  const given = rule ? rule(c) : doesNotCommute(c);
  const results = Array.isArray(given) ? (given as readonly Scaling[]) : node.outputs.map(() => given as Scaling);
  return results.map((result) =>
    result.kind === "scales" ? { ...result, through: isInvariant(result) ? [] : [...through, c.label] } : result,
  );
}

/** A node's inputs in order, then what the graphs in its attributes read from outside. */
function inputsOf(node: Node): readonly string[] {
  return [...node.inputs, ...readNames(node).filter((name) => !node.inputs.includes(name))];
}

function isFloat(tensor: Tensor): boolean {
  return ["float32", "float64", "float16", "bfloat16"].includes(tensor.dtype);
}
