import { IsonormError } from "../errors.js";
import { dependents } from "../graph/index.js";
import { weightUse } from "../method/index.js";
import type { Graph } from "../onnx/index.js";

/**
 * The weights that a choice names.
 *
 * - `all`
 * - `head`: the classifier alone
 * - `last:N`: the last N layers with a weight matrix or kernel, the classifier included, and all that lies between and behind them
 * - anything else is a regular expression on the names of weights; the classifier is always trained
 *
 * @param names - of all weights, in any order
 * @param head - name of the classifier's weight
 * @throws ISO_ARGUMENT for an expression that is none or matches nothing, or a number of layers that is none
 */
export function selectTrained(
  graph: Graph,
  names: readonly string[],
  choice: string,
  head: string,
): ReadonlySet<string> {
  if (choice === "all") return new Set(names);
  if (choice === "head") return new Set([head]);
  const last = /^last:(.*)$/.exec(choice);
  if (last) return new Set(lastLayers(graph, names, Number(last[1])));
  const chosen = names.filter((name) => expression(choice).test(name));
  if (chosen.length > 0) return new Set([...chosen, head]);
  throw new IsonormError(
    "ISO_ARGUMENT",
    `no weight's name matches ${choice}; the first of ${names.length} are ${names.slice(0, 5).join(", ")}`,
    "See isonorm inspect for the names of all weights",
  );
}

function lastLayers(graph: Graph, names: readonly string[], count: number): readonly string[] {
  if (!Number.isInteger(count) || count < 1)
    throw new IsonormError(
      "ISO_ARGUMENT",
      "last:N takes a whole number of layers from 1 on",
      "Give last:2, for example",
    );
  const position = new Map(graph.nodes.map((node, index) => [node, index]));
  const uses = names.flatMap((name) => {
    const use = weightUse(graph, name);
    return use ? [{ name, at: position.get(use.node)!, isLayer: use.role === "weight" }] : [];
  });
  const layers = [...new Set(uses.filter(({ isLayer }) => isLayer).map(({ at }) => at))].sort((a, b) => b - a);
  const first = layers[Math.min(count, layers.length) - 1] ?? 0;
  return uses.filter(({ at }) => at >= first).map(({ name }) => name);
}

function expression(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new IsonormError(
      "ISO_ARGUMENT",
      `"${text}" is no regular expression (${(cause as Error).message})`,
      "Give all, head, last:N or a regular expression on the names of weights",
      { cause },
    );
  }
}

/** A network in two parts: what the trained weights have no influence on, and the rest. */
export interface Cut {
  /** The input to the value `features`, which is its only output. */
  readonly frozen: Graph;
  /** From the features, its only input, to the network's outputs. */
  readonly trained: Graph;
  readonly features: string;
}

/** Cuts a network where its trained part begins; undefined where that is at its input, or where more than one value crosses. */
export function cutFrozen(graph: Graph, trained: ReadonlySet<string>): Cut | undefined {
  const behind = dependents(graph, trained);
  const fromInput = dependents(graph, new Set(graph.inputs.map(({ name }) => name)));
  const before = graph.nodes.filter((node) => !behind.has(node));
  const made = new Set(before.filter((node) => fromInput.has(node)).flatMap(({ outputs }) => outputs));
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const crossing = new Set(
    [...behind].flatMap(({ inputs: read }) => read).filter((name) => made.has(name) || inputs.has(name)),
  );
  const [features] = crossing;
  if (features === undefined || crossing.size > 1 || inputs.has(features)) return undefined;
  if (graph.outputs.some(({ name }) => made.has(name))) return undefined;
  const constants = before.filter((node) => !fromInput.has(node));
  return {
    features,
    frozen: { ...graph, nodes: before, outputs: [{ name: features, dtype: "float32", shape: undefined }] },
    trained: {
      ...graph,
      nodes: [...constants, ...graph.nodes.filter((node) => behind.has(node))],
      inputs: [{ name: features, dtype: "float32", shape: undefined }],
    },
  };
}
