import type { GraphBuilder, Value } from "../../graph/index.js";
import { runGraph } from "../../graph/ortOracle.js";
import { expandScaleInvariantLinear } from "../../method/index.js";
import { type Dimension, elementCount, type Graph, int, ints, type Model, type Tensor } from "../../onnx/index.js";

export const tensor = (shape: readonly number[], seed = 1): Tensor & { dtype: "float32" } => ({
  dtype: "float32",
  shape,
  data: Float32Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(seed * 17 + 3.7 * i) / 2),
});

export function modelOf(
  b: GraphBuilder,
  shape: readonly Dimension[],
  change: (graph: Graph) => Graph = (graph) => graph,
): Model {
  const graph = b.finish("foreign");
  const open = { ...graph, inputs: graph.inputs.map((input) => ({ ...input, shape })) };
  return {
    graph: change(open),
    irVersion: 8,
    opsets: new Map([["", b.opsets.get("")!]]),
    producerName: "elsewhere",
    producerVersion: "",
    metadata: new Map(),
  };
}

export const options = (shape: readonly number[], classes = ["a", "b", "c"]) =>
  ({ shape, classes, seed: 3, norm: "tensor", features: "raw" }) as const;

/** Output of a model without isonorm's own operators, for a given input. */
export async function outputOf(
  model: Model,
  name: string,
  shape: readonly number[],
  data: Float32Array,
): Promise<Float32Array> {
  const { Tensor: OrtTensor } = await import("onnxruntime-node");
  const graph: Graph = {
    ...expandScaleInvariantLinear(model.graph),
    inputs: model.graph.inputs.map((input) => ({ ...input, shape })),
    outputs: [{ name, dtype: undefined, shape: undefined }],
  };
  const opsets = new Map([...model.opsets].filter(([domain]) => domain !== "isonorm"));
  const feeds = { [model.graph.inputs[0]!.name]: new OrtTensor("float32", data, shape) };
  return (await runGraph(graph, opsets, feeds))[0]!.data as Float32Array;
}

export const difference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (value, index) => Math.abs(value - b[index]!)));

/** A convolution, a ReLU, a mean over the picture and a linear layer, as different exporters write them. */
export function small(x: Value, b: GraphBuilder, linear: (features: Value) => Value): void {
  const y = b.relu(b.op("Conv", [x, b.initializer("conv", tensor([4, 3, 3, 3]))], { kernel_shape: ints([3, 3]) }));
  b.output("scores", linear(b.op("Flatten", [b.op("GlobalAveragePool", [y])], { axis: int(1) })));
}
