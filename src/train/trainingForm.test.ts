import { describe, expect, it } from "vitest";
import { GraphBuilder, inline } from "../graph/index.js";
import { randomTensor, relativeDifference, run, tensor } from "../method/testing/run.js";
import { float, type Model } from "../onnx/types.js";
import { runningStatistics, TrainingForm } from "./trainingForm.js";

const [batch, channels, side] = [3, 2, 4];
const momentum = 0.7;
const x = randomTensor([batch, channels, side, side], 1);
const statistics = { mean: tensor([channels], [0.5, -2]), variance: tensor([channels], [4, 0.25]) };

function model(): Model {
  const b = new GraphBuilder();
  const inputs = [
    b.input("x", "float32", x.shape),
    b.initializer("gain", tensor([channels], [1.5, 0.5])),
    b.initializer("bias", tensor([channels], [0, 1])),
    b.initializer("mean", statistics.mean),
    b.initializer("variance", statistics.variance),
  ];
  b.output(
    "y",
    b.op("BatchNormalization", inputs, { momentum: float(momentum), epsilon: float(1e-3) }, { name: "bn" }),
  );
  return {
    graph: b.finish("normalisation"),
    irVersion: 10,
    opsets: b.opsets,
    producerName: "test",
    producerVersion: "",
    metadata: new Map(),
  };
}

/** Mean and sum of squared deviations of each channel of x. */
const moments = Array.from({ length: channels }, (_, channel) => {
  const values = x.data.filter((_, index) => Math.floor(index / side ** 2) % channels === channel);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, squares: values.reduce((sum, value) => sum + (value - mean) ** 2, 0), count: values.length };
});

describe("batch normalisation in training form", () => {
  it("uses the batch's statistics and moves the running ones, the variance by its unbiased estimate", async () => {
    const b = new GraphBuilder();
    const bindings = new Map(["mean", "variance"].map((name) => [name, b.input(name, "float32", [channels])] as const));
    bindings.set("x", b.input("x", "float32", x.shape));
    const form = new TrainingForm();
    const values = inline(b, model(), bindings, {
      prefix: "model/",
      replace: (node, inputs) => form.replace(b, node, inputs),
    });
    b.output("normalised", values.get("y")!);
    expect(form.statistics.map(({ name }) => name)).toEqual(["mean", "variance"]);
    for (const { name, next } of form.statistics) b.output(`next:${name}`, next);
    const outputs = await run(b, { x, ...statistics });

    const [gain, bias] = [
      [1.5, 0.5],
      [0, 1],
    ];
    const expected = x.data.map((value, index) => {
      const channel = Math.floor(index / side ** 2) % channels;
      const { mean, squares, count } = moments[channel]!;
      return bias[channel]! + (gain[channel]! * (value - mean)) / Math.sqrt(squares / count + 1e-3);
    });
    // A sum of 48 float32 numbers on each side of the comparison.
    expect(relativeDifference(outputs.normalised!, expected)).toBeLessThan(1e-5);
    const next = (running: Float32Array, own: (channel: number) => number) =>
      running.map((value, channel) => momentum * value + (1 - momentum) * own(channel));
    const means = next(statistics.mean.data, (channel) => moments[channel]!.mean);
    expect(relativeDifference(outputs["next:mean"]!, means)).toBeLessThan(1e-6);
    const variances = next(
      statistics.variance.data,
      (channel) => moments[channel]!.squares / (moments[channel]!.count - 1),
    );
    expect(relativeDifference(outputs["next:variance"]!, variances)).toBeLessThan(1e-6);
  });
});

it("running statistics must be stored in the model", () => {
  expect(runningStatistics(model().graph)).toEqual(["mean", "variance"]);
  const { graph } = model();
  const initializers = new Map(graph.initializers);
  initializers.delete("variance");
  expect(() => runningStatistics({ ...graph, initializers })).toThrow(
    expect.objectContaining({
      code: "ISO_MODEL_UNSUITABLE",
      message: expect.stringContaining("running statistic variance of batch normalisation bn"),
    }),
  );
});
