import { GraphBuilder, type Value } from "../../graph/index.js";
import { type Attributes, float, type Graph, int, ints } from "../../onnx/types.js";
import { randomTensor, tensor } from "./run.js";

/** Short hands for graphs in which every node and weight has the name that a reason should mention. */
export class Net {
  readonly b = new GraphBuilder();
  #seed = 1;

  weight(name: string, ...shape: number[]): Value {
    return this.b.initializer(name, randomTensor(shape, this.#seed++));
  }

  image(): Value {
    return this.b.input("x", "float32", [3, 4, 6, 6]);
  }

  table(): Value {
    return this.b.input("x", "float32", [5, 4]);
  }

  op(
    name: string,
    op: string,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes = {},
    domain = "",
  ): Value {
    return this.b.op(op, inputs, attributes, { name, domain });
  }

  conv(name: string, x: Value, options: { bias?: boolean; weight?: Value; group?: number } = {}): Value {
    const group = options.group ?? 1;
    const weight = options.weight ?? this.weight(`${name}.weight`, 4, x.shape[1]! / group, 3, 3);
    const inputs = options.bias ? [x, weight, this.weight(`${name}.bias`, 4)] : [x, weight];
    return this.op(name, "Conv", inputs, { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]), group: int(group) });
  }

  gemm(name: string, x: Value, width: number, bias = false): Value {
    const inputs = [x, this.weight(`${name}.weight`, width, x.shape[1]!)];
    if (bias) inputs.push(this.weight(`${name}.bias`, width));
    return this.op(name, "Gemm", inputs, { transB: int(1) });
  }

  /** Gain and bias are random like any weight; running statistics are there and not used in training. */
  bn(name: string, x: Value): Value {
    const channels = x.shape[1]!;
    const parts = ["gamma", "beta"].map((part) => this.weight(`${name}.${part}`, channels));
    const statistics = ["mean", "var"].map((part) =>
      this.b.initializer(`${name}.${part}`, tensor([channels], Array(channels).fill(1))),
    );
    return this.op(name, "BatchNormalization", [x, ...parts, ...statistics], { epsilon: float(1e-5) });
  }

  relu = (name: string, x: Value) => this.op(name, "Relu", [x]);
  add = (name: string, a: Value, b: Value) => this.op(name, "Add", [a, b]);
  pool = (name: string, x: Value) =>
    this.b.op("Flatten", [this.op(name, "GlobalAveragePool", [x])], {}, { name: `${name}.flat` });

  finish(...outputs: readonly Value[]): Graph {
    for (const [index, value] of outputs.entries()) this.b.output(index === 0 ? "logits" : `other${index}`, value);
    return this.b.finish("net");
  }
}
