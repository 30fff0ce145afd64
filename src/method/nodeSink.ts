import type { GraphBuilder } from "../graph/index.js";
import { type Attributes, type Graph, int, ints, type Node, type Tensor } from "../onnx/types.js";

/**
 * Where a composition of operators is written: so that one text of a formula serves a graph under construction, whose shapes are
 * known, and a rewrite of a plain graph, whose shapes may be symbolic. Values are named by their names.
 */
export interface NodeSink {
  /** Adds a node with one output and returns that output's name, `output` where given. */
  op(op: string, inputs: readonly string[], attributes?: Attributes, output?: string): string;
  scalar(number: number): string;
  /** Sum over `axes`, or over all of them. */
  reduceSum(x: string, axes: readonly number[] | undefined, keepDimensions: boolean): string;
}

export function builderSink(b: GraphBuilder): NodeSink {
  return {
    op: (op, inputs, attributes, output) =>
      b.op(
        op,
        inputs.map((name) => b.value(name)),
        attributes,
        output === undefined ? {} : { outputNames: [output] },
      ).name,
    scalar: (number) => b.scalar(number).name,
    reduceSum: (x, axes, keepDimensions) => b.sum(b.value(x), axes, keepDimensions).name,
  };
}

/** A sink that copies a graph node by node, with other nodes in between. */
export interface GraphSink extends NodeSink {
  keep(node: Node): void;
  /** Adds an initializer; under the very name where it replaces the one that has it. Returns its name. */
  initializer(name: string, tensor: Tensor, options?: { replace?: boolean }): string;
  graph(): Graph;
}

export function graphSink(source: Graph, opset: number): GraphSink {
  const nodes: Node[] = [];
  const initializers = new Map(source.initializers);
  const taken = new Set<string>([
    ...source.inputs.map((value) => value.name),
    ...initializers.keys(),
    ...source.nodes.flatMap((node) => [node.name, ...node.outputs]),
  ]);
  const fresh = (base: string): string => {
    let name = base;
    for (let count = 1; taken.has(name); count++) name = `${base}_${count}`;
    taken.add(name);
    return name;
  };
  const sink: GraphSink = {
    op(op, inputs, attributes = {}, output) {
      const name = fresh(op);
      const made = output ?? fresh(`${name}/y`);
      nodes.push({ op, domain: "", name, inputs, outputs: [made], attributes });
      return made;
    },
    scalar: (number) => sink.initializer("constant", { dtype: "float32", shape: [], data: Float32Array.of(number) }),
    reduceSum(x, axes, keepDimensions) {
      const keepdims = int(keepDimensions ? 1 : 0);
      if (!axes) return sink.op("ReduceSum", [x], { keepdims });
      // ReduceSum takes its axes as an attribute before operator set 13 and as an input since.
      if (opset < 13) return sink.op("ReduceSum", [x], { keepdims, axes: ints(axes) });
      const data = BigInt64Array.from(axes, BigInt);
      return sink.op("ReduceSum", [x, sink.initializer("axes", { dtype: "int64", shape: [axes.length], data })], {
        keepdims,
      });
    },
    keep: (node) => nodes.push(node),
    initializer(name, tensor, { replace = false } = {}) {
      const key = replace ? name : fresh(name);
      initializers.set(key, tensor);
      return key;
    },
    graph: () => ({ ...source, nodes, initializers }),
  };
  return sink;
}
