import { IsonormError } from "../errors.js";
import { type GraphBuilder, operatorKey, sameShape, type Value } from "../graph/index.js";
import type { Node } from "../onnx/types.js";
import { constantLike, zerosLike } from "./constantLike.js";
import { type GradientContext, gradientRule } from "./registry.js";

/**
 * Reverse-mode differentiation. Appends to `b` the nodes that compute dL/dw for every w in `wrt`.
 *
 * Walks the forward nodes from the last to the first. Each value's adjoint is the sum of what the rules of its consumers give for it;
 * when a node is reached, the adjoints of its outputs are complete, because every consumer comes later in the graph.
 * A node takes part when its output depends on some w and the loss depends on its output. Only floating-point values carry a
 * dependence: what passes through integers or booleans (shapes, indices, comparisons) is locally constant. Quantised numbers are the exception:
 * QuantizeLinear's result stands for real numbers, rounded, and what reads it must have a rule or be refused by name (see `rules/quantization.ts`).
 *
 * Names of the nodes added begin with `gradient/` and the name of the node whose gradient they compute.
 *
 * @param loss - a scalar (shape [])
 * @param wrt - float32 values of the forward pass
 * @returns dL/dw in the order of `wrt`, each of its w's shape; undefined where the loss does not depend on w
 * @throws ISO_AUTODIFF_NO_RULE naming every node on the way whose operator has no rule, or whose use of the operator its rule does not know
 */
export function differentiate(b: GraphBuilder, loss: Value, wrt: readonly Value[]): readonly (Value | undefined)[] {
  if (loss.shape.length > 0)
    throw new IsonormError(
      "ISO_GRAPH_SHAPE",
      `the loss ${loss.name} has shape [${loss.shape}], not []`,
      "Reduce it to a scalar before differentiating",
    );
  return walk(b, [...b.nodes], new Map([[loss.name, [constantLike(b, 1, loss)]]]), wrt);
}

/**
 * The gradient of an operator that is composed of others: builds the composition and walks back through it. What the operator computed forward is
 * computed again.
 *
 * @param compose - adds the nodes; its outputs, in order, are what the operator's are
 * @param dy - dL/d(output), in order; undefined where the loss does not depend on it
 * @returns dL/dw in the order of `wrt`
 */
export function throughComposition(
  b: GraphBuilder,
  compose: () => readonly Value[],
  dy: readonly (Value | undefined)[],
  wrt: readonly Value[],
): readonly (Value | undefined)[] {
  const start = b.nodes.length;
  const outputs = compose();
  const adjoints = new Map<string, Value[]>();
  outputs.forEach(({ name }, index) => {
    const gradient = dy[index];
    if (gradient) adjoints.set(name, [...(adjoints.get(name) ?? []), gradient]);
  });
  return walk(b, b.nodes.slice(start), adjoints, wrt);
}

/** From the adjoints of some values to those of `wrt`, through the nodes given. */
function walk(
  b: GraphBuilder,
  forward: readonly Node[],
  adjoints: Map<string, Value[]>,
  wrt: readonly Value[],
): readonly (Value | undefined)[] {
  const dependent = dependents(b, forward, wrt);

  const adjoint = (name: string): Value | undefined => {
    const terms = adjoints.get(name);
    if (!terms || terms.length === 0) return undefined;
    const total = terms.reduce((sum, term) => b.plus(sum, term));
    adjoints.set(name, [total]);
    return total;
  };

  const missing: IsonormError[] = [];
  for (const node of forward.toReversed()) {
    if (!node.outputs.some((name) => dependent.has(name))) continue;
    const scope = `gradient/${node.name}`;
    const dy = b.within(scope, () => node.outputs.map((name) => (dependent.has(name) ? adjoint(name) : undefined)));
    if (dy.every((value) => value === undefined)) continue;
    const context: GradientContext = {
      b,
      node,
      attributes: node.attributes,
      opset: b.opsets.get(node.domain) ?? 1,
      inputs: node.inputs.map((name) => (name === "" ? undefined : b.value(name))),
      outputs: node.outputs.map((name) => b.value(name)),
      dy,
      wants: (input) => dependent.has(node.inputs[input] ?? ""),
    };
    b.within(scope, () => gradientsOf(context, missing)).forEach((gradient, index) => {
      const name = node.inputs[index];
      if (!gradient || !name || !dependent.has(name)) return;
      expectType(node, index, gradient, b.value(name));
      const terms = adjoints.get(name);
      if (terms) terms.push(gradient);
      else adjoints.set(name, [gradient]);
    });
  }
  if (missing.length > 0) throw noRules(missing);
  return b.within("gradient", () => wrt.map((value) => adjoint(value.name)));
}

/**
 * What the node's rule gives. Where it gives none the reason is added to `missing` and zeros stand in, so that the walk goes on and finds the
 * other nodes that lack a rule too.
 */
function gradientsOf(context: GradientContext, missing: IsonormError[]): readonly (Value | undefined)[] {
  const { b, node, inputs } = context;
  const rule = gradientRule(node.op, node.domain);
  try {
    if (rule) return rule(context);
    missing.push(noRule(node));
  } catch (error) {
    if (!(error instanceof IsonormError) || error.code !== "ISO_AUTODIFF_NO_RULE") throw error;
    missing.push(error);
  }
  return inputs.map((value, index) =>
    value && context.wants(index)
      ? zerosLike(b, value.shape, floatingPoint.has(value.dtype) ? value : b.scalar(0))
      : undefined,
  );
}

const floatingPoint: ReadonlySet<string> = new Set(["float32", "float64", "float16", "bfloat16"]);

const quantizers: ReadonlySet<string> = new Set(["QuantizeLinear", "DynamicQuantizeLinear"]);

/** Shapes, indices and comparisons, which numbers on their way through a quantised network never are. */
const neverQuantized: ReadonlySet<string> = new Set(["int64", "bool", "string"]);

/**
 * Names of the floating-point values that depend on some value of `roots`, the roots themselves included, and of the quantised ones, from a quantiser on
 * through whatever else reads integers.
 */
function dependents(b: GraphBuilder, nodes: readonly Node[], roots: readonly Value[]): Set<string> {
  const names = new Set(roots.map((root) => root.name));
  for (const node of nodes) {
    const read = node.inputs.filter((name) => names.has(name));
    if (read.length === 0) continue;
    const quantized = quantizers.has(node.op) || read.some((name) => !floatingPoint.has(b.value(name).dtype));
    for (const name of node.outputs) {
      const { dtype } = b.value(name);
      if (floatingPoint.has(dtype) || (quantized && !neverQuantized.has(dtype))) names.add(name);
    }
  }
  return names;
}

/** A gradient of another type than its value's is a mistake in the rule; without this check it would surface far away. */
function expectType(node: Node, index: number, gradient: Value, value: Value): void {
  const dtypeFits = gradient.dtype === value.dtype || !floatingPoint.has(value.dtype);
  if (dtypeFits && sameShape(gradient.shape, value.shape)) return;
  throw new IsonormError(
    "ISO_INTERNAL",
    `the gradient rule of ${operatorKey(node.op, node.domain)} (node ${node.name}) gives ${gradient.dtype} [${gradient.shape}] ` +
      `for input ${index}, which is ${value.dtype} [${value.shape}]`,
    "Report which model this is",
  );
}

function noRule(node: Node): IsonormError {
  const operator = operatorKey(node.op, node.domain);
  return new IsonormError(
    "ISO_AUTODIFF_NO_RULE",
    `operator ${operator} (node ${node.name || node.outputs[0]}) lies between a trained weight and the loss and has no gradient rule`,
    "Freeze the weights before it, or replace the operator in the model",
  );
}

/** One error for all nodes, the first in the graph first. */
function noRules(missing: readonly IsonormError[]): IsonormError {
  if (missing.length === 1) return missing[0]!;
  const reasons = missing.toReversed().map(({ message, remedy }) => message.slice(0, -`. ${remedy}.`.length));
  return new IsonormError(
    "ISO_AUTODIFF_NO_RULE",
    `${missing.length} nodes cannot be trained through: ${reasons.join("; ")}`,
    "Freeze the weights before them, or replace them in the model",
  );
}
