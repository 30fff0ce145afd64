import { describe, expect, it } from "vitest";
import { GraphBuilder, inline, unpack } from "../graph/index.js";
import { randomTensor, relativeDifference, run, tensor } from "../method/testing/run.js";
import { float, type Model } from "../onnx/types.js";
import { drawMasks, runningStatistics, TrainingForm } from "./trainingForm.js";

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
    const running = b.input("running", "float32", [2 * channels]);
    const [variance, mean] = unpack(b, running, [[channels], [channels]]);
    const bindings = new Map([
      ["mean", mean!],
      ["variance", variance!],
      ["x", b.input("x", "float32", x.shape)],
    ]);
    const form = new TrainingForm();
    const values = inline(b, model(), bindings, {
      prefix: "model/",
      replace: (node, inputs) => form.replace(b, node, inputs),
    });
    b.output("normalised", values.get("y")!);
    b.output("moved", form.moveStatistics(b, running, ["variance", "mean"]));
    const packed = tensor([2 * channels], [...statistics.variance.data, ...statistics.mean.data]);
    const outputs = await run(b, { x, running: packed });

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
    expect(relativeDifference(outputs.moved!.subarray(channels), means)).toBeLessThan(1e-6);
    const variances = next(
      statistics.variance.data,
      (channel) => moments[channel]!.squares / (moments[channel]!.count - 1),
    );
    expect(relativeDifference(outputs.moved!.subarray(0, channels), variances)).toBeLessThan(1e-6);
  });
});

it("a batch normalisation that a loop's body uses again moves its running statistics once for each use", async () => {
  const given = model();
  const [first] = given.graph.nodes;
  const doubled = { op: "Add", domain: "", name: "double", inputs: ["x", "x"], outputs: ["2x"], attributes: {} };
  const again = { ...first!, name: "again", inputs: ["2x", ...first!.inputs.slice(1)], outputs: ["again"] };
  const graph = { ...given.graph, nodes: [first!, doubled, again] };
  const b = new GraphBuilder();
  const running = b.input("running", "float32", [2 * channels]);
  const bindings = new Map([["x", b.input("x", "float32", x.shape)]]);
  const form = new TrainingForm();
  inline(b, { ...given, graph }, bindings, { replace: (node, inputs) => form.replace(b, node, inputs) });
  b.output("moved", form.moveStatistics(b, running, ["mean", "variance"]));
  const packed = tensor([2 * channels], [...statistics.mean.data, ...statistics.variance.data]);
  const result = (await run(b, { x, running: packed })).moved!;
  const moved = (running: Float32Array, own: (channel: number) => number, twice: number) =>
    running.map((value, channel) => {
      const once = momentum * value + (1 - momentum) * own(channel);
      return momentum * once + (1 - momentum) * twice * own(channel);
    });
  const means = moved(statistics.mean.data, (channel) => moments[channel]!.mean, 2);
  const unbiased = (channel: number) => moments[channel]!.squares / (moments[channel]!.count - 1);
  const variances = moved(statistics.variance.data, unbiased, 4);
  expect(relativeDifference(result, [...means, ...variances])).toBeLessThan(1e-6);
});

it("a drop path takes whole examples, a dropout elements; a mask holds 0 or 1 / (1 - ratio)", async () => {
  const made = new GraphBuilder();
  const ratio = made.scalar(0.5);
  const branch = made.op("Dropout", [made.input("x", "float32", x.shape), ratio], {}, { name: "block.drop_path" });
  made.output("y", made.op("Dropout", [branch, ratio], {}, { name: "dropout" }));
  const b = new GraphBuilder();
  const form = new TrainingForm();
  const values = inline(
    b,
    { ...model(), graph: made.finish("drops") },
    new Map([["x", b.input("x", "float32", x.shape)]]),
    {
      prefix: "model/",
      replace: (node, inputs) => form.replace(b, node, inputs),
    },
  );
  b.output("y", values.get("y")!);
  expect(form.masks).toEqual([
    { name: "block.drop_path/mask", shape: [batch, 1, 1, 1], ratio: 0.5 },
    { name: "dropout/mask", shape: x.shape, ratio: 0.5 },
  ]);
  const masks = drawMasks(form.masks, 1, 7);
  expect(new Set(masks["dropout/mask"])).toEqual(new Set([0, 2]));
  const paths = [0, 2, 2];
  const { y } = await run(b, {
    x,
    "block.drop_path/mask": tensor([batch, 1, 1, 1], paths),
    "dropout/mask": tensor(x.shape, [...masks["dropout/mask"]!]),
  });
  const length = channels * side ** 2;
  expect(y).toEqual(x.data.map((value, at) => value * paths[Math.floor(at / length)]! * masks["dropout/mask"]![at]!));
  // A function of seed, mask and step.
  expect(drawMasks(form.masks, 1, 7)).toEqual(masks);
  for (const other of [drawMasks(form.masks, 2, 7), drawMasks(form.masks, 1, 8)])
    expect(other["dropout/mask"]).not.toEqual(masks["dropout/mask"]);
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
