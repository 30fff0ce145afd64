import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { GraphBuilder, type Value } from "../../../graph/index.js";
import { type Attributes, float, type Graph, int, ints, type Tensor } from "../../../onnx/types.js";
import { measureChannelBlock } from "../../../train/index.js";
import { convolutionGradients, outputSize } from "../../testing/convolutionReference.js";
import { runLowered } from "../../testing/recipes.js";
import { irregular, largestError } from "../../testing/runAbstract.js";

const channelBlock = await measureChannelBlock({ createSession: InferenceSession.create, Tensor: OrtTensor });
/** float32 rounding of sums of up to some thousand terms */
const tolerance = 3e-6;

async function run(graph: Graph, inputs: Readonly<Record<string, Tensor>>, channelBlock?: number) {
  const { graph: lowered, outputs } = await runLowered(graph, inputs, { channelBlock });
  const blockedNodes = lowered.nodes.filter(({ domain }) => domain !== "").map(({ op }) => op);
  return { blockedNodes, outputs };
}

/** Builds a graph on inputs of those shapes, and compares its outputs in blocks with those without. */
async function expectEqual(
  shapes: Readonly<Record<string, readonly number[]>>,
  build: (b: GraphBuilder, inputs: Readonly<Record<string, Value>>) => Readonly<Record<string, Value>>,
): Promise<readonly string[]> {
  const b = new GraphBuilder();
  const names = Object.keys(shapes);
  const values = Object.fromEntries(names.map((name) => [name, b.input(name, "float32", shapes[name]!)]));
  for (const [name, value] of Object.entries(build(b, values))) b.output(name, value);
  const graph = b.finish("test");
  const inputs = Object.fromEntries(names.map((name, index) => [name, irregular(shapes[name]!, index + 1)]));
  const [blocked, plain] = [await run(graph, inputs, channelBlock), await run(graph, inputs)];
  for (const [name, expected] of Object.entries(plain.outputs))
    expect(largestError(blocked.outputs[name]!, expected), name).toBeLessThan(tolerance);
  return blocked.blockedNodes;
}

it("the machine's block is 8 or 16 channels, where it has one", () => {
  expect([undefined, 8, 16]).toContain(channelBlock);
});

describe.skipIf(channelBlock === undefined)("in blocks of channels", () => {
  const sizes = [
    { title: "whole blocks", channels: 32, maps: 16 },
    { title: "channels that fill no whole block", channels: 24, maps: 40 },
    { title: "few channels", channels: 3, maps: 16 },
    { title: "a little more than half a block of maps", channels: 16, maps: 12 },
    { title: "stride 2", channels: 16, maps: 32, strides: [2, 2] },
    { title: "stride 2 and odd sizes", channels: 16, maps: 32, strides: [2, 2], input: [9, 7] },
    { title: "1x1", channels: 16, maps: 48, kernel: [1, 1], pads: [0, 0, 0, 0] },
    { title: "1x1, stride 2", channels: 16, maps: 32, kernel: [1, 1], pads: [0, 0, 0, 0], strides: [2, 2] },
    { title: "5x3, uneven padding", channels: 16, maps: 16, kernel: [5, 3], pads: [2, 0, 1, 2] },
    { title: "dilation 2", channels: 16, maps: 16, dilations: [2, 2], pads: [2, 2, 2, 2] },
    { title: "no padding", channels: 16, maps: 16, pads: [0, 0, 0, 0] },
    { title: "depthwise", channels: 32, maps: 32, group: 32 },
    { title: "depthwise, channels that fill no whole block", channels: 24, maps: 24, group: 24 },
    { title: "depthwise, stride 2", channels: 32, maps: 32, group: 32, strides: [2, 2] },
    {
      title: "depthwise 5x5, stride 2",
      channels: 16,
      maps: 16,
      group: 16,
      strides: [2, 2],
      kernel: [5, 5],
      pads: [2, 2, 2, 2],
    },
    { title: "groups", channels: 32, maps: 32, group: 2 },
    { title: "images that fill no whole block", channels: 16, maps: 16, images: 5 },
  ];
  it.each(sizes)("a convolution and its gradients are the definition's sums: $title", async (given) => {
    const shape = {
      images: 16,
      group: 1,
      input: [8, 10],
      kernel: [3, 3],
      pads: [1, 1, 1, 1],
      strides: [1, 1],
      dilations: [1, 1],
      ...given,
    };
    const { images, channels, maps, group, input, kernel } = shape;
    const output = outputSize(shape);
    const attributes: Attributes = {
      kernel_shape: ints(kernel),
      strides: ints(shape.strides),
      dilations: ints(shape.dilations),
      pads: ints(shape.pads),
      group: int(group),
    };
    const b = new GraphBuilder();
    const x = b.input("x", "float32", [images, channels, ...input]);
    const w = b.input("w", "float32", [maps, channels / group, ...kernel]);
    const bias = b.input("bias", "float32", [maps]);
    const dy = b.input("dy", "float32", [images, maps, ...output]);
    b.output("y", b.op("Conv", [x, w, bias], attributes));
    b.output("dw", b.abstract("ConvWeightGrad", [x, dy], attributes)[0]!);
    b.output("dx", b.abstract("ConvInputGrad", [dy, w], { ...attributes, input_shape: ints(x.shape) })[0]!);
    const inputs = {
      x: irregular(x.shape, 1),
      w: irregular(w.shape, 2),
      bias: irregular(bias.shape, 3),
      dy: irregular(dy.shape, 4),
    };
    const graph = b.finish("convolution");
    const blocked = await run(graph, inputs, channelBlock);
    const plain = await run(graph, inputs);
    const { dw, dx } = convolutionGradients(shape, inputs.x, inputs.w, inputs.dy);
    expect(largestError(blocked.outputs.y!, plain.outputs.y!)).toBeLessThan(tolerance);
    expect(largestError(blocked.outputs.dw!, dw)).toBeLessThan(tolerance);
    expect(largestError(blocked.outputs.dx!, dx)).toBeLessThan(tolerance);
    if (group === 1) expect(blocked.blockedNodes).toContain("Conv");
  });

  it("convolutions, batch normalisation in training form, residual sum and Relu with all gradients: as the plain recipes, with sums and Relu drawn into convolutions", async () => {
    const window = {
      kernel_shape: ints([3, 3]),
      strides: ints([1, 1]),
      dilations: ints([1, 1]),
      pads: ints([1, 1, 1, 1]),
    };
    const nodes = await expectEqual(
      { x: [16, 24, 6, 5], w: [24, 24, 3, 3], scale: [24], bias: [24], dy: [16, 24, 6, 5] },
      (b, { x, w, scale, bias, dy }) => {
        const conv = b.op("Conv", [x!, w!], window);
        const [normalised, mean, variance] = b.abstract("BatchNormTraining", [conv, scale!, bias!], {
          epsilon: float(1e-3),
        }) as [Value, Value, Value];
        const y = b.relu(b.plus(normalised, x!));
        const dSum = b.abstract("ReluGrad", [dy!, y])[0]!;
        const [dConv, dScale, dBias] = b.abstract("BatchNormGrad", [dSum, conv, scale!, mean, variance], {
          epsilon: float(1e-3),
        }) as [Value, Value, Value];
        const gradient = { ...window, group: int(1) };
        const dw = b.abstract("ConvWeightGrad", [x!, dConv], gradient)[0]!;
        const through = b.abstract("ConvInputGrad", [dConv, w!], { ...gradient, input_shape: ints(x!.shape) })[0]!;
        return {
          y,
          mean,
          variance,
          dScale,
          dBias,
          dw,
          dx: b.plus(through, dSum),
          sum: b.abstract("ChannelSum", [conv])[0]!,
        };
      },
    );
    expect(nodes.filter((op) => op === "ReorderOutput").length).toBeLessThanOrEqual(4);
  });

  it("the batch's variance is good to a thousandth for channels whose mean is thirty deviations", async () => {
    const b = new GraphBuilder();
    const x = b.input("x", "float32", [16, 16, 32, 32]);
    const w = b.input("w", "float32", [16, 1, 1, 1]);
    const moved = b.op("Conv", [x, w], { group: int(16), kernel_shape: ints([1, 1]) });
    const vector = b.input("vector", "float32", [16]);
    b.output("variance", b.abstract("BatchNormTraining", [moved, vector, vector])[2]!);
    const data = irregular(x.shape).data.map((value) => Math.sqrt(3) * value + 30);
    const ones = (shape: number[]): Tensor => ({ dtype: "float32", shape, data: new Float32Array(16).fill(1) });
    const inputs = {
      x: { dtype: "float32", shape: x.shape, data },
      w: ones([16, 1, 1, 1]),
      vector: ones([16]),
    } as const;
    const { outputs, blockedNodes } = await run(b.finish("moments"), inputs, channelBlock);
    expect(blockedNodes).toContain("Conv");
    for (let channel = 0; channel < 16; channel++) {
      const values = Array.from({ length: 16 }, (_, image) => [
        ...data.subarray((image * 16 + channel) * 1024, (image * 16 + channel + 1) * 1024),
      ]).flat();
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      expect(Math.abs(outputs.variance![channel]! / variance - 1)).toBeLessThan(1e-3);
    }
  });

  it.each([
    ["16 elements", [16], false],
    ["a matrix of a few rows", [48, 40], false],
    ["a million equal elements", [1024, 1024], true],
    ["eight million equal elements", [2048, 4096], true],
    ["a number of elements that fills no whole block", [7, 11], false],
    ["a prime number of blocks", [16 * 1009], false],
  ])("sums of squares keep float32's accuracy: %s", async (_, shape, equal) => {
    const tensor = irregular(shape);
    const data = equal ? tensor.data.fill(0.1) : tensor.data;
    const b = new GraphBuilder();
    b.output("sum", b.abstract("SumOfSquares", [b.input("x", "float32", shape)])[0]!);
    const { outputs } = await run(b.finish("sum"), { x: { ...tensor, data } }, channelBlock);
    const expected = data.reduce((sum, value) => sum + value * value, 0);
    expect(Math.abs(outputs.sum![0]! / expected - 1)).toBeLessThan(2e-6);
  });

  it("what has no blocked form gets the values as ONNX has them", async () => {
    await expectEqual({ x: [4, 20, 6, 6], w: [20, 20, 1, 1], s: [20] }, (b, { x, w, s }) => {
      const y = b.op("Conv", [x!, w!]);
      const gated = b.times(y, b.reshape(s!, [1, 20, 1, 1]));
      return {
        gated,
        flat: b.reshape(y, [4, 720]),
        pooled: b.op("GlobalAveragePool", [b.op("Sigmoid", [y])]),
        most: b.op("MaxPool", [y], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }),
        chosen: b.where(b.op("Less", [y, x!]), y, x!),
      };
    });
  });
});
