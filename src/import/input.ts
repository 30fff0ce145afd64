import { IsonormError } from "../errors.js";
import { renameReads } from "../graph/index.js";
import { type Dimension, type Graph, int, ints, type Model, type Node, type Tensor } from "../onnx/index.js";

/** How a model takes its examples. */
export type InputLayout = "NCHW" | "NHWC" | "NHW" | "flat";

export interface ModelInput {
  readonly name: string;
  readonly layout: InputLayout;
  /** Channels of an image; undefined where the model does not fix them. */
  readonly channels: number | undefined;
  /** Size of an image that the model declares; undefined where it is free. */
  readonly height: number | undefined;
  readonly width: number | undefined;
  /** Whether it takes bytes, 0 to 255. */
  readonly bytes: boolean;
}

/**
 * What the model's one input takes, by its declaration: [N, C, H, W], [N, H, W, C], [N, H, W] or [N, features].
 *
 * @throws ISO_MODEL_UNSUITABLE where it has several inputs, or one that is neither an image nor a row of features
 */
export function describeInput({ inputs, nodes }: Graph): ModelInput {
  const [input] = inputs;
  if (!input || inputs.length > 1)
    throw unsuitable(
      `the model has ${inputs.length} inputs (${inputs.map(({ name }) => name).join(", ") || "none"})`,
      "Give a model with one input, the image or the row of features",
    );
  const { name, shape, dtype } = input;
  if (dtype !== undefined && dtype !== "float32" && dtype !== "uint8")
    throw unsuitable(`the model's input ${name} is of type ${dtype}`, "Give a model that takes images or numbers");
  const bytes = dtype === "uint8";
  const free = { channels: undefined, height: undefined, width: undefined };
  const rank = shape?.length ?? 4;
  if (rank === 2) return { name, layout: "flat", ...free, bytes };
  if (rank === 3) return { name, layout: "NHW", channels: 1, height: size(shape![1]), width: size(shape![2]), bytes };
  if (rank !== 4)
    throw unsuitable(
      `the model's input ${name} has ${rank} dimensions [${shape?.map((each) => each ?? "?").join(", ")}]`,
      "Give a model that takes images [N, C, H, W] or [N, H, W, C], or features [N, F]",
    );
  const [, second, third, fourth] = (shape ?? []) as readonly Dimension[];
  const isChannels = (dimension: Dimension): boolean => dimension === 1 || dimension === 3;
  // TensorFlow's exporter turns its channels-last input round at once.
  const turned = nodes.some(
    (node) => node.op === "Transpose" && node.inputs[0] === name && permutes(node, [0, 3, 1, 2]),
  );
  const last = turned || (isChannels(fourth) && !isChannels(second));
  return last
    ? { name, layout: "NHWC", channels: size(fourth), height: size(second), width: size(third), bytes }
    : { name, layout: "NCHW", channels: size(second), height: size(third), width: size(fourth), bytes };
}

/** The model with an input that takes our examples, and what had to be put before the old one. */
export interface FittedInput {
  readonly model: Model;
  /** In words: "repeats the grey channel three times". */
  readonly steps: readonly string[];
}

/**
 * Makes a model take preprocessed examples as isonorm has them: images [N, C, H, W], rows [N, features].
 *
 * @param shape - of one example
 * @throws ISO_MODEL_UNSUITABLE where they do not fit
 */
export function fitInput(model: Model, shape: readonly number[]): FittedInput {
  const { graph } = model;
  const input = describeInput(graph);
  const steps: string[] = [];
  const nodes: Node[] = [];
  const constants = new Map<string, Tensor>();
  let value = "isonorm_input";
  const put = (op: string, attributes: Node["attributes"], ...operands: string[]): void => {
    const output = `${value}_${op.toLowerCase()}`;
    nodes.push({ op, domain: "", name: output, inputs: [value, ...operands], outputs: [output], attributes });
    value = output;
  };
  const reshape = (target: readonly number[]): void => {
    const name = `${value}_shape`;
    constants.set(name, { dtype: "int64", shape: [target.length], data: BigInt64Array.from(target, BigInt) });
    put("Reshape", {}, name);
  };

  if (shape.length === 1) {
    if (input.layout !== "flat")
      throw unsuitable(
        `${describe(input)} takes images, and the data is a table`,
        "Give image data, or a model for tables",
      );
  } else {
    const [channels, height, width] = shape as readonly [number, number, number];
    const wanted = input.channels ?? channels;
    if (wanted !== channels) {
      if (channels !== 1)
        throw unsuitable(
          `${describe(input)} takes ${wanted} channel${wanted === 1 ? "" : "s"}, and the images have ${channels}`,
          "Give a model for colour images, or grey images",
        );
      const copies = Array.from({ length: wanted - 1 }, () => value);
      steps.push(`repeats the grey channel ${wanted} times`);
      put("Concat", { axis: int(1) }, ...copies);
    }
    if (input.layout === "NHWC") {
      steps.push("puts the channels last");
      put("Transpose", { perm: ints([0, 2, 3, 1]) });
    } else if (input.layout === "NHW") reshape([0, height, width]);
    else if (input.layout === "flat") {
      steps.push("puts the pixels in a row");
      reshape([0, -1]);
    }
  }
  // The old input is now made by the last step, or is our own.
  const rename = (name: string): string => (name === input.name ? value : name);
  return {
    steps,
    model: {
      ...model,
      graph: {
        ...graph,
        inputs: [{ name: "isonorm_input", dtype: "float32", shape: ["batch", ...shape] }],
        nodes: [...nodes, ...graph.nodes.map((node) => renameReads(node, rename))],
        initializers: new Map([...graph.initializers, ...constants]),
      },
    },
  };
}

function permutes(node: Node, permutation: readonly number[]): boolean {
  const perm = node.attributes.perm;
  return perm?.kind === "ints" && perm.value.join() === permutation.join();
}

const size = (dimension: Dimension): number | undefined =>
  typeof dimension === "number" && dimension > 0 ? dimension : undefined;

const describe = ({ name, layout }: ModelInput): string => `the model's input ${name} (${layout})`;

function unsuitable(what: string, remedy: string): IsonormError {
  return new IsonormError("ISO_MODEL_UNSUITABLE", what, remedy);
}
