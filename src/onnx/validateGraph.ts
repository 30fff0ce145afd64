import { IsonormError } from "../errors.js";
import { maxGraphDepth } from "./schema.js";
import type { Graph, Model, Node } from "./types.js";

/** The values that nodes of a graph may read at some point: the graph's own so far, and those of the graphs around it. */
interface Scope {
  readonly graph: Graph;
  readonly made: Set<string>;
  /** Which node makes a value, by index. */
  readonly makers: ReadonlyMap<string, number>;
  readonly around: Scope | undefined;
}

/**
 * Checks that a model's graph, and those in attributes, make sense without knowing any operator: each value is made once and before it is
 * used, every node has an operator of an imported operator set, every output is made.
 *
 * @param source - what messages call the model, its path for one
 * @throws ISO_GRAPH_INVALID naming the value and node; nodes that form a cycle are listed
 */
export function validateGraph(model: Model, source?: string): void {
  const invalid: Refuse = (what, remedy) =>
    new IsonormError("ISO_GRAPH_INVALID", source === undefined ? what : `${source}: ${what}`, remedy);
  if (model.opsets.size === 0)
    throw invalid("the model imports no operator set", 'Import at least ai.onnx, which is the domain ""');
  check(model.graph, undefined, model, 0, invalid);
}

type Refuse = (what: string, remedy: string) => IsonormError;

function check(graph: Graph, around: Scope | undefined, model: Model, depth: number, invalid: Refuse): void {
  if (depth > maxGraphDepth)
    throw invalid(
      `graphs are nested more than ${maxGraphDepth} deep in attributes`,
      "Flatten the model's control flow",
    );
  const scope: Scope = { graph, made: new Set(), makers: makersOf(graph), around };
  const make = (name: string, by: string) => {
    if (scope.made.has(name))
      throw invalid(`the value "${name}" is made twice, the second time by ${by}`, "Give each value a name of its own");
    scope.made.add(name);
  };
  for (const { name } of graph.inputs) {
    if (name === "") throw invalid(`an input of the graph "${graph.name}" has no name`, "Name every input");
    make(name, "a graph input");
  }
  for (const name of graph.initializers.keys()) make(name, "an initializer");

  for (const node of graph.nodes) {
    if (node.op === "") throw invalid(`${describe(node)} has no operator`, "Give it one");
    if (!model.opsets.has(node.domain))
      throw invalid(
        `${describe(node)} is of the domain "${node.domain || "ai.onnx"}", but the model imports no operator set of it`,
        `Import one (imported are: ${[...model.opsets.keys()].map((domain) => domain || "ai.onnx").join(", ")})`,
      );
    for (const name of node.inputs)
      if (name !== "" && !isMade(name, scope)) throw notMade(name, describe(node), scope, invalid);
    for (const inner of innerGraphs(node)) check(inner, scope, model, depth + 1, invalid);
    for (const name of node.outputs) if (name !== "") make(name, describe(node));
  }
  for (const { name } of graph.outputs)
    if (!isMade(name, scope)) throw notMade(name, `the outputs of the graph "${graph.name}"`, scope, invalid);
}

function makersOf(graph: Graph): ReadonlyMap<string, number> {
  const makers = new Map<string, number>();
  graph.nodes.forEach(({ outputs }, index) => {
    for (const name of outputs) if (name !== "" && !makers.has(name)) makers.set(name, index);
  });
  return makers;
}

function isMade(name: string, scope: Scope | undefined): boolean {
  for (let at = scope; at; at = at.around) if (at.made.has(name)) return true;
  return false;
}

function notMade(name: string, by: string, scope: Scope, invalid: Refuse): IsonormError {
  for (let at: Scope | undefined = scope; at; at = at.around) {
    const maker = at.makers.get(name);
    if (maker === undefined) continue;
    const cycle = findCycle(at.graph, at.makers, maker);
    if (cycle) {
      const names = cycle.slice(0, 8).map(describe);
      const more = cycle.length > names.length ? ` -> ${cycle.length - names.length} more` : "";
      return invalid(`the nodes form a cycle: ${names.join(" -> ")}${more} -> ${names[0]}`, "Break the cycle");
    }
    return invalid(
      `the value "${name}" is used by ${by} before ${describe(at.graph.nodes[maker]!)} makes it`,
      "Sort the nodes so that every value is made before it is used",
    );
  }
  return invalid(
    `the value "${name}" is used by ${by}, but nothing makes it`,
    "Check the name against the graph's inputs, initializers and node outputs",
  );
}

/** The nodes of a cycle among those that `start` depends on, in the order in which values flow; undefined where there is none. */
function findCycle(graph: Graph, makers: ReadonlyMap<string, number>, start: number): readonly Node[] | undefined {
  const state = new Map<number, "open" | "done">([[start, "open"]]);
  const path = [{ node: start, needs: needsOf(graph.nodes[start]!, makers) }];
  while (path.length > 0) {
    const top = path[path.length - 1]!;
    const next = top.needs.pop();
    if (next === undefined) {
      state.set(top.node, "done");
      path.pop();
    } else if (state.get(next) === "open") {
      const from = path.findIndex(({ node }) => node === next);
      return path
        .slice(from)
        .reverse()
        .map(({ node }) => graph.nodes[node]!);
    } else if (!state.has(next)) {
      state.set(next, "open");
      path.push({ node: next, needs: needsOf(graph.nodes[next]!, makers) });
    }
  }
  return undefined;
}

/** Indices of the nodes whose outputs a node reads, in its inner graphs too. */
function needsOf(node: Node, makers: ReadonlyMap<string, number>): number[] {
  const needs = new Set<number>();
  const pending = [node];
  for (let next = pending.pop(); next; next = pending.pop()) {
    for (const name of next.inputs) {
      const maker = makers.get(name);
      if (maker !== undefined) needs.add(maker);
    }
    for (const inner of innerGraphs(next)) for (const nested of inner.nodes) pending.push(nested);
  }
  return [...needs];
}

function innerGraphs(node: Node): readonly Graph[] {
  return Object.values(node.attributes).flatMap((attribute) => {
    if (attribute.kind === "graph") return [attribute.value];
    return attribute.kind === "graphs" ? attribute.value : [];
  });
}

function describe(node: Node): string {
  return `node "${node.name || node.outputs[0] || ""}" (${node.op})`;
}
