import { IsonormError } from "../errors.js";
import {
  eliminateCommonSubexpressions,
  eliminateDeadNodes,
  GraphBuilder,
  inferGraph,
  mergeReshapes,
  nameOutputs,
  operatorKey,
  pruneInitializers,
  shareConstants,
  type Value,
} from "../graph/index.js";
import type { Graph, Node, ValueInfo } from "../onnx/types.js";
import { accumulateInProducts } from "./cpu/accumulate.js";
import { blockedDomain, fuse, type MatrixForm, placedMatrix, shapeInBlocks, stateForms } from "./cpu/blocked/index.js";
import { orderForMemory } from "./cpu/executionOrder.js";
import { type Costs, cpuOperators, cpuSubstitutes } from "./cpu/index.js";
import { mergeNorms } from "./cpu/norms.js";
import { checkedOutput, outputTypes, placeOnCpu } from "./cpu/place.js";
import { LoweredValues } from "./loweredValues.js";
import type { Recipe, Substitute, Target } from "./recipe.js";
import { webgpuRecipes, webgpuSubstitutes } from "./webgpu/index.js";

/** What ONNX operators are replaced by that a target lacks, or is slow at, by name. */
const substitutes: Readonly<Record<Target, ReadonlyMap<string, Substitute>>> = {
  cpu: cpuSubstitutes,
  webgpu: webgpuSubstitutes,
};

export interface LowerOptions {
  /** Operator-set versions by domain; ai.onnx 21 where not given. */
  readonly opsets?: ReadonlyMap<string, number> | undefined;
  /**
   * Channels in a block of ONNX Runtime's blocked convolutions on this machine (`measureChannelBlock`): convolutional networks are computed in blocks of so many channels then. Without it, as ONNX
   * has them. Only for the target cpu.
   */
  readonly channelBlock?: number | undefined;
  /** What recipes cost on this machine; without it they are chosen by rules. Only for the target cpu, and for the same block. */
  readonly costs?: Costs | undefined;
  /** Matrices among the inputs and outputs that the graph is to have in blocks, see `weightForms`: of the shape `shapeInBlocks`. Default none. Only with a `channelBlock`. */
  readonly forms?: ReadonlyMap<string, MatrixForm> | undefined;
}

/**
 * The same graph with every abstract operator (domain `isonorm`) replaced by ONNX operators that are fast on `target`.
 * Values that both graphs have in one form keep their names: inputs, outputs, initializers, and what abstract and other nodes compute; what an output copies takes the output's. What no output depends on is
 * left out, initializers too, and what several recipes compute alike is computed once. Names of nodes that a recipe adds begin with the abstract node's.
 *
 * @param graph - every input of known type and size
 * @throws ISO_LOWERING_UNSUPPORTED naming operator and target, where the target has no recipe for it; ISO_ARGUMENT where the costs are of machines with another block
 */
export function lower(graph: Graph, target: Target, options: LowerOptions = {}): Graph {
  if (options.costs && options.costs.channelBlock !== options.channelBlock)
    throw new IsonormError(
      "ISO_ARGUMENT",
      `costs were measured with ${options.costs.channelBlock ?? "no"} channels in a block, and here there are ${options.channelBlock ?? "none"}`,
      "Take the costs of a machine with the same block, or none",
    );
  const replaced = replaceAbstract(eliminateDeadNodes(graph), target, options);
  const opsets = opsetsOf(options);
  const shapes = new Map([...inferGraph(replaced, opsets)].map(([name, { shape }]) => [name, shape]));
  const distinct = eliminateCommonSubexpressions(shareConstants(eliminateDeadNodes(replaced)));
  const lowered = nameOutputs(mergeReshapes(distinct, shapes));
  const fused = options.channelBlock === undefined ? lowered : fuse(lowered, opsets);
  // ONNX Runtime warns of every initializer that nothing reads.
  return pruneInitializers(target === "cpu" ? orderForMemory(accumulateInProducts(mergeNorms(fused), opsets)) : fused);
}

/** The operator sets that a lowered graph uses. */
export function opsetsOf({ opsets, channelBlock }: LowerOptions): ReadonlyMap<string, number> {
  const used = new Map([...(opsets ?? [["", 21]])].filter(([domain]) => domain !== "isonorm"));
  return channelBlock === undefined ? used : used.set(blockedDomain, 1);
}

function replaceAbstract(graph: Graph, target: Target, options: LowerOptions): Graph {
  const b = new GraphBuilder({ opsets: options.opsets });
  const lowered = new LoweredValues(b, options.channelBlock);
  const given = options.forms ?? new Map<string, MatrixForm>();
  const forms = given.size === 0 ? given : stateForms(graph, b.opsets, given);
  // Names of values that recipes make must not take those of values that come later.
  for (const name of valueNames(graph)) b.freshName(name);

  for (const input of graph.inputs) addInput(b, input, lowered, given.get(input.name));
  for (const [name, tensor] of graph.initializers) lowered.set(name, b.initializer(name, tensor));

  const read = new Set([...graph.nodes.flatMap((node) => node.inputs), ...graph.outputs.map(({ name }) => name)]);
  const names = new Map<string, string>();
  // A value that a recipe made takes the abstract output's name; one that it only passes on keeps its own.
  const named = (value: Value, name: string, made: boolean): Value => {
    if (!made || names.has(value.name)) return b.add("Identity", [value], {}, { outputNames: [name] })[0]!;
    names.set(value.name, name);
    return value;
  };
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => (name === "" ? undefined : lowered.type(name, node)));
    const placed = target === "cpu" ? placeOnCpu(b, node, inputs, lowered, read, forms, options) : undefined;
    if (placed) {
      for (const { name, result, type, made } of placed)
        lowered.place(name, "plain" in result ? { plain: named(result.plain, name, made) } : result, type);
      continue;
    }
    const plain = node.inputs.map((name) => (name === "" ? undefined : lowered.plain(name, node)));
    const results =
      node.domain === "isonorm"
        ? applyRecipe(b, node, plain, recipeFor(node, target), read)
        : applySubstitute(b, node, plain, target);
    if (!results) {
      const outputs = b.add(node.op, plain, node.attributes, {
        domain: node.domain,
        name: node.name || node.op,
        outputNames: node.outputs,
      });
      for (const [index, name] of node.outputs.entries()) lowered.set(name, outputs[index]!);
      continue;
    }
    for (const [name, value, made] of results) lowered.set(name, named(value, name, made));
  }
  for (const { name } of graph.outputs) {
    const form = given.get(name);
    const value = form ? lowered.matrix(name, form) : lowered.plain(name);
    b.markOutput(value.name === name || names.get(value.name) === name ? value : named(value, name, true));
  }
  return renameValues(b.finish(graph.name), names);
}

function recipeFor(node: Node, target: Target): Recipe {
  // The CPU's recipes are in `cpuOperators`, where most operators have several.
  const recipe = target === "webgpu" ? webgpuRecipes.get(node.op) : undefined;
  if (recipe) return recipe;
  throw new IsonormError(
    "ISO_LOWERING_UNSUPPORTED",
    `target ${target} has no recipe for operator ${operatorKey(node.op, node.domain)} (node ${node.name || node.outputs[0]})`,
    cpuOperators.has(operatorKey(node.op, node.domain))
      ? "Use the cpu target"
      : "Replace the operator before the graph is lowered",
  );
}

/** A node's output in the lowered graph: its name, its value, and whether nodes that stand in for the node made it. */
type Result = readonly [string, Value, boolean];

/** The output of what stands in for an ONNX operator; undefined where the operator stays. */
function applySubstitute(
  b: GraphBuilder,
  node: Node,
  inputs: readonly (Value | undefined)[],
  target: Target,
): readonly Result[] | undefined {
  const substitute = node.domain === "" ? substitutes[target].get(node.op) : undefined;
  const before = b.nodes.length;
  const computed = substitute?.({ b, inputs, attributes: node.attributes, opset: b.opsets.get("") ?? 1 });
  if (!computed) return undefined;
  const made = new Set(b.nodes.slice(before).flatMap((added) => added.outputs));
  const values: readonly Value[] = "name" in computed ? [computed] : computed;
  return values.map((value, index) => [node.outputs[index]!, value, made.has(value.name)] as const);
}

/** A result for each output that is read. */
function applyRecipe(
  b: GraphBuilder,
  node: Node,
  inputs: readonly (Value | undefined)[],
  recipe: Recipe,
  read: ReadonlySet<string>,
): readonly Result[] {
  const { attributes } = node;
  const outputs = outputTypes(b, node, inputs);
  const needs = (output: number) => read.has(node.outputs[output] ?? "");
  const before = b.nodes.length;
  const values = b.within(node.name, () => recipe({ b, node, attributes, inputs, outputs, needs }));
  const made = new Set(b.nodes.slice(before).flatMap((added) => added.outputs));
  return node.outputs.flatMap((name, index) => {
    if (!needs(index)) return [];
    const value = checkedOutput(node, index, values[index], outputs[index]!);
    return [[name, value, made.has(value.name)] as const];
  });
}

function valueNames(graph: Graph): ReadonlySet<string> {
  const names = new Set([...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]);
  for (const node of graph.nodes) for (const name of node.outputs) if (name !== "") names.add(name);
  return names;
}

function addInput(
  b: GraphBuilder,
  { name, dtype, shape }: ValueInfo,
  lowered: LoweredValues,
  form: MatrixForm | undefined,
): void {
  const sizes = shape?.filter((size) => typeof size === "number");
  if (dtype && sizes && sizes.length === shape?.length) {
    const value = b.input(name, dtype, form ? shapeInBlocks(sizes, form) : sizes);
    lowered.place(name, form ? placedMatrix(form, value) : { plain: value }, { name, dtype, shape: sizes });
    return;
  }
  throw new IsonormError(
    "ISO_GRAPH_SHAPE",
    `graph input ${name} has type ${dtype ?? "unknown"} and shape [${shape?.map(String) ?? "unknown"}]`,
    "Fix every size before the graph is lowered",
  );
}

function renameValues(graph: Graph, names: ReadonlyMap<string, string>): Graph {
  const renamed = (name: string) => names.get(name) ?? name;
  return {
    ...graph,
    nodes: graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(renamed),
      outputs: node.outputs.map(renamed),
    })),
    outputs: graph.outputs.map((output) => ({ ...output, name: renamed(output.name) })),
  };
}
