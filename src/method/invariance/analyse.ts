import { consumers, operatorKey, readNames } from "../../graph/index.js";
import type { Graph, Node, Tensor } from "../../onnx/types.js";
import { labelOf, type ScalingContext, type ScalingRule } from "./context.js";
import { linearRules } from "./linear.js";
import { normalisationRules } from "./normalisations.js";
import { doesNotCommute, pointwiseRules } from "./pointwise.js";
import { inferRanks } from "./ranks.js";
import { type WeightRole, type WeightUse, weightUse } from "./roles.js";
import { free, invariant, isInvariant, type Scaling, unknown } from "./scaling.js";
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
}

export interface InvarianceOptions {
  /**
   * How BatchNormalization nodes are regarded: `training`, the default, with the statistics of the batch; `inference`, with running
   * statistics, which makes them affine maps. A function decides for each node.
   */
  readonly batchNormalization?: "training" | "inference" | ((node: Node) => "training" | "inference");
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
  const verdict = judge(walk, name, use, undefined);
  const proof = { name, shape: tensor.shape, role: use.role, ...verdict, perChannel: false };
  if (!verdict.scaleInvariant) return proof;
  const channelAxis = tensor.shape.findIndex((_, axis) => judge(walk, name, use, axis).scaleInvariant);
  return channelAxis < 0 ? proof : { ...proof, perChannel: true, channelAxis };
}

interface Normaliser {
  readonly label: string;
  readonly through: readonly string[];
  readonly cancels: string | undefined;
}

function judge(
  walk: Walk,
  name: string,
  use: WeightUse,
  axis: number | undefined,
): { scaleInvariant: boolean; reason: string } {
  const no = (reason: string) => ({ scaleInvariant: false, reason });
  const { values, normalisers, outputs } = walk(name, axis);
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

interface Walked {
  readonly values: ReadonlyMap<string, Scaling>;
  readonly normalisers: readonly Normaliser[];
  readonly outputs: readonly string[];
}

/** How every value answers when weight `name` is scaled, slice by slice along `axis` where one is given. */
type Walk = (name: string, axis: number | undefined) => Walked;

function prepare(graph: Graph, { batchNormalization = "training" }: InvarianceOptions): Walk {
  const constants = new Map(graph.initializers);
  for (const node of graph.nodes) {
    const value = node.attributes.value;
    if (node.op === "Constant" && value?.kind === "tensor") constants.set(node.outputs[0]!, value.value);
  }
  const ranks = inferRanks(graph, constants);
  const readers = consumers(graph);
  const outputs = graph.outputs.map((value) => value.name);

  return (name, axis) => {
    const values = new Map<string, Scaling>([
      [name, { kind: "scales", degree: 1, slices: "", through: [], ...(axis === undefined ? {} : { axis }) }],
    ]);
    const normalisers: Normaliser[] = [];
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
        shape: (input) => constants.get(node.inputs[input] ?? "")?.shape,
        constant: (input) => constants.get(node.inputs[input] ?? ""),
        consumers: readers.get(node.outputs[0] ?? "") ?? [],
        batchNormalization: typeof batchNormalization === "function" ? batchNormalization(node) : batchNormalization,
      };
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
    return { values, normalisers, outputs };
  };
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
