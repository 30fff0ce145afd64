import { IsonormError } from "../../errors.js";
import type { DataType, Dimension, Graph, Model, Node, Tensor, ValueInfo } from "../../onnx/types.js";
import { allNames, mapGraphs, producers } from "../rewrite/index.js";
import { hoistConstants, storedConstant } from "../unroll/index.js";
import { onnxAttention } from "./attention.js";
import { contributedRules } from "./contributed.js";
import { droppedRules } from "./dropped.js";
import { fusedRules } from "./fused.js";
import { fusedAttention } from "./fusedAttention.js";
import { machineLearningRules } from "./machineLearning.js";
import { currentOpset } from "./opset.js";
import { rotaryEmbedding } from "./rotary.js";
import { type Rule, rules, type Surroundings } from "./rules.js";

/** ONNX Runtime runs models from this one on; before it, broadcasting was another. */
const oldestOpset = 7;

/** The newest operator set of ONNX Runtime 1.30. */
const newestOpset = 26;

/** Large networks have some ten thousand; with gradients a step has several times as many nodes. */
const mostValues = 50_000;

/** The file format's version that came with operator set 21. From 4 on, initializers need not be inputs as well. */
const irVersion = 10;

/**
 * The model with its ai.onnx nodes brought to operator set 21, so that everything that reads or adds nodes meets one form of each
 * operator: axes, splits, bounds and the like as inputs instead of attributes, Upsample as Resize, the two-axis Softmax of old spelt
 * out. Nodes that ONNX Runtime's optimizer fused (FusedConv, SkipLayerNormalization, attention), other operators of com.microsoft, linear models of
 * ai.onnx.ml and what ONNX dropped become the operators that they stand for; one of a form that has no rule stays. Constants of graphs in attributes become
 * initializers of the main graph. The model computes what it did; one without anything to change comes back as it is.
 *
 * @throws ISO_ONNX_UNSUPPORTED below operator set 7 and above the newest that ONNX Runtime reads, for graphs of more than 50,000 values, for the few nodes that have no equal in operator set 21, and for weights in a processor's layout
 */
export function upgrade(model: Model): Model {
  const opset = model.opsets.get("") ?? currentOpset;
  if (opset < oldestOpset)
    throw new IsonormError(
      "ISO_ONNX_UNSUPPORTED",
      `the model is of ai.onnx operator set ${opset}`,
      `Export it with operator set ${oldestOpset} or newer, or convert it with onnx.version_converter`,
    );
  if (opset > newestOpset)
    throw new IsonormError(
      "ISO_ONNX_UNSUPPORTED",
      `the model is of ai.onnx operator set ${opset}, newer than what ONNX Runtime reads`,
      `Export it with operator set ${newestOpset} or older`,
    );
  const values = model.graph.nodes.reduce((count, { outputs }) => count + outputs.length, 0);
  if (values > mostValues)
    throw new IsonormError(
      "ISO_ONNX_UNSUPPORTED",
      `the model's nodes make ${values} values, more than the ${mostValues} that a training step can be compiled from`,
      "Simplify the model",
    );
  const main = hoistConstants(model.graph);
  const upgrading = new Upgrading(main, opset);
  const graph = upgrading.graph(main);
  if (opset >= currentOpset && !upgrading.changed && main === model.graph) return model;
  return {
    ...model,
    irVersion: Math.max(model.irVersion, irVersion),
    graph: { ...graph, initializers: new Map([...graph.initializers, ...upgrading.constants]) },
    opsets: new Map([...model.opsets, ["", Math.max(opset, currentOpset)]]),
  };
}

class Upgrading implements Surroundings {
  /** Constants that the new nodes read; graphs in attributes see them too. */
  readonly constants = new Map<string, Tensor>();
  /** Whether a node was rewritten. */
  changed = false;
  readonly #names: Set<string>;
  readonly #types: ReadonlyMap<string, ValueInfo>;
  readonly #makers: ReadonlyMap<string, Node>;

  constructor(
    readonly main: Graph,
    readonly opset: number,
  ) {
    this.#names = new Set(allNames(main));
    this.#makers = producers(main);
    this.#types = new Map([...main.valueInfo, ...main.inputs, ...main.outputs].map((info) => [info.name, info]));
  }

  graph(graph: Graph): Graph {
    return { ...graph, nodes: graph.nodes.flatMap((node) => this.node(node)) };
  }

  node(node: Node): readonly Node[] {
    const inner = mapGraphs(node, (graph) => this.graph(graph));
    const rule = this.#rule(node);
    const nodes = rule?.(inner, this);
    if (!nodes) return [inner];
    this.changed ||= nodes[0] !== inner;
    return nodes;
  }

  #rule(node: Node): Rule | undefined {
    if (node.domain === "com.microsoft.nchwc") throw blocked(node);
    if (node.domain === "com.microsoft")
      return fusedRules.get(node.op) ?? fusedAttention.get(node.op) ?? contributedRules.get(node.op);
    if (node.domain === "ai.onnx.ml") return machineLearningRules.get(node.op);
    if (node.domain !== "" && node.domain !== "ai.onnx") return undefined;
    if (node.op === "Attention") return onnxAttention;
    if (node.op === "RotaryEmbedding") return rotaryEmbedding;
    const always = droppedRules.get(node.op);
    if (always) return always;
    const rule = rules.get(node.op);
    return rule && this.opset < rule.until ? rule.apply : undefined;
  }

  fresh(base: string): string {
    let name = base;
    for (let count = 1; this.#names.has(name); count++) name = `${base}_${count}`;
    this.#names.add(name);
    return name;
  }

  integers(node: Node, label: string, numbers: readonly number[]): string {
    const data = BigInt64Array.from(numbers, BigInt);
    return this.#constant(node, label, { dtype: "int64", shape: [numbers.length], data });
  }

  integer(node: Node, label: string, number: number): string {
    return this.#constant(node, label, { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(number)) });
  }

  scalar(node: Node, label: string, number: number): string {
    const dtype = [node.inputs[0], node.outputs[0]].map((name) => this.#types.get(name ?? "")?.dtype).find(Boolean);
    const tensor: Tensor =
      dtype === "float64"
        ? { dtype, shape: [], data: Float64Array.of(number) }
        : { dtype: "float32", shape: [], data: Float32Array.of(number) };
    return this.#constant(node, label, tensor);
  }

  floats(node: Node, label: string, numbers: readonly number[]): string {
    return this.#constant(node, label, { dtype: "float32", shape: [numbers.length], data: Float32Array.from(numbers) });
  }

  matrix(node: Node, label: string, shape: readonly [number, number], numbers: readonly number[]): string {
    return this.#constant(node, label, { dtype: "float32", shape, data: Float32Array.from(numbers) });
  }

  strings(node: Node, label: string, values: readonly string[]): string {
    return this.#constant(node, label, { dtype: "string", shape: [values.length], data: values });
  }

  rank(node: Node): number | undefined {
    return (this.#types.get(node.inputs[0] ?? "") ?? this.#types.get(node.outputs[0] ?? ""))?.shape?.length;
  }

  makerOf(name: string): Node | undefined {
    return this.#makers.get(name);
  }

  typeOf(name: string): { dtype?: DataType | undefined; shape?: readonly Dimension[] | undefined } {
    return this.#types.get(name) ?? this.main.initializers.get(name) ?? {};
  }

  constantNumbers(name: string): readonly number[] | undefined {
    const maker = this.makerOf(name);
    const tensor = this.main.initializers.get(name) ?? (maker && storedConstant(maker));
    return tensor && Array.from<unknown, number>(tensor.data as ArrayLike<number | bigint>, Number);
  }

  #constant(node: Node, label: string, tensor: Tensor): string {
    const name = this.fresh(`${node.name || node.outputs[0]}/${label}`);
    this.constants.set(name, tensor);
    return name;
  }
}

function blocked(node: Node): IsonormError {
  return new IsonormError(
    "ISO_ONNX_UNSUPPORTED",
    `node ${node.name || node.outputs[0]} (${node.op}) has its weights in the layout of one processor: ONNX Runtime saved the model at ` +
      "optimization level all",
    "Take the model from before, or save it at level extended",
  );
}
