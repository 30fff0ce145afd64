import { readFile } from "node:fs/promises";
import { InferenceSession } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { exportClassifier } from "../classifier/index.js";
import type { InputDescription, InputStatistics } from "../data/core.js";
import { GraphBuilder } from "../graph/index.js";
import { analyseScaleInvariance } from "../method/index.js";
import { type HeadSettings, mlp } from "../models/index.js";
import { Network } from "../models/network.js";
import { decode, float, type Graph, int, ints, type Model, type Tensor } from "../onnx/index.js";
import { type InspectedWeight, type Inspection, inspectModel, proveByNumbers } from "./index.js";

const inspect = (model: Model): Promise<Inspection> =>
  inspectModel(model, (bytes) => InferenceSession.create(bytes, { intraOpNumThreads: 1 }));

const weightOf = ({ weights }: Inspection, name: string): InspectedWeight =>
  weights.find((weight) => weight.name === name)!;

const head = { scale: 8, norm: "tensor", features: "raw" } as const;

/** A small network of two normalised layers, with its initializers changed. */
function network(change: (name: string, tensor: Tensor) => Tensor, epsilon = 1e-5): Model {
  const net = new Network({ shape: [6], classes: 3, seed: 1, head });
  let x = net.b.relu(net.batchNormalization("bn1", net.linear("linear1", net.input, 8), { epsilon }));
  x = net.b.relu(net.batchNormalization("bn2", net.linear("linear2", x, 8), { epsilon }));
  const model = net.finish("small", net.classifier(x, 3, head));
  const initializers = new Map(
    [...model.graph.initializers].map(([name, tensor]) => [name, change(name, tensor)] as const),
  );
  return { ...model, graph: { ...model.graph, initializers } };
}

const times = (tensor: Tensor, factor: number): Tensor =>
  ({ ...tensor, data: (tensor.data as Float32Array).map((value) => value * factor) }) as Tensor;

const filled = (tensor: Tensor, value: (index: number) => number): Tensor =>
  ({ ...tensor, data: (tensor.data as Float32Array).map((_, index) => value(index)) }) as Tensor;

describe("graph and numbers agree", () => {
  it.each<[string, Model]>([
    ["on fresh weights", network((_, tensor) => tensor)],
    // Epsilon is then next to the variance: the outputs change by percents, and the directions are what counts all the same.
    [
      "where weights are so small that epsilon shows",
      network((name, tensor) => times(tensor, name.startsWith("linear") ? 1e-3 : 1)),
    ],
    ["where the epsilon is as large as MobileNetV3's", network((_, tensor) => tensor, 1e-3)],
    // The gain before a ReLU is scale-invariant at a bias of 0, and all but so near it.
    [
      "where biases have hardly moved",
      network((name, tensor) => (name.endsWith("bias") ? filled(tensor, (i) => 1e-5 * (i + 1)) : tensor)),
    ],
    ["where weights are huge", network((name, tensor) => times(tensor, name.startsWith("linear") ? 1e6 : 1))],
  ])("%s", async (_, model) => {
    const inspection = await inspect(model);
    expect(inspection.withoutNumbers).toBeUndefined();
    expect(inspection.weights.map(({ name, scaleInvariant, agree }) => [name, scaleInvariant, agree])).toEqual([
      ["linear1.weight", true, true],
      ["bn1.weight", false, true],
      ["bn1.bias", false, true],
      ["linear2.weight", true, true],
      ["bn2.weight", false, true],
      ["bn2.bias", false, true],
      ["classifier.weight", true, true],
    ]);
  });

  it("on a bias that a normalisation subtracts again: inert, not invariant", async () => {
    const net = new Network({ shape: [6], classes: 3, seed: 1, head });
    const bias = net.b.initializer("linear.bias", {
      dtype: "float32",
      shape: [8],
      data: new Float32Array(8).fill(0.5),
    });
    const x = net.batchNormalization("bn", net.b.plus(net.linear("linear", net.input, 8), bias));
    const inspection = await inspect(net.finish("biased", net.classifier(net.b.relu(x), 3, head)));
    expect(weightOf(inspection, "linear.bias")).toMatchObject({
      scaleInvariant: false,
      numbers: { inert: true, scaleInvariant: false },
      agree: true,
    });
    expect(weightOf(inspection, "linear.weight")).toMatchObject({ scaleInvariant: true, agree: true });
  });

  it("on a network exported by PyTorch", async () => {
    const model = decode(await readFile(new URL("../../test/fixtures/pytorch/depthwise.onnx", import.meta.url)));
    const { weights } = await inspect(model);
    expect(weights.filter(({ agree }) => agree !== true).map(({ name }) => name)).toEqual([]);
    expect(weights.filter(({ scaleInvariant }) => scaleInvariant).length).toBeGreaterThan(4);
  });

  it("on a model of an old operator set, where sums still have their axes as attributes", async () => {
    const b = new GraphBuilder({ opset: 11 });
    const weight = (name: string, ...shape: number[]) =>
      b.initializer(name, {
        dtype: "float32",
        shape,
        data: Float32Array.from({ length: shape.reduce((x, y) => x * y) }, (_, i) => Math.sin(3 * i + shape.length)),
      });
    const x = b.input("x", "float32", [1, 2, 5, 5]);
    const convolved = b.op("Conv", [x, weight("conv", 4, 2, 3, 3)], { kernel_shape: ints([3, 3]) });
    const normalisation = ["gain", "bias", "mean", "var"].map((name) =>
      b.initializer(name, { dtype: "float32", shape: [4], data: new Float32Array(4).fill(name === "bias" ? 0 : 1) }),
    );
    const y = b.relu(b.op("BatchNormalization", [convolved, ...normalisation], { epsilon: float(1e-5) }));
    const pooled = b.op("ReduceSum", [y], { axes: ints([2, 3]), keepdims: int(0) });
    b.output("logits", b.op("Gemm", [pooled, weight("linear", 3, 4), weight("offset", 3)], { transB: int(1) }));
    const { graph, opsets } = { graph: b.finish("old"), opsets: b.opsets };
    const inspection = await inspect({
      graph,
      opsets,
      irVersion: 6,
      producerName: "test",
      producerVersion: "",
      metadata: new Map(),
    });
    expect(inspection.withoutNumbers).toBeUndefined();
    expect(inspection.weights.map(({ name, scaleInvariant, agree }) => [name, scaleInvariant, agree])).toEqual([
      ["conv", true, true],
      ["gain", false, true],
      ["bias", false, true],
      ["linear", false, true],
      ["offset", false, true],
    ]);
  });
});

describe("an exported classifier", () => {
  const exported = (input: InputDescription, statistics: InputStatistics, head: HeadSettings): Model => {
    const features = statistics.kind === "table" ? statistics.numeric.length + 3 : 0;
    const model = mlp({ hidden: [8] }).build({ shape: [features], classes: 3, seed: 1, head });
    const provenance = {
      version: "0",
      createdAt: "",
      model: "mlp",
      elr: 0.1,
      scale: head.scale,
      seed: 0,
      epochs: 1,
      dataHash: "",
    };
    return exportClassifier(model, new Map(), statistics, { classes: ["a", "b", "c"], input, provenance });
  };
  const input: InputDescription = {
    kind: "table",
    numeric: ["a", "b"],
    categorical: [{ name: "c", categories: ["x", "y", "z"] }],
  };

  it.each([
    [0, 1],
    // Raw normal numbers would all but vanish when divided by this,
    [0, 1e6],
    // and all come out as -200,000 here.
    [2000, 0.01],
  ])("is looked at behind its preprocessing, whatever the columns' mean %f and deviation %f", async (mean, std) => {
    const column = { mean, std, range: std, missing: false };
    const inspection = await inspect(exported(input, { kind: "table", numeric: [column, column] }, head));
    expect(inspection.withoutNumbers).toBeUndefined();
    expect(inspection.parameters).toBe(5 * 8 + 2 * 8 + 8 * 3);
    expect(inspection.weights.map(({ name, agree }) => [name, agree])).toEqual(
      ["layer1.linear.weight", "layer1.bn.weight", "layer1.bn.bias", "classifier.weight"].map((name) => [name, true]),
    );
    expect(weightOf(inspection, "classifier.weight")).toMatchObject({ scaleInvariant: true, perChannel: false });
    // Folded: its norm is S.
    expect(weightOf(inspection, "classifier.weight").norm).toBeCloseTo(8, 5);
  });

  it.each(["raw", "unit"] as const)("of norm by row and %s features has a norm for each class", async (features) => {
    const column = { mean: 0, std: 1, range: 1, missing: false };
    const settings = { scale: 8, norm: "row", features } as const;
    const inspection = await inspect(exported(input, { kind: "table", numeric: [column, column] }, settings));
    expect(weightOf(inspection, "classifier.weight")).toMatchObject({
      scaleInvariant: true,
      perChannel: true,
      channelAxis: 0,
      agree: true,
    });
    expect(weightOf(inspection, "classifier.weight").norm).toBeCloseTo(8 * Math.sqrt(3), 4);
  });
});

it("weights that stand in Constant nodes, and images of any size, as PaddlePaddle's exporter has them", async () => {
  const b = new GraphBuilder({ opset: 11 });
  const constant = (output: string, shape: readonly number[]) => {
    const data = Float32Array.from({ length: shape.reduce((x, y) => x * y, 1) }, (_, i) =>
      Math.sin(3 * i + shape.length),
    );
    const value = { kind: "tensor", value: { dtype: "float32", shape, data } } as const;
    return b.op("Constant", [], { value }, { outputNames: [output] });
  };
  const one = () => b.constant({ dtype: "float32", shape: [4], data: new Float32Array(4).fill(1) });
  const x = b.op("Conv", [b.input("x", "float32", [1, 3, 8, 8]), constant("conv2d_0.w_0", [4, 3, 3, 3])]);
  const pooled = b.op("GlobalAveragePool", [b.relu(b.op("BatchNormalization", [x, one(), one(), one(), one()]))]);
  b.output("y", b.matMul(b.op("Flatten", [pooled]), constant("fc_0.w_0", [4, 3])));
  const graph = b.finish("paddle");
  const inputs = graph.inputs.map((input) => ({ ...input, shape: ["n", 3, "height", "width"] }));
  const inspection = await inspect({
    graph: { ...graph, inputs },
    opsets: b.opsets,
    irVersion: 8,
    producerName: "",
    producerVersion: "",
    metadata: new Map(),
  });
  expect(inspection.withoutNumbers).toBeUndefined();
  expect(weightOf(inspection, "conv2d_0.w_0")).toMatchObject({ scaleInvariant: true, agree: true });
  expect(weightOf(inspection, "fc_0.w_0")).toMatchObject({ scaleInvariant: false, agree: true });
});

it("a weight that is quantised and back is one, and keeps its scale", async () => {
  const b = new GraphBuilder();
  const number = (value: number) => b.constant({ dtype: "float32", shape: [], data: Float32Array.of(value) });
  const zero = b.constant({ dtype: "int8", shape: [], data: Int8Array.of(0) });
  const data = Float32Array.from({ length: 15 }, (_, i) => Math.sin(3 * i));
  const weight = b.initializer("w", { dtype: "float32", shape: [5, 3], data });
  const q = b.op("QuantizeLinear", [weight, number(0.01), zero]);
  const product = b.matMul(b.input("x", "float32", [8, 5]), b.op("DequantizeLinear", [q, number(0.01), zero]));
  const gain = b.initializer("gain", { dtype: "float32", shape: [3], data: Float32Array.of(1, 2, 3) });
  b.output("y", b.op("LayerNormalization", [product, gain], { axis: int(-1) }));
  const { weights } = await inspect({
    graph: b.finish("quantised"),
    irVersion: 10,
    opsets: b.opsets,
    producerName: "test",
    producerVersion: "",
    metadata: new Map(),
  });
  expect(weights.map(({ name, role, scaleInvariant }) => [name, role, scaleInvariant])).toEqual([
    ["w", "weight", false],
    ["gain", "gain", false],
  ]);
  expect(weightOf({ weights, parameters: 0, withoutNumbers: undefined }, "w").reason).toMatch(/QuantizeLinear/);
});

describe("without numbers", () => {
  const plain = (shape: readonly (number | string)[], dtype: "float32" | "int64" = "float32"): Model => {
    const net = new Network({ shape: [6], classes: 3, seed: 1, head });
    const model = net.finish("plain", net.classifier(net.input, 3, head));
    const graph: Graph = { ...model.graph, inputs: [{ name: "input", dtype, shape }] };
    return { ...model, graph };
  };

  it.each([
    [plain(["batch", "features"]), /^ISO_GRAPH_SHAPE: input input has no fixed size on axis 1/],
    [plain(["batch", 6], "int64"), /^ISO_ONNX_UNSUPPORTED: input input is of type int64/],
  ])("the graph's proof still stands, and it is said why", async (model, why) => {
    const inspection = await inspect(model);
    expect(inspection.withoutNumbers).toMatch(why);
    expect(inspection.weights).toMatchObject([
      { name: "classifier.weight", scaleInvariant: true, numbers: null, agree: null },
    ]);
  });

  it("as where ONNX Runtime cannot run the network", async () => {
    const inspection = await inspectModel(plain(["batch", 6]), () => Promise.reject(new Error("no such kernel")));
    expect(inspection.withoutNumbers).toMatch(/^ISO_ONNX_UNSUPPORTED: .*\(no such kernel\)/);
    expect(inspection.weights).toHaveLength(1);
  });
});

describe("a weight that holds two matrices", () => {
  /** Queries and keys, or what is like them: the halves of one product, each normalised by itself or both at once. */
  const halves = (each: boolean): Model => {
    const b = new GraphBuilder();
    const random = (shape: readonly number[], factor: number): Tensor => ({
      dtype: "float32",
      shape,
      data: Float32Array.from({ length: shape.reduce((x, y) => x * y, 1) }, (_, i) => Math.sin(factor * (i + 1))),
    });
    const normed = (x: ReturnType<GraphBuilder["op"]>, name: string) =>
      b.op("LayerNormalization", [x, b.initializer(name, random([x.shape[1]!], 7))], { axis: int(-1) });
    const product = b.matMul(b.input("x", "float32", [8, 5]), b.initializer("fused", random([5, 6], 3)));
    const parts = b.add(
      "Split",
      [each ? product : normed(product, "gain")],
      { axis: int(1), num_outputs: int(2) },
      { outputs: 2 },
    );
    const [first, second] = each ? parts.map((part, index) => normed(part, `gain${index}`)) : parts;
    b.output("y", b.times(first!, second!));
    return {
      graph: b.finish("halves"),
      irVersion: 10,
      opsets: b.opsets,
      producerName: "test",
      producerVersion: "",
      metadata: new Map(),
    };
  };

  it("is shown to be so matrix by matrix", async () => {
    const weight = weightOf(await inspect(halves(true)), "fused");
    expect(weight).toMatchObject({ scaleInvariant: true, agree: true, matrices: { axis: 1, parts: [0, 1] } });
    expect(weight.numbers!.outputChange).toBeLessThan(1e-5);
  });

  it("is told from one that is only so as a whole", async () => {
    const model = halves(false);
    const [whole] = analyseScaleInvariance(model.graph);
    expect(whole).toMatchObject({ name: "fused", scaleInvariant: true });
    expect(whole!.matrices).toBeUndefined();
    // A proof that claimed it would be refuted.
    const claimed = [{ ...whole!, matrices: { axis: 1, parts: [0, 1] } }];
    const x: Tensor = {
      dtype: "float32",
      shape: [8, 5],
      data: Float32Array.from({ length: 40 }, (_, i) => Math.cos(i * i)),
    };
    const create = (bytes: Uint8Array) => InferenceSession.create(bytes);
    const numbers = await proveByNumbers(model, claimed, new Map([["x", x]]), create, Number.POSITIVE_INFINITY);
    expect(numbers.get("fused")).toMatchObject({ scaleInvariant: false });
    expect(
      (await proveByNumbers(model, [whole!], new Map([["x", x]]), create, Number.POSITIVE_INFINITY)).get("fused"),
    ).toMatchObject({ scaleInvariant: true });
  });
});
