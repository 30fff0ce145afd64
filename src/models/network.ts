import { Random } from "../data/core.js";
import { dropPathName, GraphBuilder, type Value } from "../graph/index.js";
import { elementCount, float, int, ints, type Model, string, type Tensor } from "../onnx/types.js";

/** What a built-in model is built for. */
export interface NetworkInput {
  /** Shape of one preprocessed example: [channels, height, width] or [features]. */
  readonly shape: readonly number[];
  readonly classes: number;
  /** Seed of the initial weights. */
  readonly seed: number;
  readonly head: HeadSettings;
}

/** The scale-invariant linear layer that ends every built-in model. */
export interface HeadSettings {
  /** S in logits = S * (W x) / ||W|| */
  readonly scale: number;
  readonly norm: "tensor" | "row";
  readonly features: "raw" | "unit";
}

export interface ConvolutionOptions {
  readonly kernel?: number;
  readonly stride?: number;
  readonly groups?: number;
  readonly bias?: boolean;
  /** What the weight's variance counts: the connections into an output, or those out of an input (both within a group). */
  readonly fan?: "in" | "out";
}

/** A model that can be built for any data of its kind. */
export interface Architecture {
  readonly name: string;
  /** The settings it was made with: they stand in run.json. */
  readonly settings: Readonly<Record<string, number | string | boolean | readonly number[]>>;
  readonly kind: "image" | "table" | "any";
  /**
   * The model as ONNX in inference form, with fresh weights: input `input` [batch, ...shape], output `logits` [batch, classes].
   * Throws ISO_MODEL_UNSUITABLE where the input's shape does not fit.
   */
  build(input: NetworkInput): Model;
}

/**
 * Layers with their weights, on a graph builder. The batch size is left open: layers use operators that do not depend on it.
 * Every weight is named after its layer (`stem.conv.weight`) and drawn from a generator of its own, so that adding a layer
 * does not change the others.
 */
export class Network {
  readonly b = new GraphBuilder({ opset: 21 });
  readonly input: Value;
  readonly #seed: number;

  constructor(input: NetworkInput) {
    this.#seed = input.seed;
    // The builder works with a batch of 1; `finish` opens that dimension.
    this.input = this.b.input("input", "float32", [1, ...input.shape]);
  }

  /** A weight from N(0, 2 / fan) (He et al. 2015, arXiv 1502.01852: eq. 10 with the fan-in, eq. 14 with the fan-out). */
  heNormal(name: string, shape: readonly number[], fan: number): Value {
    return this.normal(name, shape, Math.sqrt(2 / fan));
  }

  /** A weight from N(0, deviation^2); `within` draws again what lies further than so many deviations from 0. */
  normal(name: string, shape: readonly number[], deviation: number, within = Number.POSITIVE_INFINITY): Value {
    const random = new Random(this.#seed, "weight", name);
    const data = new Float32Array(elementCount(shape));
    for (let index = 0; index < data.length; index++) {
      let value = random.normal();
      while (Math.abs(value) > within) value = random.normal();
      data[index] = deviation * value;
    }
    return this.b.initializer(name, { dtype: "float32", shape, data });
  }

  filled(name: string, length: number, value: number): Value {
    return this.b.initializer(name, vector(new Float32Array(length).fill(value)));
  }

  /** Convolution, without bias unless asked for; weight from N(0, 2 / fan-in), or the fan-out. x: [batch, channels, height, width] */
  convolution(
    name: string,
    x: Value,
    channels: number,
    { kernel = 3, stride = 1, groups = 1, bias = false, fan = "in" }: ConvolutionOptions = {},
  ): Value {
    const perGroup = x.shape[1]! / groups;
    const connections = kernel * kernel * (fan === "in" ? perGroup : channels / groups);
    const weight = this.heNormal(`${name}.weight`, [channels, perGroup, kernel, kernel], connections);
    const pad = (kernel - 1) >> 1;
    return this.b.op(
      "Conv",
      [x, weight, bias ? this.filled(`${name}.bias`, channels, 0) : undefined],
      {
        kernel_shape: ints([kernel, kernel]),
        strides: ints([stride, stride]),
        pads: ints([pad, pad, pad, pad]),
        dilations: ints([1, 1]),
        group: int(groups),
      },
      { name },
    );
  }

  /** Batch normalisation with gamma 1 and beta 0; running statistics as initializers. x: [batch, channels, ...] */
  batchNormalization(name: string, x: Value, { momentum = 0.9, epsilon = 1e-5 } = {}): Value {
    const channels = x.shape[1]!;
    return this.b.op(
      "BatchNormalization",
      [
        x,
        this.filled(`${name}.weight`, channels, 1),
        this.filled(`${name}.bias`, channels, 0),
        this.filled(`${name}.running_mean`, channels, 0),
        this.filled(`${name}.running_var`, channels, 1),
      ],
      { epsilon: float(epsilon), momentum: float(momentum) },
      { name },
    );
  }

  /** Fully connected layer without bias. x: [batch, features] */
  linear(name: string, x: Value, features: number): Value {
    const weight = this.heNormal(`${name}.weight`, [features, x.shape[1]!], x.shape[1]!);
    return this.b.op("Gemm", [x, weight], { transB: int(1) }, { name });
  }

  /** Mean over the positions. x: [batch, channels, height, width]; returns [batch, channels] */
  globalAverage(x: Value): Value {
    return this.b.op("Flatten", [this.b.op("GlobalAveragePool", [x])], { axis: int(1) });
  }

  /** Drops elements in training: each with that probability, the others divided by 1 - probability. Nothing in inference. */
  dropout(name: string, x: Value, probability: number): Value {
    return probability === 0 ? x : this.b.op("Dropout", [x, this.b.scalar(probability)], {}, { name });
  }

  /** Drops whole examples of a residual branch in training, see graph/dropPath. x: [batch, ...] */
  dropPath(block: string, x: Value, probability: number): Value {
    return this.dropout(`${block}.${dropPathName}`, x, probability);
  }

  /** The scale-invariant classifier (the method, equation in method/scaleInvariantLinear). x: [batch, features] */
  classifier(x: Value, classes: number, head: HeadSettings): Value {
    const weight = this.heNormal("classifier.weight", [classes, x.shape[1]!], 2 * x.shape[1]!);
    return this.b.op(
      "ScaleInvariantLinear",
      [x, weight],
      { scale: float(head.scale), norm: string(head.norm), features: string(head.features) },
      { domain: "isonorm", name: "classifier" },
    );
  }

  finish(name: string, logits: Value): Model {
    this.b.output("logits", logits);
    const graph = this.b.finish(name);
    const open = (shape: readonly (number | string | undefined)[] | undefined) => ["batch", ...(shape ?? []).slice(1)];
    return {
      graph: {
        ...graph,
        inputs: graph.inputs.map((value) => ({ ...value, shape: open(value.shape) })),
        outputs: graph.outputs.map((value) => ({ ...value, shape: open(value.shape) })),
      },
      irVersion: 10,
      opsets: new Map([
        ["", 21],
        ["isonorm", 1],
      ]),
      producerName: "isonorm",
      producerVersion: "",
      metadata: new Map(),
    };
  }
}

function vector(data: Float32Array): Tensor {
  return { dtype: "float32", shape: [data.length], data };
}
