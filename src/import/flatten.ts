import { IsonormError } from "../errors.js";
import {
  attributeInts,
  consumers,
  eliminateDeadNodes,
  hasInference,
  infer,
  keyOf,
  operatorKey,
  pruneInitializers,
  topologicalOrder,
  type Unrolled,
  unknownForms,
  unroll,
  type Value,
} from "../graph/index.js";
import type { Graph, Model, Node, Tensor } from "../onnx/index.js";

/** Batch sizes that no network has for anything else. */
const [probeBatch, otherBatch] = [7, 11];

/** A model in our own form, and what in it has none. */
export interface FlatModel {
  readonly model: Model;
  /** Throws ISO_ONNX_UNSUPPORTED where a node that could not be understood is among those given, listing all of them. */
  requireKnown(nodes: readonly Node[]): void;
}

/**
 * A foreign model brought to the form of our own: every constant is an initializer, weights stand as the layer reads them (not behind an Identity,
 * a Cast or a Transpose), loops and branches that do not depend on the data are written out, and a batch size that was fixed
 * on export is free again. Shape arithmetic that depends on the batch stays as it is.
 *
 * What isonorm does not know, and all that reads it, stays as it is too: behind the classifier it does no harm (scikit-learn's exporter puts a dictionary
 * there, detectors a NonMaxSuppression), and the classifier is yet to be found.
 *
 * @param shape - of one example, as the model's one input takes it
 * @param fixedBatch - the batch size that the model declares, where it does
 * @throws ISO_GRAPH_SHAPE, ISO_GRAPH_INVALID
 */
export function flatten(model: Model, shape: readonly number[], fixedBatch?: number): FlatModel {
  const { model: plain, unresolved } = unrolled(model, shape, fixedBatch);
  const flattener = new Flattener(plain, shape, fixedBatch);
  flattener.walk(plain.graph);
  const { nodes, initializers, renamed, unknown } = flattener;
  const outputs = new Set(plain.graph.outputs.map(({ name }) => name));
  const identities: Node[] = [...renamed]
    .filter(([name]) => outputs.has(name))
    .map(([name, source]) => ({ op: "Identity", domain: "", name, inputs: [source], outputs: [name], attributes: {} }));
  return {
    model: {
      ...plain,
      graph: pruneInitializers(
        eliminateDeadNodes({ ...plain.graph, nodes: [...nodes, ...identities], initializers, valueInfo: [] }),
      ),
    },
    requireKnown: (nodes) => {
      const used = new Set(nodes.flatMap(({ outputs }) => outputs));
      const met = unknown.filter((node) => node.outputs.some((name) => used.has(name)));
      if (met.length > 0) throw unsupported(met, unresolved);
    },
  };
}

/**
 * `unroll` for a batch of any size: what would run more often, or choose otherwise, for another batch stays as it is. Where the model was exported for one size of batch
 * its shapes are of that one.
 */
function unrolled(model: Model, shape: readonly number[], fixedBatch: number | undefined): Unrolled {
  const [input] = model.graph.inputs;
  const kept = new Map<string, string>();
  const forBatch = (batch: number): Unrolled =>
    unroll(model, new Map([[input!.name, { dtype: input!.dtype ?? "float32", shape: [batch, ...shape] }]]), kept);
  if (fixedBatch !== undefined) return forBatch(fixedBatch);
  for (;;) {
    const [one, other] = [forBatch(probeBatch), forBatch(otherBatch)];
    const differing = [...one.decisions].filter(
      ([name, { number }]) => (other.decisions.get(name)?.number ?? number) !== number,
    );
    if (differing.length === 0) return one;
    for (const [name, { label }] of differing) kept.set(name, `what ${label} does depends on the size of the batch`);
  }
}

/** One pass over the nodes, in order. */
class Flattener {
  readonly nodes: Node[] = [];
  readonly initializers: Map<string, Tensor>;
  /** Values that are others under a new name. */
  readonly renamed = new Map<string, string>();
  /** Nodes without a form of our own. */
  readonly unknown: Node[] = [];
  /** Values that depend on unknown nodes. */
  readonly #obscure = new Set<string>();
  readonly #values = new Map<string, Value>();
  readonly #readers: ReadonlyMap<string, readonly Node[]>;
  readonly #opsets: ReadonlyMap<string, number>;

  constructor(
    { graph, opsets }: Model,
    shape: readonly number[],
    readonly fixedBatch: number | undefined,
  ) {
    this.#opsets = opsets;
    this.#readers = consumers(graph);
    this.initializers = new Map(graph.initializers);
    for (const [name, tensor] of graph.initializers) this.#define(name, tensor);
    const [input] = graph.inputs;
    this.#values.set(input!.name, {
      name: input!.name,
      dtype: input!.dtype ?? "float32",
      shape: [probeBatch, ...shape],
    });
  }

  walk(graph: Graph): void {
    for (const node of topologicalOrder(graph).nodes) {
      const inputs = node.inputs.map((name) => this.renamed.get(name) ?? name);
      if (!hasInference(node.op, node.domain)) this.#leave({ ...node, inputs }, node);
      else if (inputs.some((name) => this.#obscure.has(name))) this.#leave({ ...node, inputs });
      else this.#node(this.#withFreeBatch({ ...node, inputs }));
    }
  }

  /** Keeps a node as it is. */
  #leave(node: Node, unknown?: Node): void {
    if (unknown) this.unknown.push(unknown);
    for (const name of node.outputs) this.#obscure.add(name);
    this.nodes.push(node);
  }

  /** A Reshape to [1, ...] of a model that was exported for a batch of 1 takes over its input's batch: 0 means just that. */
  #withFreeBatch(node: Node): Node {
    if (node.op !== "Reshape" || node.domain !== "" || this.fixedBatch === undefined) return node;
    const [data = "", target = ""] = node.inputs;
    const sizes = this.initializers.get(target);
    if (this.#values.get(data)?.shape[0] !== probeBatch || sizes?.dtype !== "int64") return node;
    if (sizes.data[0] !== BigInt(this.fixedBatch)) return node;
    const name = `${node.outputs[0]}/shape`;
    const free: Tensor = { ...sizes, data: BigInt64Array.from(sizes.data, (size, axis) => (axis === 0 ? 0n : size)) };
    this.initializers.set(name, free);
    this.#define(name, free);
    return { ...node, inputs: [data, name] };
  }

  #node(node: Node): void {
    const inputs = node.inputs.map((name) => (name === "" ? undefined : this.#value(name, node)));
    const types = infer({ node, inputs, attributes: node.attributes, opset: this.#opsets.get(node.domain) ?? 1 });
    const [output = ""] = node.outputs;
    const stored = node.inputs.every((name) => name === "" || this.initializers.has(name));
    if (stored && node.outputs.length === 1) {
      const [source = ""] = node.inputs;
      if (node.op === "Identity") {
        this.renamed.set(output, source);
        return;
      }
      const constant =
        types[0]?.constant ?? (this.#readOnce(source) ? moved(node, inputs[0], types[0]!.shape) : undefined);
      if (constant) {
        this.initializers.set(output, constant);
        this.#define(output, constant);
        return;
      }
    }
    node.outputs.forEach((name, index) => {
      const type = types[index];
      if (name !== "" && type) this.#values.set(name, { ...type, name });
    });
    this.nodes.push(node);
  }

  #value(name: string, reader: Node): Value {
    const value = this.#values.get(name);
    if (value) return value;
    throw new IsonormError(
      "ISO_GRAPH_INVALID",
      `node ${reader.name || reader.outputs[0]} (${reader.op}) reads "${name}", which nothing before it defines`,
      "Export the model anew",
    );
  }

  #define(name: string, tensor: Tensor): void {
    this.#values.set(name, { name, dtype: tensor.dtype, shape: tensor.shape, constant: tensor });
  }

  /** A weight that several layers read, each in its own way, is one weight: it stays behind what moves it. */
  #readOnce(name: string): boolean {
    return (this.#readers.get(name)?.length ?? 0) <= 1;
  }
}

/** What a node that only moves elements makes of a stored tensor; undefined for any other node. */
function moved(node: Node, source: Value | undefined, shape: readonly number[]): Tensor | undefined {
  const tensor = source?.constant;
  if (tensor?.dtype !== "float32" || node.domain !== "") return undefined;
  switch (node.op) {
    case "Cast":
    case "Reshape":
    case "Flatten":
    case "Squeeze":
    case "Unsqueeze":
      return { ...tensor, shape };
    case "Transpose":
      return {
        dtype: "float32",
        shape,
        data: transposed(tensor.data, tensor.shape, attributeInts(node.attributes, "perm")),
      };
    default:
      return undefined;
  }
}

function transposed(data: Float32Array, shape: readonly number[], permutation?: readonly number[]): Float32Array {
  const order = permutation ?? shape.map((_, axis) => shape.length - 1 - axis);
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const result = new Float32Array(data.length);
  let next = 0;
  const copy = (axis: number, from: number): void => {
    if (axis === order.length) {
      result[next++] = data[from]!;
      return;
    }
    const moving = order[axis]!;
    for (let index = 0; index < shape[moving]!; index++) copy(axis + 1, from + index * strides[moving]!);
  };
  copy(0, 0);
  return result;
}

/** @param unresolved - why nodes of control flow and sequences are among them, by their first output */
function unsupported(unknown: readonly Node[], unresolved: ReadonlyMap<string, string>): IsonormError {
  const label = ({ op, domain, name, outputs }: Node): string =>
    `${domain ? `${domain}:` : ""}${op} ${name || outputs[0]}`;
  const listed = unknown.slice(0, 10);
  const more = unknown.length > listed.length ? ` and ${unknown.length - listed.length} more` : "";
  const reasons = unknown.flatMap((node) => unresolved.get(keyOf(node)) ?? []);
  if (reasons.length === unknown.length)
    return new IsonormError(
      "ISO_ONNX_UNSUPPORTED",
      `${reasons.slice(0, listed.length).join("; ")}${more}`,
      "Export the model so that lengths and conditions do not depend on the data or on the size of the batch: trace it with fixed shapes, or use LSTM, GRU and RNN nodes",
    );
  const keys = new Set(unknown.map(({ op, domain }) => operatorKey(op, domain)));
  const forms = [...keys]
    .flatMap((key) => (unknownForms[key] ? [`; of ${key} not known are ${unknownForms[key]}`] : []))
    .join("");
  return new IsonormError(
    "ISO_ONNX_UNSUPPORTED",
    `the model has ${unknown.length} node${unknown.length === 1 ? "" : "s"} that isonorm cannot train through: ${listed.map(label).join(", ")}${more}${forms}`,
    "Export the model with standard operators and without control flow, for example by tracing it with fixed shapes",
  );
}
