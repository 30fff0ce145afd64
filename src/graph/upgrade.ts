import { IsonormError } from "../errors.js";
import {
  type Attributes,
  type Graph,
  int,
  type Model,
  type Node,
  string,
  type Tensor,
  type ValueInfo,
} from "../onnx/types.js";
import {
  attributeFloat,
  attributeFloats,
  attributeInt,
  attributeInts,
  attributeString,
  attributeTensor,
} from "./attributes.js";

/** The operator set of ai.onnx that isonorm's own graphs use. */
export const currentOpset = 21;

/** ONNX Runtime runs models from this one on; before it, broadcasting was another. */
const oldestOpset = 7;

/**
 * The model with its ai.onnx nodes brought to operator set 21, so that everything that reads or adds nodes meets one form of each
 * operator: axes, splits, bounds and the like as inputs instead of attributes, Upsample as Resize, the two-axis Softmax of old spelt
 * out. The model computes what it did. One that is of operator set 21 or newer comes back as it is.
 *
 * @throws ISO_ONNX_UNSUPPORTED below operator set 7, and for the few nodes that have no equal in operator set 21
 */
export function upgrade(model: Model): Model {
  const opset = model.opsets.get("") ?? currentOpset;
  if (opset >= currentOpset) return model;
  if (opset < oldestOpset)
    throw new IsonormError(
      "ISO_ONNX_UNSUPPORTED",
      `the model is of ai.onnx operator set ${opset}`,
      `Export it with operator set ${oldestOpset} or newer, or convert it with onnx.version_converter`,
    );
  const upgrading = new Upgrading(model.graph, opset);
  const graph = upgrading.graph(model.graph);
  return {
    ...model,
    graph: { ...graph, initializers: new Map([...graph.initializers, ...upgrading.constants]) },
    opsets: new Map([...model.opsets, ["", currentOpset]]),
  };
}

/** One node to the nodes that take its place. */
type Rule = (node: Node, upgrading: Upgrading) => readonly Node[];

class Upgrading {
  /** Constants that the new nodes read; graphs in attributes see them too. */
  readonly constants = new Map<string, Tensor>();
  readonly #names: Set<string>;
  readonly #types: ReadonlyMap<string, ValueInfo>;

  constructor(
    readonly main: Graph,
    readonly opset: number,
  ) {
    this.#names = new Set(allNames(main));
    this.#types = new Map([...main.valueInfo, ...main.inputs, ...main.outputs].map((info) => [info.name, info]));
  }

  graph(graph: Graph): Graph {
    return { ...graph, nodes: graph.nodes.flatMap((node) => this.node(node)) };
  }

  node(node: Node): readonly Node[] {
    const attributes = Object.entries(node.attributes).map(([name, attribute]) => {
      if (attribute.kind === "graph") return [name, { ...attribute, value: this.graph(attribute.value) }] as const;
      if (attribute.kind === "graphs")
        return [name, { ...attribute, value: attribute.value.map((graph) => this.graph(graph)) }] as const;
      return [name, attribute] as const;
    });
    const rule = node.domain === "" || node.domain === "ai.onnx" ? rules.get(node.op) : undefined;
    const inner = { ...node, attributes: Object.fromEntries(attributes) };
    return rule && this.opset < rule.until ? rule.apply(inner, this) : [inner];
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

  /** A scalar of the type that the file gives for the node's first input or output, by default float32. */
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

  /** The rank of an elementwise node's values, where the file says. */
  rank(node: Node): number | undefined {
    return (this.#types.get(node.inputs[0] ?? "") ?? this.#types.get(node.outputs[0] ?? ""))?.shape?.length;
  }

  /** The contents of an initializer or Constant node of the main graph. */
  constantNumbers(name: string): readonly number[] | undefined {
    const maker = this.main.nodes.find(({ op, outputs }) => op === "Constant" && outputs[0] === name);
    const tensor = this.main.initializers.get(name) ?? (maker && attributeTensor(maker.attributes, "value"));
    return tensor && Array.from<unknown, number>(tensor.data as ArrayLike<number | bigint>, Number);
  }

  #constant(node: Node, label: string, tensor: Tensor): string {
    const name = this.fresh(`${node.name || node.outputs[0]}/${label}`);
    this.constants.set(name, tensor);
    return name;
  }
}

function allNames(graph: Graph): readonly string[] {
  const inner = graph.nodes.flatMap(({ attributes }) =>
    Object.values(attributes).flatMap((attribute) => {
      if (attribute.kind === "graph") return allNames(attribute.value);
      return attribute.kind === "graphs" ? attribute.value.flatMap(allNames) : [];
    }),
  );
  return [
    ...graph.initializers.keys(),
    ...graph.inputs.map(({ name }) => name),
    ...graph.nodes.flatMap(({ outputs }) => outputs),
    ...inner,
  ];
}

function without(attributes: Attributes, ...names: readonly string[]): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)));
}

/** An integer list that was an attribute becomes the second input. */
const asInput =
  (name: string): Rule =>
  (node, upgrading) => {
    const numbers = attributeInts(node.attributes, name);
    const attributes = without(node.attributes, name);
    if (!numbers) return [{ ...node, attributes }];
    return [{ ...node, inputs: [node.inputs[0]!, upgrading.integers(node, name, numbers)], attributes }];
  };

/** Outputs named, without a list of sizes, are equal parts; since operator set 18 their number is an attribute. */
const split: Rule = (node, upgrading) => {
  const [changed] = upgrading.opset < 13 ? asInput("split")(node, upgrading) : [node];
  if (changed!.inputs[1]) return [changed!];
  return [{ ...changed!, attributes: { ...changed!.attributes, num_outputs: int(node.outputs.length) } }];
};

const slice: Rule = (node, upgrading) => {
  const [starts, ends, axes] = ["starts", "ends", "axes"].map((name) => {
    const numbers = attributeInts(node.attributes, name);
    return numbers ? upgrading.integers(node, name, numbers) : "";
  });
  const inputs = [node.inputs[0]!, starts!, ends!, ...(axes ? [axes] : [])];
  return [{ ...node, inputs, attributes: {} }];
};

const pad: Rule = (node, upgrading) => {
  const pads = upgrading.integers(node, "pads", attributeInts(node.attributes, "pads") ?? []);
  const value = attributeFloat(node.attributes, "value", 0);
  const inputs = [node.inputs[0]!, pads, ...(value === 0 ? [] : [upgrading.scalar(node, "value", value)])];
  return [{ ...node, inputs, attributes: without(node.attributes, "pads", "value") }];
};

const clip: Rule = (node, upgrading) => {
  const bounds = ["min", "max"].map((name) => {
    const bound = attributeFloat(node.attributes, name);
    return bound === undefined ? "" : upgrading.scalar(node, name, bound);
  });
  return [{ ...node, inputs: [node.inputs[0]!, ...bounds], attributes: {} }];
};

const dropout: Rule = (node, upgrading) => {
  const ratio = upgrading.scalar(node, "ratio", attributeFloat(node.attributes, "ratio", 0.5));
  return [{ ...node, inputs: [node.inputs[0]!, ratio], attributes: without(node.attributes, "ratio") }];
};

const topK: Rule = (node, upgrading) => {
  const k = upgrading.integers(node, "k", [attributeInt(node.attributes, "k", 1)]);
  return [{ ...node, inputs: [node.inputs[0]!, k], attributes: without(node.attributes, "k") }];
};

/**
 * Before operator set 13 the shape was taken as two axes, before and from `axis` on, and the softmax ran over the second whole. With the
 * last axis that is today's.
 */
const softmax: Rule = (node, upgrading) => {
  const axis = attributeInt(node.attributes, "axis", 1);
  const rank = upgrading.rank(node);
  if (axis === -1 || (rank !== undefined && (axis === rank - 1 || axis + rank === rank - 1)))
    return [{ ...node, attributes: { axis: int(-1) } }];
  const [x, y] = [node.inputs[0]!, node.outputs[0]!];
  const [shape, flat, result] = ["shape", "flat", "result"].map((label) => upgrading.fresh(`${y}/${label}`));
  const make = (op: string, inputs: string[], output: string, attributes: Attributes = {}): Node => ({
    op,
    domain: "",
    name: `${node.name || y}/${op}`,
    inputs,
    outputs: [output],
    attributes,
  });
  return [
    make("Shape", [x], shape!),
    make("Flatten", [x], flat!, { axis: int(axis) }),
    { ...node, inputs: [flat!], outputs: [result!], attributes: { axis: int(-1) } },
    make("Reshape", [result!, shape!], y),
  ];
};

/**
 * Until operator set 10 a pixel's position was its index divided by the scale, and "nearest" rounded it down, or up where the scale is below 1
 * (so ONNX Runtime does it).
 */
const resize: Rule = (node, upgrading) => {
  const given = attributeFloats(node.attributes, "scales");
  const scales = given ? upgrading.floats(node, "scales", given) : node.inputs[1]!;
  const mode = attributeString(node.attributes, "mode", "nearest");
  const numbers = mode === "nearest" ? (given ?? upgrading.constantNumbers(scales)) : [];
  if (!numbers) throw withoutEqual(node, "scales that are not constant");
  const shrinks = numbers.some((scale) => scale < 1);
  if (shrinks && numbers.some((scale) => scale > 1)) throw withoutEqual(node, "scales below and above 1");
  return [
    {
      ...node,
      op: "Resize",
      inputs: [node.inputs[0]!, "", scales],
      attributes: {
        mode: string(mode === "bilinear" ? "linear" : mode),
        coordinate_transformation_mode: string("asymmetric"),
        nearest_mode: string(shrinks ? "ceil" : "floor"),
      },
    },
  ];
};

/** Five outputs meant training; of these today's first three are left. */
const batchNormalization: Rule = (node) => {
  if (attributeInt(node.attributes, "spatial", 1) !== 1) throw withoutEqual(node, "spatial = 0");
  const training = node.outputs.slice(1).some((name) => name !== "");
  if (!training)
    return [{ ...node, outputs: node.outputs.slice(0, 1), attributes: without(node.attributes, "spatial") }];
  const attributes = { ...without(node.attributes, "spatial"), training_mode: int(1) };
  return [{ ...node, outputs: node.outputs.slice(0, 3), attributes }];
};

/** Scale and bias, one number a group, are repeated for each of the group's channels: [G] -> [G, 1] -> [G, C / G] -> [C]. */
const groupNormalization: Rule = (node, upgrading) => {
  const name = node.name || node.outputs[0]!;
  const groups = attributeInt(node.attributes, "num_groups", 1);
  const make = (op: string, inputs: string[], attributes: Attributes = {}): Node => {
    const output = upgrading.fresh(`${name}/${op}`);
    return { op, domain: "", name: output, inputs, outputs: [output], attributes };
  };
  const one = upgrading.integers(node, "one", [1]);
  const channels = make("Shape", [node.inputs[0]!], { start: int(1), end: int(2) });
  const share = make("Div", [channels.outputs[0]!, upgrading.integers(node, "groups", [groups])]);
  const target = make("Concat", [one, share.outputs[0]!], { axis: int(0) });
  const repeat = (vector: string): readonly Node[] => {
    const column = make("Unsqueeze", [vector, one]);
    const wide = make("Expand", [column.outputs[0]!, target.outputs[0]!]);
    return [column, wide, make("Reshape", [wide.outputs[0]!, upgrading.integers(node, "all", [-1])])];
  };
  const [scale, bias] = [repeat(node.inputs[1]!), repeat(node.inputs[2]!)];
  const inputs = [node.inputs[0]!, scale.at(-1)!.outputs[0]!, bias.at(-1)!.outputs[0]!];
  return [channels, share, target, ...scale, ...bias, { ...node, inputs }];
};

function withoutEqual(node: Node, what: string): IsonormError {
  return new IsonormError(
    "ISO_ONNX_UNSUPPORTED",
    `node ${node.name || node.outputs[0]} (${node.op}) has ${what}, which newer operator sets do not know`,
    `Export the model with operator set ${currentOpset}`,
  );
}

/** Operators whose form or meaning changed, each with the operator set that changed it. */
const rules: ReadonlyMap<string, { readonly until: number; readonly apply: Rule }> = new Map([
  ...["Softmax", "LogSoftmax", "Hardmax"].map((op) => [op, { until: 13, apply: softmax }] as const),
  ...["Squeeze", "Unsqueeze", "ReduceSum"].map((op) => [op, { until: 13, apply: asInput("axes") }] as const),
  ...["Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"].map(
    (name) => [`Reduce${name}`, { until: 18, apply: asInput("axes") }] as const,
  ),
  ["Split", { until: 18, apply: split }],
  ["Slice", { until: 10, apply: slice }],
  ["Pad", { until: 11, apply: pad }],
  ["Clip", { until: 11, apply: clip }],
  ["Dropout", { until: 12, apply: dropout }],
  ["TopK", { until: 10, apply: topK }],
  ["Upsample", { until: 10, apply: resize }],
  ["Resize", { until: 11, apply: resize }],
  ["Scatter", { until: 11, apply: (node) => [{ ...node, op: "ScatterElements" }] }],
  ["BatchNormalization", { until: 14, apply: batchNormalization }],
  ["GroupNormalization", { until: 21, apply: groupNormalization }],
]);
