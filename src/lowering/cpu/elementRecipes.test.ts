import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { GraphBuilder, type Value } from "../../graph/index.js";
import { type Attributes, int, ints, type Tensor } from "../../onnx/types.js";
import { measureChannelBlock } from "../../train/index.js";
import { forcing, recipesOf, runLowered } from "../testing/recipes.js";
import { irregular, largestError } from "../testing/runAbstract.js";

const channelBlock = await measureChannelBlock({ createSession: InferenceSession.create, Tensor: OrtTensor });
/** float32 rounding of sums of up to some thousand terms */
const tolerance = 3e-6;
const shape = [5, 16, 6, 4];
const [inner, images, channels] = [24, 5, 16];

const dy = irregular(shape, 1);
/** Relu's output, and Clip's input and output: a third of it is cut off. */
const x = irregular(shape, 2);
const relu: Tensor = { ...x, data: x.data.map((value) => Math.max(0, value)) };
const clipped: Tensor = { ...x, data: x.data.map((value) => Math.min(0.5, Math.max(-0.4, value))) };
const where = (keep: (index: number) => boolean) => dy.data.map((value, index) => (keep(index) ? value : 0));

interface Case {
  readonly operator: string;
  readonly inputs: readonly Tensor[];
  readonly attributes?: Attributes;
  readonly expected: ArrayLike<number>;
}

const window = { kernel_shape: ints([2, 2]), strides: ints([2, 2]), pads: ints([0, 0, 0, 0]), dilations: ints([1, 1]) };
const overlapping = { ...window, kernel_shape: ints([3, 3]), strides: ints([1, 1]), pads: ints([1, 1, 1, 1]) };
const average = { input_shape: ints(shape), count_include_pad: int(1) };
const half = irregular([images, channels, 3, 2], 3);

/** Each window's share of dy for each place of x: all of it for the first of the largest, or an equal part. */
function pooled(share: "largest" | "equal", gradient: Tensor, size: number, stride: number, pad: number): Float64Array {
  const [rows, columns] = [shape[2]!, shape[3]!];
  const [outRows, outColumns] = gradient.shape.slice(2) as [number, number];
  const result = new Float64Array(x.data.length);
  for (let plane = 0; plane < images * channels; plane++)
    for (let window = 0; window < outRows * outColumns; window++) {
      const [row, column] = [Math.floor(window / outColumns) * stride - pad, (window % outColumns) * stride - pad];
      const places = Array.from({ length: size * size }, (_, tap) => [
        row + Math.floor(tap / size),
        column + (tap % size),
      ])
        .filter(([r, c]) => r! >= 0 && r! < rows && c! >= 0 && c! < columns)
        .map(([r, c]) => plane * inner + r! * columns + c!);
      const part = Number(gradient.data[plane * outRows * outColumns + window]);
      if (share === "equal") for (const place of places) result[place]! += part / size ** 2;
      else result[places.reduce((best, place) => (x.data[place]! > x.data[best]! ? place : best))]! += part;
    }
  return result;
}

/** MaxPool's output for windows of that size. */
function largest(gradient: Tensor, size: number, stride: number, pad: number): Tensor {
  const [outRows, outColumns] = gradient.shape.slice(2) as [number, number];
  const data = new Float32Array(gradient.data.length);
  for (let index = 0; index < data.length; index++) {
    const [plane, window] = [Math.floor(index / (outRows * outColumns)), index % (outRows * outColumns)];
    let most = Number.NEGATIVE_INFINITY;
    for (let tap = 0; tap < size * size; tap++) {
      const row = Math.floor(window / outColumns) * stride - pad + Math.floor(tap / size);
      const column = (window % outColumns) * stride - pad + (tap % size);
      if (row < 0 || row >= shape[2]! || column < 0 || column >= shape[3]!) continue;
      most = Math.max(most, x.data[plane * inner + row * shape[3]! + column]!);
    }
    data[index] = most;
  }
  return { ...gradient, dtype: "float32", data };
}

const perChannel = new Float64Array(channels);
x.data.forEach((value, index) => {
  perChannel[Math.floor(index / inner) % channels]! += value;
});

const cases: Readonly<Record<string, Case>> = {
  ReluGrad: { operator: "ReluGrad", inputs: [dy, relu], expected: where((index) => x.data[index]! > 0) },
  ClipGrad: {
    operator: "ClipGrad",
    inputs: [dy, x, clipped],
    expected: where((index) => x.data[index] === clipped.data[index]),
  },
  ChannelSum: { operator: "ChannelSum", inputs: [x], expected: perChannel },
  SumOfSquares: { operator: "SumOfSquares", inputs: [x], expected: [x.data.reduce((sum, one) => sum + one * one, 0)] },
  "MaxPoolGrad, windows side by side": {
    operator: "MaxPoolGrad",
    inputs: [x, largest(half, 2, 2, 0), half],
    attributes: window,
    expected: pooled("largest", half, 2, 2, 0),
  },
  "MaxPoolGrad, windows that overlap": {
    operator: "MaxPoolGrad",
    inputs: [x, largest(dy, 3, 1, 1), dy],
    attributes: overlapping,
    expected: pooled("largest", dy, 3, 1, 1),
  },
  "AveragePoolGrad, windows side by side": {
    operator: "AveragePoolGrad",
    inputs: [half],
    attributes: { ...window, ...average },
    expected: pooled("equal", half, 2, 2, 0),
  },
  "AveragePoolGrad, windows that overlap": {
    operator: "AveragePoolGrad",
    inputs: [dy],
    attributes: { ...overlapping, ...average },
    expected: pooled("equal", dy, 3, 1, 1),
  },
};

/** A graph of the operator; where `inBlocks`, its tensors of four axes come from a depthwise convolution with ones, which leaves them in blocks. */
function graphOf({ operator, inputs, attributes }: Case, inBlocks: boolean) {
  const b = new GraphBuilder();
  const ones = b.constant({ dtype: "float32", shape: [channels, 1, 1, 1], data: new Float32Array(channels).fill(1) });
  const identity = { kernel_shape: ints([1, 1]), group: int(channels) };
  const values = inputs.map(({ dtype, shape }, index): Value => {
    const value = b.input(`x${index}`, dtype, shape);
    return inBlocks ? b.op("Conv", [value, ones], identity) : value;
  });
  b.output("result", b.abstract(operator, values, attributes)[0]!);
  return b.finish(operator);
}

describe.each([
  { where: "on tensors as ONNX holds them", block: undefined, skip: false },
  { where: "in blocks of channels", block: channelBlock, skip: channelBlock === undefined },
])("every recipe is the definition, $where", ({ block, skip }) => {
  it.skipIf(skip).each(Object.entries(cases))("%s", async (_, one) => {
    const inBlocks = block !== undefined && one.operator !== "SumOfSquares";
    const graph = graphOf(one, inBlocks);
    const inputs = Object.fromEntries(one.inputs.map((tensor, index) => [`x${index}`, tensor]));
    const recipes = recipesOf(graph, one.operator, block);
    for (const recipe of recipes) {
      const costs = forcing(recipe, block);
      const { outputs } = await runLowered(graph, inputs, { channelBlock: block, costs });
      expect(largestError(outputs.result!, one.expected), recipe).toBeLessThan(tolerance);
    }
    if (inBlocks && /Sum|Average/.test(one.operator)) expect(recipes).toContain("blocks");
  });
});
