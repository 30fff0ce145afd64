import { describe, expect, it } from "vitest";
import { type Attributes, float, int, ints, type Tensor } from "../../onnx/types.js";
import { offsets, product } from "../shared/convolution.js";
import { type Convolution, convolutionGradients, flat, outputSize } from "../testing/convolutionReference.js";
import { convolutions } from "../testing/convolutions.js";
import { irregular, largestError, runAbstract } from "../testing/runAbstract.js";
import { onWebgpu, webgpuMissing } from "../testing/webgpuDevice.js";

/** float32 rounding of sums of up to a few hundred terms; shaders may round divisions and roots a little more freely. */
const tolerance = 5e-6;

const row = (...data: number[]): Tensor => ({
  dtype: "float32",
  shape: [1, 1, data.length],
  data: Float32Array.from(data),
});

describe.each([
  { name: "on the CPU", provider: "cpu", skip: false },
  { name: onWebgpu, provider: "webgpu", skip: webgpuMissing !== undefined },
] as const)("recipes for WebGPU, run $name", ({ provider, skip }) => {
  const run = (op: string, inputs: readonly Tensor[], attributes: Attributes = {}) =>
    runAbstract(op, inputs, attributes, { target: "webgpu", provider });
  /** The recipes for the CPU are tested against definitions; these here against them. */
  const expectLikeCpu = async (
    op: string,
    inputs: readonly Tensor[],
    attributes: Attributes = {},
    within = tolerance,
  ) => {
    const expected = await runAbstract(op, inputs, attributes);
    for (const [index, actual] of (await run(op, inputs, attributes)).entries())
      expect(largestError(actual, expected[index]!), `output ${index}`).toBeLessThan(within);
  };

  describe.skipIf(skip)("a convolution's gradients are the definition's sums", () => {
    // The provider has no convolution with groups over three axes, a network's own included.
    const known = Object.entries(convolutions).filter(([name]) => provider === "cpu" || !/3-D, groups/.test(name));
    it.each(known)("%s", async (_, convolution) => {
      const { x, w, dy, attributes, dx, dw } = example(convolution);
      const [weight] = await run("ConvWeightGrad", [x, dy], attributes);
      expect(largestError(weight!, dw)).toBeLessThan(tolerance);
      const [input] = await run("ConvInputGrad", [dy, w], { ...attributes, input_shape: ints(x.shape) });
      expect(largestError(input!, dx)).toBeLessThan(tolerance);
    });
  });

  it.skipIf(skip).each([[[6, 4]], [[5, 3, 7]], [[4, 5, 6, 5]], [[2, 3, 2, 3, 2]]])(
    "batch normalisation of %j",
    async (shape) => {
      const [x, dy] = [irregular(shape, 1), irregular(shape, 2)];
      const [scale, bias] = [irregular([shape[1]!], 3), irregular([shape[1]!], 4)];
      const epsilon = { epsilon: float(1e-3) };
      await expectLikeCpu("BatchNormTraining", [x, scale, bias], epsilon);
      const [, mean, variance] = await runAbstract("BatchNormTraining", [x, scale, bias], epsilon);
      const perChannel = (data: Float32Array): Tensor => ({ dtype: "float32", shape: [shape[1]!], data });
      await expectLikeCpu("BatchNormGrad", [dy, x, scale, perChannel(mean!), perChannel(variance!)], epsilon, 2e-5);
    },
  );

  it.skipIf(skip)("the variance of a channel far from 0 is good where E[x^2] - E[x]^2 would lose it", async () => {
    const x = irregular([64, 1, 8, 8]);
    const shifted: Tensor = { ...x, data: x.data.map((value) => value + 1000) };
    const one: Tensor = { dtype: "float32", shape: [1], data: Float32Array.of(1) };
    const data = (shifted.data as Float32Array).map((value) => value - 1000);
    const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
    const variance = data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length;
    const [, , actual] = await run("BatchNormTraining", [shifted, one, one], { epsilon: float(1e-5) });
    expect(actual![0]! / variance - 1).toBeCloseTo(0, 4);
  });

  it.skipIf(skip).each([1, 7, 4096, 4099, 100_000, 65_537])("sums of squares of %i numbers", async (count) => {
    const [sum] = await run("SumOfSquares", [
      { dtype: "float32", shape: [count], data: new Float32Array(count).fill(0.1) },
    ]);
    // The CPU adds a row in fewer strands than a device does, and equal numbers lose most.
    const within = provider === "cpu" ? 1e-5 : 1e-6;
    expect(Math.abs(sum![0]! / (count * Math.fround(0.1) ** 2) - 1)).toBeLessThan(within);
  });

  it.skipIf(skip)("sums of squares by channel, sums by channel, Relu", async () => {
    for (const axis of [0, 1, -1])
      await expectLikeCpu("SumOfSquaresPerChannel", [irregular([3, 5, 4])], { axis: int(axis) });
    await expectLikeCpu("ChannelSum", [irregular([4, 3, 5, 2])]);
    await expectLikeCpu("ChannelSum", [irregular([4, 3])]);
    const y = irregular([3, 7]);
    await expectLikeCpu("ReluGrad", [irregular([3, 7], 2), { ...y, data: y.data.map((value) => Math.max(0, value)) }]);
  });

  it.skipIf(skip)("of equal largest elements the first counts", async () => {
    const rows = (...data: number[]): Tensor => ({ dtype: "float32", shape: [4, 3], data: Float32Array.from(data) });
    const scores = rows(1, 2, 3, 5, 5, 4, -1, -1, -1, 0, 7, 7);
    const targets = rows(0, 0, 1, 0, 1, 0, 0.5, 0.5, 0, 0, 1, 0);
    expect([...(await run("SameLargest", [scores, targets]))[0]!]).toEqual([1, 0, 1, 1]);
    expect([...(await runAbstract("SameLargest", [scores, targets]))[0]!]).toEqual([1, 0, 1, 1]);
  });

  describe.skipIf(skip)("pooling's gradients", () => {
    const windows = {
      "2x2, tiles": { input: [6, 4], kernel: [2, 2], strides: [2, 2] },
      "one window": { input: [3, 4], kernel: [3, 4] },
      overlapping: { input: [7, 8], kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
      "last row unread": { input: [8, 7], kernel: [3, 2], strides: [2, 2] },
      dilated: { input: [8, 7], kernel: [2, 2], dilations: [2, 3] },
      "1-D": { input: [9], kernel: [3], strides: [2], pads: [1, 0] },
    } satisfies Record<string, Partial<Convolution> & { input: number[]; kernel: number[] }>;
    it.each(Object.entries(windows))("%s", async (_, sizes) => {
      const { images, channels, input, kernel, strides, dilations, pads } = { ...plain(sizes), ...sizes };
      // Few different numbers: many windows have their maximum several times.
      const x = irregular([images, channels, ...input]);
      const coarse: Tensor = { ...x, data: x.data.map((value) => Math.round(2 * value)) };
      const attributes = {
        kernel_shape: ints(kernel),
        strides: ints(strides),
        dilations: ints(dilations),
        pads: ints(pads),
      };
      const output = outputSize({ ...plain(sizes), ...sizes });
      const dy = irregular([images, channels, ...output], 2);
      const y = maxima(coarse, { ...plain(sizes), ...sizes }, output);
      await expectLikeCpu("MaxPoolGrad", [coarse, y, dy], attributes);
      await expectLikeCpu("AveragePoolGrad", [dy], { ...attributes, input_shape: ints(x.shape) });
    });

    it("of equal maxima the first takes all, and overlapping windows add up", async () => {
      const window = { kernel_shape: ints([2]), strides: ints([1]), pads: ints([0, 0]), dilations: ints([1]) };
      const [shared] = await run("MaxPoolGrad", [row(1, 5, 2, 0), row(5, 5, 2), row(10, 100, 1000)], window);
      expect([...shared!]).toEqual([0, 110, 1000, 0]);
      const [first] = await run("MaxPoolGrad", [row(3, 3, 3), row(3, 3), row(10, 100)], window);
      expect([...first!]).toEqual([10, 100, 0]);
    });
  });
});

function plain({ input, kernel }: { input: readonly number[]; kernel: readonly number[] }): Convolution {
  const ones = kernel.map(() => 1);
  const pads = kernel.flatMap(() => [0, 0]);
  return { images: 2, channels: 3, maps: 3, group: 1, input, kernel, strides: ones, dilations: ones, pads };
}

function example(convolution: Convolution) {
  const { images, channels, maps, group, input, kernel, strides, dilations, pads } = convolution;
  const x = irregular([images, channels, ...input], 1);
  const w = irregular([maps, channels / group, ...kernel], 2);
  const dy = irregular([images, maps, ...outputSize(convolution)], 3);
  const attributes: Attributes = {
    kernel_shape: ints(kernel),
    strides: ints(strides),
    dilations: ints(dilations),
    pads: ints(pads),
    group: int(group),
  };
  return { x, w, dy, attributes, ...convolutionGradients(convolution, x, w, dy) };
}

/** MaxPool's output. */
function maxima(x: Tensor, window: Convolution, output: readonly number[]): Tensor {
  const { images, channels, input, kernel, strides, dilations, pads } = window;
  const data = new Float32Array(images * channels * product(output)).fill(Number.NEGATIVE_INFINITY);
  for (let plane = 0; plane < images * channels; plane++)
    for (const [o, at] of offsets(output).entries())
      for (const tap of offsets(kernel)) {
        const place = at.map((w, axis) => w * strides[axis]! + tap[axis]! * dilations[axis]! - pads[axis]!);
        const i = flat(place, input);
        const to = plane * product(output) + o;
        if (i !== undefined) data[to] = Math.max(data[to]!, Number(x.data[plane * product(input) + i]));
      }
  return { dtype: "float32", shape: [images, channels, ...output], data };
}
