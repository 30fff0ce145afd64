import { IsonormError } from "../errors.js";
import { consumers, dependents, inferGraph, producers, topologicalOrder, type Value } from "../graph/index.js";
import { elementCount, elementSize, type Graph, type Node } from "../onnx/index.js";

/** A tensor, and the bytes that it takes. */
export interface Share {
  readonly name: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** The least memory that running a graph once takes, in bytes. */
export interface LeastMemory {
  readonly bytes: number;
  /** Of it, what stands there all the time: weights, what the optimizer keeps of them, constants, the batch. */
  readonly held: number;
  /** Of it, results of nodes that must be there at one moment. */
  readonly results: number;
  /** The largest tensors among both, largest first. */
  readonly largest: readonly Share[];
}

/** So many of the last nodes before the loss are looked at. */
const moments = 24;
const mostNamed = 3;
/** So many values are looked at for a path: enough for what a gradient makes of a result, and a bound on the time. */
const mostSteps = 64;

/** Nodes whose result may lie where their input does, or that ONNX Runtime takes out of a graph. */
const views = new Set(["Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"]);
const blockedViews = new Set(["ReorderInput", "ReorderOutput"]);

/**
 * A lower bound on the memory that a graph takes, whatever the order in which its nodes run: what surely is there at one moment, not the sum of all tensors.
 *
 * When a node near the loss has run, what the backward pass is going to read of the forward pass is there (see {@link surelyThere}). Besides, all
 * inputs of one node are there when it begins, and all its outputs when it ends. Views count as what they are views of, results that are the graph's outputs not at all:
 * they lie in buffers that are counted elsewhere.
 *
 * @param graph - with fixed shapes, as it is given to ONNX Runtime
 * @param last - the value that the forward pass ends in: loss or output
 * @param copies - how many buffers a graph input has; 1 by default
 * @throws ISO_GRAPH_SHAPE where a node does not fit
 */
export function leastMemory(
  unordered: Graph,
  opsets: ReadonlyMap<string, number>,
  last: string,
  copies: (input: string) => number = () => 1,
): LeastMemory {
  const graph = topologicalOrder(unordered);
  const values = inferGraph(graph, opsets);
  const makers = producers(graph);
  const held = heldShares(graph, values, copies);
  const roots = rootsOf(graph, values);
  const outputs = new Set(graph.outputs.map(({ name }) => roots.get(name) ?? name));
  const counted = (root: string): boolean => makers.has(root) && !outputs.has(root);
  /** Of those values that are results, each buffer once. */
  const sharesOf = (names: Iterable<string>): Share[] => {
    const distinct = new Set([...names].map((name) => roots.get(name) ?? name));
    return [...distinct].filter(counted).map((name) => share(values.get(name)!));
  };

  let most: readonly Share[] = [];
  const look = (shares: readonly Share[]): void => {
    if (total(shares) > total(most)) most = shares;
  };
  for (const node of graph.nodes) {
    look(sharesOf(node.inputs.filter(Boolean)));
    look(sharesOf(node.outputs.filter(Boolean)));
  }
  const surroundings = { graph, values, makers, readers: consumers(graph), roots, counted };
  for (const node of needed(graph, makers, last).slice(-moments)) look(surelyThere(surroundings, node));

  const results = total(most);
  const largest = [...held, ...most].sort((a, b) => b.bytes - a.bytes).slice(0, mostNamed);
  return { bytes: total(held) + results, held: total(held), results, largest };
}

/**
 * Refuses what surely cannot be computed in that much memory, before any of it is taken.
 *
 * @param what - needs the memory: "a training step at batch size 64"
 * @param limit - of the process, bytes
 * @param remedy - what takes less
 * @throws ISO_MEMORY
 */
export function requireMemory(least: LeastMemory, what: string, limit: number, remedy: string): void {
  if (least.bytes <= limit) return;
  const named = least.largest.map(({ name, shape, bytes }) => `${name} [${shape.join(", ")}] ${gigabytes(bytes)}`);
  throw new IsonormError(
    "ISO_MEMORY",
    `${what} takes at least ${gigabytes(least.bytes)} of memory, ${gigabytes(least.held)} for weights and what goes with them and ` +
      `${gigabytes(least.results)} for results that are needed together; there are ${gigabytes(limit)}. The largest are ${named.join(", ")}`,
    remedy,
  );
}

interface Surroundings {
  readonly graph: Graph;
  readonly values: ReadonlyMap<string, Value>;
  readonly makers: ReadonlyMap<string, Node>;
  readonly readers: ReadonlyMap<string, readonly Node[]>;
  /** See {@link rootsOf}. */
  readonly roots: ReadonlyMap<string, string>;
  /** Whether a buffer is a result's that is no output. */
  readonly counted: (root: string) => boolean;
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toPrecision(3)} GB`;

const total = (shares: readonly Share[]): number => shares.reduce((sum, { bytes }) => sum + bytes, 0);

function share({ name, dtype, shape }: Value): Share {
  const size = dtype === "string" ? 0 : elementSize[dtype];
  return { name: name.replace(/^model\//, ""), shape, bytes: size * elementCount(shape) };
}

function heldShares(
  graph: Graph,
  values: ReadonlyMap<string, Value>,
  copies: (input: string) => number,
): readonly Share[] {
  const inputs = graph.inputs.map(({ name }) => {
    const once = share(values.get(name)!);
    return { ...once, bytes: copies(name) * once.bytes };
  });
  return [...inputs, ...[...graph.initializers.keys()].map((name) => share(values.get(name)!))];
}

/** For each value that is a view the one that it is a view of. A multiple by a constant number counts as one: products take the number as a factor of their own. */
function rootsOf(graph: Graph, values: ReadonlyMap<string, Value>): ReadonlyMap<string, string> {
  const roots = new Map<string, string>();
  const scalar = (name: string | undefined) => name !== undefined && elementCount(values.get(name)?.shape ?? [0]) === 1;
  for (const { op, domain, inputs, outputs } of graph.nodes) {
    const isView = domain === "" ? views.has(op) : domain === "com.microsoft.nchwc" && blockedViews.has(op);
    const scaled = domain === "" && (op === "Mul" || op === "Div") && inputs.some(scalar);
    if (!isView && !scaled) continue;
    const source = isView ? inputs[0]! : inputs.find((name) => !scalar(name));
    if (source) roots.set(outputs[0]!, roots.get(source) ?? source);
  }
  return roots;
}

/** The nodes that a value depends on, in the graph's order. */
function needed(graph: Graph, makers: ReadonlyMap<string, Node>, last: string): readonly Node[] {
  const found = new Set<Node>();
  const open = [makers.get(last)];
  for (let node = open.pop(); node || open.length > 0; node = open.pop()) {
    if (!node || found.has(node)) continue;
    found.add(node);
    for (const name of node.inputs) open.push(makers.get(name));
  }
  return graph.nodes.filter((node) => found.has(node));
}

/**
 * Bytes of results that surely are there when a node L has run, by the result of the forward pass that they follow from.
 *
 * What has run then is some set of nodes, with all that each depends on: L and what it depends on are in it, what depends on L is not, and which of the other
 * nodes are is ONNX Runtime's affair. Take a path of values from a node that is in it to one that is not: where the path leaves the set there is a value that has been
 * made and is read still. So one value of every path is there, and paths that share no bytes of any value add up (a flow is no more than the smallest cut). A path is one
 * value long where the backward pass reads a result itself; longer where it reads, say, 1 - y^2, which may be made early or late.
 */
function surelyThere({ graph, values, makers, readers, roots, counted }: Surroundings, at: Node): readonly Share[] {
  const later = dependents(graph, new Set(at.outputs.filter(Boolean)));
  const before = needed(graph, makers, at.outputs.find(Boolean)!);
  const done = new Set(before);
  const left = new Map<string, number>();
  const bytesLeft = (root: string): number => left.get(root) ?? share(values.get(root)!).bytes;
  /** A path to a node behind L through values of which bytes are left; the distinct buffers on it. */
  const path = (name: string, seen: Set<string>): readonly string[] | undefined => {
    const root = roots.get(name) ?? name;
    if (seen.size > mostSteps || seen.has(name) || !counted(root) || bytesLeft(root) === 0) return undefined;
    seen.add(name);
    const next = readers.get(name) ?? [];
    if (next.some((node) => later.has(node))) return [root];
    for (const node of next)
      if (!done.has(node))
        for (const output of node.outputs) {
          const rest = output === "" ? undefined : path(output, seen);
          if (rest) return rest.includes(root) ? rest : [root, ...rest];
        }
    return undefined;
  };
  const shares: Share[] = [];
  for (const name of before.flatMap(({ outputs }) => outputs.filter(Boolean))) {
    let bytes = 0;
    for (let found = path(name, new Set()); found; found = path(name, new Set())) {
      const flow = Math.min(...found.map(bytesLeft));
      for (const root of found) left.set(root, bytesLeft(root) - flow);
      bytes += flow;
    }
    if (bytes > 0) shares.push({ ...share(values.get(name)!), bytes });
  }
  return shares;
}
