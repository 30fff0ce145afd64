import { IsonormError } from "../errors.js";
import {
  type Attributes,
  type DataType,
  elementCount,
  type Graph,
  int,
  ints,
  type Node,
  onnxDataType,
  type Tensor,
} from "../onnx/types.js";
import { infer } from "./infer/index.js";
import type { Value } from "./value.js";

export type Operand = Value | undefined;

export interface OperatorOptions {
  readonly domain?: string;
  /** Name of the node; outputs are named after it. A number is appended where the name is taken. */
  readonly name?: string;
  /** Exact names for the outputs; "" for a name of the builder's making. So many outputs are made. */
  readonly outputNames?: readonly string[];
  /** How many outputs are wanted, where no names are given: optional ones (MaxPool's indices, Dropout's mask) are made only when asked for. */
  readonly outputs?: number;
}

/**
 * Builds a graph node by node. Every value's type is inferred as its node is added, so a mistake is reported where it is made,
 * and rules may read shapes at any time.
 *
 * @example
 * const b = new GraphBuilder({ opset: 21 });
 * const x = b.input("x", "float32", [8, 4]);
 * b.output("y", b.relu(b.matMul(x, b.initializer("w", weight))));
 * const graph = b.finish("example");
 */
export class GraphBuilder {
  /** Operator-set versions by domain. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly #nodes: Node[] = [];
  readonly #inputs: Value[] = [];
  readonly #outputs: Value[] = [];
  readonly #initializers = new Map<string, Tensor>();
  readonly #values = new Map<string, Value>();
  readonly #scalars = new Map<string, Value>();
  /** Names of values, and of nodes, each with the number to try next where it is asked for again. */
  readonly #taken = new Map<string, number>();
  readonly #nodeNames = new Map<string, number>();
  #scope = "";

  constructor(options: { opset?: number; opsets?: ReadonlyMap<string, number> } = {}) {
    this.opsets = new Map([["", options.opset ?? 21], ["isonorm", 1], ["com.microsoft", 1], ...(options.opsets ?? [])]);
  }

  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  get inputs(): readonly Value[] {
    return this.#inputs;
  }

  get outputs(): readonly Value[] {
    return this.#outputs;
  }

  /** The value of that name. Throws ISO_GRAPH_INVALID where there is none. */
  value(name: string): Value {
    const value = this.#values.get(name);
    if (!value)
      throw new IsonormError(
        "ISO_GRAPH_INVALID",
        `no value is named "${name}"`,
        "Check that it is made before it is used",
      );
    return value;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  input(name: string, dtype: DataType, shape: readonly number[]): Value {
    const value = this.#define({ name, dtype, shape });
    this.#inputs.push(value);
    return value;
  }

  initializer(name: string, tensor: Tensor): Value {
    const value = this.#define({ name, dtype: tensor.dtype, shape: tensor.shape, constant: tensor });
    this.#initializers.set(name, tensor);
    return value;
  }

  /** A constant with a name of its own making. */
  constant(tensor: Tensor, name = "constant"): Value {
    return this.initializer(this.freshName(name), tensor);
  }

  /** A float scalar; equal scalars share one initializer. */
  scalar(number: number, dtype: "float32" | "float64" = "float32"): Value {
    return this.#shared(`${dtype} ${Object.is(number, -0) ? "-0" : number}`, () =>
      dtype === "float32"
        ? { dtype, shape: [], data: Float32Array.of(number) }
        : { dtype, shape: [], data: Float64Array.of(number) },
    );
  }

  /** A one-dimensional int64 constant (shapes, axes); equal ones share one initializer. */
  int64(numbers: readonly number[]): Value {
    return this.#shared(`int64 ${numbers.join(",")}`, () => ({
      dtype: "int64",
      shape: [numbers.length],
      data: BigInt64Array.from(numbers, BigInt),
    }));
  }

  output(name: string, value: Value): void {
    const named = value.name === name ? value : this.add("Identity", [value], {}, { outputNames: [name] })[0]!;
    this.#outputs.push(named);
  }

  /** Marks an existing value as a graph output under its own name. */
  markOutput(value: Value): void {
    this.#outputs.push(value);
  }

  /**
   * Adds a node; returns its outputs in order: those asked for by `outputNames` or `outputs`, else those that the operator always has.
   * Throws ISO_GRAPH_SHAPE where the inputs do not fit the operator.
   */
  add(
    op: string,
    inputs: readonly Operand[],
    attributes: Attributes = {},
    options: OperatorOptions = {},
  ): readonly Value[] {
    const domain = options.domain ?? "";
    const name = freshName(this.#nodeNames, this.#scope + (options.name ?? op));
    const wanted = options.outputNames ?? Array.from({ length: options.outputs ?? 0 }, () => "");
    const draft: Node = {
      op,
      domain,
      name,
      inputs: inputs
        .slice(0, inputs.findLastIndex((value) => value !== undefined) + 1)
        .map((value) => value?.name ?? ""),
      outputs: wanted,
      attributes,
    };
    const types = infer({ node: draft, inputs, attributes, opset: this.opsets.get(domain) ?? 1 });
    if (wanted.length > types.length)
      throw new IsonormError(
        "ISO_GRAPH_SHAPE",
        `${op} (node ${name}) has ${types.length} outputs, not ${wanted.length}`,
        "Ask for fewer",
      );
    const outputs = types.slice(0, wanted.length || types.length).map((type, index) =>
      this.#define({
        ...type,
        name: wanted[index] || this.freshName(index === 0 ? `${name}/y` : `${name}/y${index}`),
      }),
    );
    this.#nodes.push({ ...draft, outputs: outputs.map((value) => value.name) });
    return outputs;
  }

  /** Puts `scope/` before the names of the nodes that `build` adds, so that a profile shows what they are there for. Scopes nest. */
  within<T>(scope: string, build: () => T): T {
    const outer = this.#scope;
    this.#scope = `${outer}${scope}/`;
    try {
      return build();
    } finally {
      this.#scope = outer;
    }
  }

  /** Adds a node and returns its first output. */
  op(op: string, inputs: readonly Operand[], attributes: Attributes = {}, options: OperatorOptions = {}): Value {
    return this.add(op, inputs, attributes, options)[0]!;
  }

  /** An abstract operator, for `lowering/` to turn into ONNX operators. */
  abstract(op: string, inputs: readonly Operand[], attributes: Attributes = {}, name?: string): readonly Value[] {
    return this.add(op, inputs, attributes, { domain: "isonorm", ...(name === undefined ? {} : { name }) });
  }

  identity = (x: Value) => this.op("Identity", [x]);
  plus = (a: Value, b: Value) => this.op("Add", [a, b]);
  minus = (a: Value, b: Value) => this.op("Sub", [a, b]);
  times = (a: Value, b: Value) => this.op("Mul", [a, b]);
  over = (a: Value, b: Value) => this.op("Div", [a, b]);
  negative = (x: Value) => this.op("Neg", [x]);
  sqrt = (x: Value) => this.op("Sqrt", [x]);
  exp = (x: Value) => this.op("Exp", [x]);
  log = (x: Value) => this.op("Log", [x]);
  relu = (x: Value) => this.op("Relu", [x]);
  square = (x: Value) => this.op("Mul", [x, x]);
  matMul = (a: Value, b: Value) => this.op("MatMul", [a, b]);
  where = (condition: Value, a: Value, b: Value) => this.op("Where", [condition, a, b]);
  cast = (x: Value, dtype: DataType) =>
    x.dtype === dtype ? x : this.op("Cast", [x], { to: int(onnxDataType[dtype]) });
  transpose = (x: Value, permutation: readonly number[]) => this.op("Transpose", [x], { perm: ints(permutation) });
  expand = (x: Value, shape: readonly number[]) => this.op("Expand", [x, this.int64(shape)]);

  /** x with the shape given; x itself where it has it. */
  reshape(x: Value, shape: readonly number[]): Value {
    if (sameShape(x.shape, shape)) return x;
    if (elementCount(x.shape) !== elementCount(shape))
      throw new IsonormError(
        "ISO_GRAPH_SHAPE",
        `cannot reshape [${x.shape}] to [${shape}] (value ${x.name})`,
        "Check the shapes",
      );
    return this.op("Reshape", [x, this.int64(shape)]);
  }

  /** Sum over axes; over all without axes, x itself over none. */
  sum(x: Value, axes?: readonly number[], keepDimensions = false): Value {
    return axes?.length === 0 ? x : this.reduce("ReduceSum", x, axes, keepDimensions);
  }

  /** Mean over axes; over all without axes, x itself over none. */
  mean(x: Value, axes?: readonly number[], keepDimensions = false): Value {
    return axes?.length === 0 ? x : this.reduce("ReduceMean", x, axes, keepDimensions);
  }

  /** The reduction `op` over axes. These are an input from opset 13 (ReduceSum) or 18 (the others) on, an attribute before. */
  reduce(op: `Reduce${string}`, x: Value, axes?: readonly number[], keepDimensions = false): Value {
    const keepdims = int(keepDimensions ? 1 : 0);
    if (!axes) return this.op(op, [x], { keepdims });
    return (this.opsets.get("") ?? 1) >= (op === "ReduceSum" ? 13 : 18)
      ? this.op(op, [x, this.int64(axes)], { keepdims })
      : this.op(op, [x], { axes: ints(axes), keepdims });
  }

  /** A name that no value has yet. */
  freshName(base: string): string {
    return freshName(this.#taken, base);
  }

  /** The graph built so far. Input and output types are concrete. */
  finish(name: string): Graph {
    return {
      name,
      nodes: [...this.#nodes],
      inputs: this.#inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
      outputs: this.#outputs.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
      initializers: new Map(this.#initializers),
      valueInfo: [],
    };
  }

  #shared(key: string, make: () => Tensor): Value {
    let value = this.#scalars.get(key);
    if (!value) {
      value = this.constant(make());
      this.#scalars.set(key, value);
    }
    return value;
  }

  #define(value: Value): Value {
    if (this.#values.has(value.name))
      throw new IsonormError(
        "ISO_GRAPH_INVALID",
        `two values are named "${value.name}"`,
        "Give each value a name of its own",
      );
    if (!this.#taken.has(value.name)) this.#taken.set(value.name, 1);
    this.#values.set(value.name, value);
    return value;
  }
}

/**
 * The name, or it with a number behind it that makes it new.
 *
 * @param taken - names given, each with the number to try next; the new one is added
 */
export function freshName(taken: Map<string, number>, base: string): string {
  let count = taken.get(base);
  if (count === undefined) {
    taken.set(base, 1);
    return base;
  }
  let name: string;
  do name = `${base}_${count++}`;
  while (taken.has(name));
  taken.set(base, count);
  taken.set(name, 1);
  return name;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dimension, index) => dimension === b[index]);
}
