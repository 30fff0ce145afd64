import { IsonormError } from "../../errors.js";
import { type Attributes, elementCount, type Graph, type Model, type Node, type Tensor } from "../../onnx/types.js";
import { freshName } from "../builder.js";
import { hasInference, infer } from "../infer/index.js";
import {
  allNames,
  eliminateCommonSubexpressions,
  eliminateDeadNodes,
  innerGraphs,
  pruneInitializers,
  renameReads,
  topologicalOrder,
} from "../rewrite/index.js";
import type { TensorType, Value } from "../value.js";
import { loopRules } from "./loops.js";
import { sequenceRules } from "./sequences.js";
import { type Body, type ControlRule, labelOf, Unresolved, type Walk } from "./walk.js";

/** Nodes that bodies may become: with gradients a step has several times as many. */
export const mostUnrolled = 50_000;

export interface Unrolled {
  readonly model: Model;
  /** Why nodes of control flow and sequences stayed as they are, by their first output. */
  readonly unresolved: ReadonlyMap<string, string>;
  /** By the node's first output. */
  readonly decisions: ReadonlyMap<string, Decision>;
}

/** How often a loop runs, which branch an If takes or how many parts a sequence is cut into. */
export interface Decision {
  /** The node, for messages. */
  readonly label: string;
  readonly number: number;
}

/**
 * The model with plain nodes in place of control flow and sequences: an If becomes the branch that its constant condition takes, the body of a Loop or Scan is copied as often
 * as it runs, what is read of a sequence is one of its elements. That needs conditions, numbers of trips and places in sequences that follow from constants and
 * shapes. A body's weights stay one weight each (see {@link hoistConstants}), so gradients of all copies add up. What is equal in all copies stays once.
 *
 * A node that cannot be resolved so stays, and so does all of a Loop or Scan that would become more than 50,000 nodes, nested ones multiplied.
 *
 * @param model - as `upgrade` gives it
 * @param inputs - types of the graph's inputs, of a batch of any size
 * @param keep - nodes to leave as they are, by their first output, with the reason
 * @throws ISO_GRAPH_INVALID, ISO_GRAPH_SHAPE where a node is wrong
 */
export function unroll(
  model: Model,
  inputs: ReadonlyMap<string, TensorType>,
  keep: ReadonlyMap<string, string> = new Map(),
): Unrolled {
  const { graph } = model;
  if (!graph.nodes.some(isControl)) return { model, unresolved: new Map(), decisions: new Map() };
  const pass = new Pass(model, inputs, keep);
  for (const node of topologicalOrder(graph).nodes) pass.visit(node);
  const { nodes, initializers, unresolved, decisions } = pass;
  const handedOn = graph.outputs.flatMap(({ name }): Node[] => {
    const source = pass.resolve(name);
    return source === name
      ? []
      : [{ op: "Identity", domain: "", name, inputs: [source], outputs: [name], attributes: {} }];
  });
  const plain = eliminateDeadNodes({ ...graph, nodes: [...nodes, ...handedOn], initializers });
  return {
    model: { ...model, graph: pruneInitializers(eliminateCommonSubexpressions(plain)) },
    unresolved,
    decisions,
  };
}

const rules: ReadonlyMap<string, ControlRule> = new Map([...loopRules, ...sequenceRules]);

/** Whether the node is of control flow, or makes or reads sequences or optional values. */
export function isControl({ op, domain }: Node): boolean {
  return domain === "" && rules.has(op);
}

/** The name that a node is known by: nodes may lack one of their own, or share it. */
export const keyOf = ({ outputs }: Node): string => outputs.find((name) => name !== "") ?? "";

/** One pass over a model's nodes, in order. */
class Pass implements Walk {
  nodes: Node[] = [];
  readonly initializers: Map<string, Tensor>;
  readonly unresolved = new Map<string, string>();
  readonly decisions = new Map<string, Decision>();
  readonly #opsets: ReadonlyMap<string, number>;
  /** Names of values, and of nodes, that are given, each with the number to try next where it is asked for again. */
  readonly #names = new Map<string, number>();
  readonly #nodeNames = new Map<string, number>();
  readonly #values = new Map<string, Value>();
  readonly #aliases = new Map<string, string>();
  readonly #sequences = new Map<string, readonly string[]>();
  /** Constants by their contents, so that copies read the same ones. */
  readonly #constants = new Map<string, string>();
  #left = mostUnrolled;
  /** How many bodies are being copied, one inside the other. */
  #depth = 0;

  constructor(
    { graph, opsets }: Model,
    inputs: ReadonlyMap<string, TensorType>,
    readonly kept: ReadonlyMap<string, string>,
  ) {
    this.#opsets = opsets;
    for (const name of allNames(graph)) this.#names.set(name, 1);
    for (const { name } of graph.nodes) this.#nodeNames.set(name, 1);
    this.initializers = new Map(graph.initializers);
    for (const [name, type] of inputs) this.#values.set(name, { ...type, name });
    for (const [name, tensor] of graph.initializers) this.#define(name, tensor);
  }

  visit(given: Node): void {
    const node = renameReads(given, (name) => this.resolve(name));
    const rule = node.domain === "" ? rules.get(node.op) : undefined;
    const handedOn = node.op === "Identity" && node.domain === "" && this.sequence(node.inputs[0] ?? "");
    if (handedOn) this.alias(node.outputs[0]!, node.inputs[0]!);
    else if (rule) this.#resolve(node, rule);
    else this.#take(node);
  }

  #resolve(node: Node, rule: ControlRule): void {
    const mark = this.nodes.length;
    try {
      const reason = this.kept.get(keyOf(node));
      if (reason !== undefined) throw new Unresolved(reason);
      // Where a reader of the sequence cannot be resolved, it needs the node that makes it.
      if (sequenceRules.has(node.op)) this.nodes.push(node);
      rule(node, this);
    } catch (error) {
      if (!(error instanceof Unresolved)) throw error;
      this.nodes.length = mark;
      this.nodes.push(node);
      this.unresolved.set(keyOf(node), error.message);
    }
  }

  /** Takes a node over as it is, with the types of its outputs where those of its inputs are known. */
  #take(node: Node): void {
    this.nodes.push(node);
    const inputs = node.inputs.map((name) => this.#values.get(name));
    const known = inputs.every((value, index) => value || node.inputs[index] === "");
    if (!known || !hasInference(node.op, node.domain) || innerGraphs(node).length > 0) return;
    const opset = this.#opsets.get(node.domain) ?? 1;
    infer({ node, inputs, attributes: node.attributes, opset }).forEach((type, index) => {
      const name = node.outputs[index];
      if (!name) return;
      if (type.constant && this.#depth > 0) this.spend(node, elementCount(type.shape) / 100);
      this.#values.set(name, { ...type, name });
    });
  }

  resolve(name: string): string {
    return this.#aliases.get(name) ?? name;
  }

  value(name: string): Value | undefined {
    return this.#values.get(this.resolve(name));
  }

  sequence(name: string): readonly string[] | undefined {
    return this.#sequences.get(this.resolve(name));
  }

  body(node: Node, attribute: string): Body {
    const graph = node.attributes[attribute];
    if (graph?.kind !== "graph")
      throw new IsonormError("ISO_GRAPH_INVALID", `${labelOf(node)} lacks its ${attribute}`, "Export the model anew");
    return { graph: topologicalOrder(graph.value), cost: costOf(graph.value) };
  }

  copy(node: Node, { graph, cost }: Body, label: string, inputs: readonly string[]): readonly string[] {
    this.spend(node, cost);
    const prefix = `${short(node.name || keyOf(node))}/${label}`;
    const names = new Map(graph.inputs.map(({ name }, index) => [name, inputs[index]!]));
    const rename = (name: string): string => names.get(name) ?? name;
    this.#depth++;
    try {
      for (const inner of graph.nodes) {
        const copied = renameReads(inner, rename);
        const outputs = inner.outputs.map((name) => (name === "" ? "" : this.#fresh(`${prefix}/${short(name)}`)));
        inner.outputs.forEach((name, index) => {
          if (name !== "") names.set(name, outputs[index]!);
        });
        const name = freshName(this.#nodeNames, `${prefix}/${short(inner.name || inner.op)}`);
        this.visit({ ...copied, name, outputs });
      }
    } finally {
      this.#depth--;
    }
    return graph.outputs.map(({ name }) => this.resolve(rename(name)));
  }

  add(
    label: string,
    op: string,
    inputs: readonly string[],
    attributes: Attributes,
    outputs: readonly string[],
  ): readonly string[] {
    const base = short(label);
    const names = outputs.map((name) => name || this.#fresh(base));
    this.#take({
      op,
      domain: "",
      name: freshName(this.#nodeNames, base),
      inputs: inputs.map((name) => this.resolve(name)),
      outputs: names,
      attributes,
    });
    return names;
  }

  constant(label: string, tensor: Tensor): string {
    const contents = `${tensor.dtype} ${tensor.shape} ${tensor.data}`;
    const known = this.#constants.get(contents);
    if (known !== undefined) return known;
    const name = this.#fresh(`unrolled/${label}`);
    this.#constants.set(contents, name);
    this.initializers.set(name, tensor);
    this.#define(name, tensor);
    return name;
  }

  alias(name: string, source: string): void {
    this.#aliases.set(name, this.resolve(source));
  }

  hold(name: string, elements: readonly string[]): void {
    this.#sequences.set(
      name,
      elements.map((element) => this.resolve(element)),
    );
  }

  decide(node: Node, number: number): void {
    this.decisions.set(keyOf(node), { label: labelOf(node), number });
  }

  spend(node: Node, nodes: number): void {
    this.afford(node, nodes);
    this.#left -= nodes;
  }

  afford(node: Node, nodes: number): void {
    if (nodes > this.#left)
      throw new Unresolved(`with ${labelOf(node)} unrolled the model would have more than ${mostUnrolled} nodes`);
  }

  #fresh(base: string): string {
    return freshName(this.#names, base);
  }

  #define(name: string, tensor: Tensor): void {
    this.#values.set(name, { name, dtype: tensor.dtype, shape: tensor.shape, constant: tensor });
  }
}

/** Copies are named after what they copy; a foreign name may be as long as its file. */
const short = (name: string): string => (name.length <= 200 ? name : name.slice(-200));

/** Nodes of a graph and of those inside it, and one for the graph itself: trips of an empty body count too. */
function costOf(graph: Graph): number {
  return graph.nodes.reduce(
    (sum, node) => sum + 1 + innerGraphs(node).reduce((inner, each) => inner + costOf(each), 0),
    1,
  );
}
