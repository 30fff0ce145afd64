import type { Attribute, Graph, Node, Tensor } from "../../onnx/types.js";
import { attributeInts } from "../attributes.js";
import { consumers, producers, readNames } from "./order.js";
import { renameReads } from "./substitute.js";

/** Drops the nodes that no graph output depends on. */
export function eliminateDeadNodes(graph: Graph): Graph {
  const needed = new Set(graph.outputs.map(({ name }) => name));
  const made = producers(graph);
  const live = new Set<Node>();
  const open = [...needed];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const node = made.get(name);
    if (!node || live.has(node)) continue;
    live.add(node);
    for (const read of readNames(node)) {
      needed.add(read);
      open.push(read);
    }
  }
  return { ...graph, nodes: graph.nodes.filter((node) => live.has(node)) };
}

/** Drops the initializers that no node reads and no output names. */
export function pruneInitializers(graph: Graph): Graph {
  const read = new Set([...graph.nodes.flatMap(readNames), ...graph.outputs.map(({ name }) => name)]);
  return { ...graph, initializers: new Map([...graph.initializers].filter(([name]) => read.has(name))) };
}

/** Operators whose result is not a function of their inputs and attributes. */
const random = new Set([
  "RandomUniform",
  "RandomUniformLike",
  "RandomNormal",
  "RandomNormalLike",
  "Bernoulli",
  "Multinomial",
  "Dropout",
]);

/**
 * Of nodes with the same operator, inputs and attributes only the first stays. Random operators and nodes that hold graphs are left alone.
 * A later one that makes a graph output becomes an Identity, so that the output keeps its name.
 */
export function eliminateCommonSubexpressions(graph: Graph): Graph {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const alias = new Map<string, string>();
  const first = new Map<string, Node>();
  const nodes: Node[] = [];
  for (const original of graph.nodes) {
    const node = renameReads(original, (name) => alias.get(name) ?? name);
    const key = random.has(node.op) ? undefined : expressionKey(node);
    const same = key === undefined ? undefined : first.get(key);
    if (!same) {
      if (key !== undefined) first.set(key, node);
      nodes.push(node);
      continue;
    }
    node.outputs.forEach((name, index) => {
      if (name === "") return;
      alias.set(name, same.outputs[index]!);
      if (outputs.has(name)) nodes.push(identity(`${node.name}/same`, same.outputs[index]!, name));
    });
  }
  return { ...graph, nodes };
}

/** Equal for nodes that compute the same; undefined for nodes that hold graphs. */
function expressionKey(node: Node): string | undefined {
  const attributes: unknown[] = [];
  for (const key of Object.keys(node.attributes).sort()) {
    const attribute = node.attributes[key]!;
    if (attribute.kind === "graph" || attribute.kind === "graphs") return undefined;
    attributes.push([key, attribute.kind, attributeContents(attribute)]);
  }
  return JSON.stringify([node.domain, node.op, node.inputs, node.outputs.map((name) => name !== ""), attributes]);
}

/** JSON knows no bigint, NaN or -0; text distinguishes them all. */
const number = (value: unknown): string => (Object.is(value, -0) ? "-0" : String(value));
const tensorContents = ({ dtype, shape, data }: Tensor): unknown => [dtype, shape, Array.from(data, number)];

function attributeContents(attribute: Attribute): unknown {
  switch (attribute.kind) {
    case "tensor":
      return tensorContents(attribute.value);
    case "tensors":
      return attribute.value.map(tensorContents);
    case "string":
    case "strings":
      return attribute.value;
    case "ints":
    case "floats":
      return attribute.value.map(number);
    default:
      return number(attribute.value);
  }
}

/** Larger ones are weights and tables, of which no two are alike. */
const mostShared = 16;

/** Of small initializers with the same contents only the first is read, so that nodes which compute the same from them are seen to. All must be constants. */
export function shareConstants(graph: Graph): Graph {
  const first = new Map<string, string>();
  const alias = new Map<string, string>();
  for (const [name, tensor] of graph.initializers) {
    if (tensor.data.length > mostShared) continue;
    const contents = JSON.stringify(tensorContents(tensor));
    const same = first.get(contents);
    if (same === undefined) first.set(contents, name);
    else alias.set(name, same);
  }
  return { ...graph, nodes: graph.nodes.map((node) => renameReads(node, (name) => alias.get(name) ?? name)) };
}

/**
 * Takes away the nodes that hand their input on: Identity, Transpose by the identity permutation, Dropout outside training,
 * Concat, Sum, Mean, Max and Min of one input. Where such a node makes a graph output, the node before it makes that output instead, if it can.
 */
export function foldIdentities(graph: Graph): Graph {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const made = producers(graph);
  const readers = consumers(graph);
  const alias = new Map<string, string>();
  const resolve = (name: string): string => {
    let at = name;
    for (let next = alias.get(at); next !== undefined; next = alias.get(at)) at = next;
    return at;
  };
  const kept = graph.nodes.filter((node) => {
    if (!handsOn(node, readers)) return true;
    const [to, from] = [node.outputs[0]!, resolve(node.inputs[0]!)];
    if (!outputs.has(to)) {
      alias.set(to, from);
      return false;
    }
    // An input, an initializer or another output must keep its own name.
    if (!made.has(from) || outputs.has(from)) return true;
    alias.set(from, to);
    return false;
  });
  const nodes = kept.map((node) => {
    const renamed = renameReads(node, resolve);
    const names = node.outputs.map((name) => (name === "" ? name : resolve(name)));
    return names.every((name, index) => name === node.outputs[index]) ? renamed : { ...renamed, outputs: names };
  });
  return { ...graph, nodes };
}

function handsOn(node: Node, readers: ReadonlyMap<string, readonly Node[]>): boolean {
  if (node.domain !== "" && node.domain !== "ai.onnx") return false;
  switch (node.op) {
    case "Identity":
      return true;
    case "Concat":
    case "Sum":
    case "Mean":
    case "Max":
    case "Min":
      return node.inputs.length === 1;
    case "Transpose":
      return attributeInts(node.attributes, "perm")?.every((from, axis) => from === axis) ?? false;
    case "Dropout":
      // The third input is training_mode; before opset 12 there is none and Dropout acts in inference only.
      return !node.inputs[2] && !node.outputs.slice(1).some((mask) => mask !== "" && readers.has(mask));
    default:
      return false;
  }
}

function identity(name: string, from: string, to: string): Node {
  return { op: "Identity", domain: "", name, inputs: [from], outputs: [to], attributes: {} };
}

/**
 * Makes every reshape of a reshape one of the original, and takes those away that change nothing. A reshape moves no element, but costs what a node costs.
 *
 * @param shapes - the shape of each value
 */
export function mergeReshapes(graph: Graph, shapes: ReadonlyMap<string, readonly number[]>): Graph {
  if (hasSubgraphs(graph)) return graph;
  const made = producers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const isReshape = (node: Node | undefined): node is Node => node?.op === "Reshape" && node.domain === "";
  // A 0 in the shape, which would mean the size of the input's axis, is refused here.
  const explicit = (node: Node): boolean => {
    const shape = graph.initializers.get(node.inputs[1]!);
    return shape?.dtype === "int64" && shape.data.every((size) => size > 0n);
  };
  const renamed = new Map<string, string>();
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const read = node.inputs.map((name) => renamed.get(name) ?? name);
    if (!isReshape(node) || !explicit(node)) return [{ ...node, inputs: read }];
    let [source] = read as [string];
    for (let maker = made.get(source); isReshape(maker); maker = made.get(source))
      source = renamed.get(maker.inputs[0]!) ?? maker.inputs[0]!;
    const [result] = node.outputs as [string];
    if (!outputs.has(result) && shapes.get(source)?.join() === shapes.get(result)?.join()) {
      renamed.set(result, source);
      return [];
    }
    return [{ ...node, inputs: [source, node.inputs[1]!] }];
  });
  return eliminateDeadNodes({ ...graph, nodes });
}

/** Lets what a graph's output is a copy of have the output's name itself, where no other output has it. */
export function nameOutputs(graph: Graph): Graph {
  if (hasSubgraphs(graph)) return graph;
  const made = producers(graph);
  const taken = new Set(graph.outputs.map(({ name }) => name));
  const renamed = new Map<string, string>();
  const gone = new Set<Node>();
  for (const { name } of graph.outputs) {
    const copy = made.get(name);
    const source = copy?.inputs[0];
    if (
      copy?.op !== "Identity" ||
      source === undefined ||
      !made.has(source) ||
      taken.has(source) ||
      renamed.has(source)
    )
      continue;
    renamed.set(source, name);
    gone.add(copy);
  }
  const named = (name: string): string => renamed.get(name) ?? name;
  return {
    ...graph,
    nodes: graph.nodes
      .filter((node) => !gone.has(node))
      .map((node) => ({ ...node, inputs: node.inputs.map(named), outputs: node.outputs.map(named) })),
  };
}

/** Bodies read values of the graph around them by name, so these are not renamed. */
function hasSubgraphs(graph: Graph): boolean {
  return graph.nodes.some((node) =>
    Object.values(node.attributes).some(({ kind }) => kind === "graph" || kind === "graphs"),
  );
}
