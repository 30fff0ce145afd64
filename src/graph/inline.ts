import { IsonormError } from "../errors.js";
import type { Graph, Model, Node, Tensor, ValueInfo } from "../onnx/types.js";
import { type GraphBuilder, sameShape } from "./builder.js";
import { hasInference, infer, operatorKey } from "./infer/index.js";
import { topologicalOrder } from "./rewrite/index.js";
import type { Value } from "./value.js";

export interface InlineOptions {
  /** Put before the name of every value and node that is added. Default "". */
  readonly prefix?: string;
  /** Sizes of symbolic dimensions, for graph inputs that no binding names. */
  readonly dimensions?: ReadonlyMap<string, number>;
  /**
   * Asked for every node, with its inputs in the builder: gives the node's outputs if it builds something else in its place (a training
   * form, a composition), undefined to have the node replayed as it is.
   */
  readonly replace?: (node: Node, inputs: readonly (Value | undefined)[]) => readonly Value[] | undefined;
}

/**
 * Replays a model's graph into a builder, so that every value of it gets a concrete type.
 *
 * A binding takes the place of a graph input or initializer: so trained weights become inputs of the builder. A bound graph input may
 * differ from the model's declaration in its first axis, the batch; on all others the sizes must agree. Initializers without a
 * binding are added to the builder, graph inputs without one become inputs of the builder, Constant nodes become initializers.
 * Nodes that hold graphs are refused: `unroll` the model first.
 *
 * The nodes keep their meaning only under their own operator sets: the builder must have been made with the model's
 * (`new GraphBuilder({ opsets: model.opsets })`). Where more nodes are to be added after the model's, as in training, `upgrade` it first: then
 * they may all be of today's form.
 *
 * @param bindings - values of `b` by the name that they replace
 * @returns every value of the model's graph by its name in the model
 * @throws ISO_GRAPH_SHAPE where a binding or a node's inputs do not fit; ISO_ONNX_UNSUPPORTED for nodes that hold graphs;
 * ISO_GRAPH_INVALID for a graph that is not one
 *
 * @example
 * const b = new GraphBuilder({ opsets: model.opsets });
 * const x = b.input("x", "float32", [32, 3, 224, 224]);
 * const logits = inline(b, model, new Map([["image", x]])).get("logits");
 */
export function inline(
  b: GraphBuilder,
  model: Model,
  bindings: ReadonlyMap<string, Value>,
  options: InlineOptions = {},
): ReadonlyMap<string, Value> {
  const { prefix = "", dimensions = new Map<string, number>() } = options;
  const { graph } = model;
  const values = new Map<string, Value>();
  for (const [name, value] of bindings) {
    const tensor = graph.initializers.get(name);
    const declared = graph.inputs.find((input) => input.name === name);
    if (tensor) checkInitializer(name, tensor, value);
    else if (declared) checkInput(declared, value);
    else
      throw new IsonormError(
        "ISO_GRAPH_INVALID",
        `"${name}" is neither an input nor an initializer of the graph ${graph.name}`,
        "Bind one of its inputs or initializers",
      );
    values.set(name, value);
  }
  for (const input of graph.inputs)
    if (!values.has(input.name)) values.set(input.name, addInput(b, input, prefix, dimensions));
  const replay = new Replay(b, model.opsets, prefix, values, options.replace);
  replay.graph(graph);
  return values;
}

/** One pass over a model's nodes; `values` holds what is defined so far, by the model's names. */
class Replay {
  /** Of the graph being replayed. */
  nodes: readonly Node[] = [];

  constructor(
    readonly b: GraphBuilder,
    readonly opsets: ReadonlyMap<string, number>,
    readonly prefix: string,
    readonly values: Map<string, Value>,
    readonly replace: InlineOptions["replace"],
  ) {}

  graph(graph: Graph): void {
    this.nodes = graph.nodes;
    for (const [name, tensor] of graph.initializers)
      if (!this.values.has(name)) this.values.set(name, this.b.initializer(this.fresh(name), tensor));
    for (const node of topologicalOrder(graph).nodes) this.node(node);
  }

  node(node: Node): void {
    const domain = node.domain === "ai.onnx" ? "" : node.domain;
    const inputs = node.inputs.map((name) => (name === "" ? undefined : this.value(name, node)));
    if (Object.values(node.attributes).some(({ kind }) => kind === "graph" || kind === "graphs"))
      throw new IsonormError(
        "ISO_ONNX_UNSUPPORTED",
        `node ${nameOf(node)} (${node.op}) holds a graph of its own`,
        "Export the model without control flow, for example by tracing it with fixed shapes, or unroll it first",
      );
    const replacement = this.replace?.(node, inputs);
    if (replacement) {
      replacement.forEach((value, index) => {
        const name = node.outputs[index];
        if (name) this.define(name, value);
      });
      return;
    }
    this.checkOpset(node, domain);
    if (!hasInference(node.op, domain)) this.refuse();
    if (domain === "" && node.op === "Constant") {
      const opset = this.b.opsets.get("") ?? 1;
      const [type] = infer({ node, inputs: [], attributes: node.attributes, opset });
      this.define(node.outputs[0] ?? "", this.b.initializer(this.fresh(node.outputs[0] ?? ""), type!.constant!));
      return;
    }
    const named = node.outputs.slice(0, node.outputs.findLastIndex((name) => name !== "") + 1);
    const outputs = this.b.add(node.op, inputs, node.attributes, {
      domain,
      name: this.prefix + (node.name || node.op),
      outputNames: named.map((name) => (name === "" ? "" : this.fresh(name))),
    });
    named.forEach((name, index) => {
      if (name !== "") this.define(name, outputs[index]!);
    });
  }

  /** One error for all nodes of the graph whose operators have no shape rule. For a single one the builder's own error says more. */
  refuse(): void {
    const unknown = this.nodes.filter(({ op, domain }) => !hasInference(op, domain));
    if (unknown.length === 1) return;
    throw new IsonormError(
      "ISO_GRAPH_SHAPE",
      `${unknown.length} nodes have operators that are not supported: ${unknown.map((other) => `${operatorKey(other.op, other.domain)} (node ${nameOf(other)})`).join(", ")}`,
      "Replace them in the model, or report which model needs them",
    );
  }

  value(name: string, reader: Node): Value {
    const value = this.values.get(name);
    if (value) return value;
    throw new IsonormError(
      "ISO_GRAPH_INVALID",
      `node ${nameOf(reader)} (${reader.op}) reads "${name}", which nothing defines`,
      "Export the model anew",
    );
  }

  define(name: string, value: Value): void {
    if (this.values.has(name))
      throw new IsonormError("ISO_GRAPH_INVALID", `two values are named "${name}"`, "Export the model anew");
    this.values.set(name, value);
  }

  fresh(name: string): string {
    return this.b.freshName(this.prefix + name);
  }

  checkOpset(node: Node, domain: string): void {
    const [theirs, ours] = [this.opsets.get(domain) ?? this.opsets.get(node.domain) ?? 1, this.b.opsets.get(domain)];
    if (theirs !== ours)
      throw new IsonormError(
        "ISO_GRAPH_INVALID",
        `node ${nameOf(node)} is of operator set ${theirs} of domain "${domain}", the builder of ${ours ?? "none"}`,
        "Upgrade the model, or make the builder with its operator sets",
      );
  }
}

function nameOf(node: Node): string {
  return node.name || node.outputs[0] || "without a name";
}

function checkInitializer(name: string, tensor: Tensor, value: Value): void {
  if (value.dtype !== tensor.dtype || !sameShape(value.shape, tensor.shape))
    throw new IsonormError(
      "ISO_GRAPH_SHAPE",
      `initializer "${name}" is ${tensor.dtype} [${tensor.shape.join(", ")}], the value bound to it ${value.dtype} [${value.shape.join(", ")}]`,
      "Bind a value of the initializer's type",
    );
}

function checkInput(declared: ValueInfo, value: Value): void {
  const { dtype = value.dtype, shape = value.shape } = declared;
  const fits =
    dtype === value.dtype &&
    shape.length === value.shape.length &&
    shape.every((size, axis) => axis === 0 || typeof size !== "number" || size === value.shape[axis]);
  if (!fits)
    throw new IsonormError(
      "ISO_GRAPH_SHAPE",
      `input "${declared.name}" is ${dtype} [${shape.map((size) => size ?? "?").join(", ")}], the value bound to it ${value.dtype} [${value.shape.join(", ")}]`,
      "Give the model inputs of the type that it declares",
    );
}

function addInput(b: GraphBuilder, input: ValueInfo, prefix: string, dimensions: ReadonlyMap<string, number>): Value {
  const shape = input.shape?.map((size) => (typeof size === "string" ? dimensions.get(size) : size));
  if (!input.dtype || !shape || shape.includes(undefined))
    throw new IsonormError(
      "ISO_GRAPH_SHAPE",
      `input "${input.name}" has no fixed type: ${input.dtype ?? "?"} [${input.shape?.map((size) => size ?? "?").join(", ") ?? "?"}]`,
      "Bind the input, or give the sizes of its symbolic dimensions",
    );
  return b.input(
    b.freshName(prefix + input.name),
    input.dtype,
    shape.map((size) => size!),
  );
}
