import { describe, expect, it } from "vitest";
import { GraphBuilder, type Value } from "../graph/index.js";
import { type Graph, int, type Model } from "../onnx/types.js";
import {
  analyseScaleInvariance,
  expandScaleInvariantLinear,
  norms,
  replaceClassifier,
  scaleInvariantLinearAttributes,
} from "./index.js";
import { compile, randomTensor, relativeDifference, tensor } from "./testing/run.js";

const [batch, features, previous] = [4, 6, 3];
const stored = randomTensor([previous, features], 1);
const x = randomTensor([batch, features], 2);

function modelOf(build: (b: GraphBuilder, x: Value) => void): Model {
  const b = new GraphBuilder();
  build(b, b.relu(b.input("x", "float32", [batch, features])));
  return {
    graph: b.finish("foreign"),
    irVersion: 10,
    opsets: new Map([["", 21]]),
    producerName: "pytorch",
    producerVersion: "",
    metadata: new Map(),
  };
}

const withGemm = modelOf((b, x) => {
  const y = b.op(
    "Gemm",
    [x, b.initializer("fc.weight", stored), b.initializer("fc.bias", randomTensor([previous], 3))],
    { transB: int(1) },
    { name: "/fc/Gemm" },
  );
  b.markOutput(b.op("Softmax", [y], {}, { name: "/Softmax", outputNames: ["output"] }));
});

async function logits(graph: Graph): Promise<Float32Array> {
  return (await (await compile(expandScaleInvariantLinear(graph)))({ x })).logits!;
}

/** S relu(x) W^T / ||W|| in float64. */
function closedForm(weight: ArrayLike<number>, classes: number, scale: number): number[] {
  const size = Math.sqrt(Array.from(weight).reduce((sum, element) => sum + element * element, 0));
  return Array.from({ length: batch * classes }, (_, index) => {
    const [n, k] = [Math.floor(index / classes), index % classes];
    let sum = 0;
    for (let j = 0; j < features; j++) sum += Math.max(0, x.data[n * features + j]!) * weight[k * features + j]!;
    return (scale * sum) / size;
  });
}

it("replaces a Gemm with bias and softmax, and says so", async () => {
  const { model, report } = replaceClassifier(withGemm, { classes: 5, seed: 7, scale: 8 });
  expect(report.description).toBe(
    "replaced Gemm /fc/Gemm (6 features, 3 classes) by a scale-invariant linear layer with 5 classes and scale 8, with a fresh weight; " +
      "dropped its bias, Softmax /Softmax; output output gives way to logits",
  );
  expect(model.graph.nodes.map((node) => node.op)).toEqual(["Relu", "ScaleInvariantLinear"]);
  expect([...model.graph.initializers.keys()]).toEqual([report.weight]);
  expect(model.graph.outputs).toEqual([{ name: "logits", dtype: "float32", shape: [batch, 5] }]);
  const weight = model.graph.initializers.get(report.weight)!;
  expect(relativeDifference(await logits(model.graph), closedForm(weight.data as Float32Array, 5, 8))).toBeLessThan(
    1e-6,
  );
  expect(analyseScaleInvariance(model.graph)).toMatchObject([{ name: report.weight, scaleInvariant: true }]);
});

it("draws a fresh weight from the seed, with rows of norm 1 on average", () => {
  const fresh = (seed: number) => {
    const wide = modelOf((b, x) =>
      b.output(
        "y",
        b.matMul(b.matMul(x, b.constant(randomTensor([features, 400], 1))), b.constant(randomTensor([400, 3], 1))),
      ),
    );
    const { model, report } = replaceClassifier(wide, { classes: 300, seed });
    return model.graph.initializers.get(report.weight)!;
  };
  expect(fresh(1)).toEqual(fresh(1));
  expect(fresh(1)).not.toEqual(fresh(2));
  const weight = fresh(1);
  expect(weight.shape).toEqual([300, 400]);
  // 120,000 normal numbers: the mean square is within 4 standard errors, sqrt(2 / 120000) each, of 1 / 400.
  expect(norms(weight)[0]! ** 2 / 300).toBeCloseTo(1, 1.5);
  expect((weight.data as Float32Array).reduce((sum, element) => sum + element, 0) / 120_000).toBeCloseTo(0, 3);
});

const layouts: Readonly<Record<string, (b: GraphBuilder, x: Value) => void>> = {
  "Gemm with transB": (b, x) => b.output("y", b.op("Gemm", [x, b.initializer("w", stored)], { transB: int(1) })),
  "Gemm without": (b, x) => b.output("y", b.op("Gemm", [x, b.initializer("w", transposed())])),
  "MatMul and Add": (b, x) =>
    b.output("y", b.plus(b.constant(randomTensor([previous], 3)), b.matMul(x, b.initializer("w", transposed())))),
  "a layer of our own": (b, x) =>
    b.output(
      "y",
      b.op("ScaleInvariantLinear", [x, b.initializer("w", stored)], scaleInvariantLinearAttributes({ scale: 3 }), {
        domain: "isonorm",
      }),
    ),
};

function transposed() {
  return tensor(
    [features, previous],
    Array.from(
      { length: features * previous },
      (_, index) => stored.data[(index % previous) * features + Math.floor(index / previous)]!,
    ),
  );
}

describe.each(Object.entries(layouts))("%s", (_, build) => {
  it("keeps the rows' directions where asked and the classes are as many", async () => {
    const { model, report } = replaceClassifier(modelOf(build), { classes: previous, scale: 4, keepWeight: true });
    expect(report).toMatchObject({ keptWeight: true, previousClasses: previous, features });
    expect(relativeDifference(await logits(model.graph), closedForm(stored.data, previous, 4))).toBeLessThan(1e-6);
  });
});

it("does not keep a weight for another number of classes", () => {
  expect(replaceClassifier(withGemm, { classes: 4, keepWeight: true }).report.keptWeight).toBe(false);
});

it("looks behind squeezes, reshapes and label outputs, and past outputs without a classifier", () => {
  const model = modelOf((b, x) => {
    b.output("embedding", x);
    const y = b.op("Gemm", [x, b.initializer("w", stored)], { transB: int(1) }, { name: "head" });
    b.output(
      "label",
      b.op("ArgMax", [b.op("Softmax", [b.reshape(y, [batch, previous, 1])], { axis: int(1) })], { axis: int(1) }),
    );
  });
  const { report } = replaceClassifier(model, { classes: 2 });
  expect(report.replaced).toBe("Gemm head");
  expect(report.droppedOutputs).toEqual(["embedding", "label"]);
});

it("replaces the node that is named", () => {
  const model = modelOf((b, x) => {
    const y = b.op("MatMul", [x, b.constant(randomTensor([features, 8], 1))], {}, { name: "projection" });
    b.output("y", b.op("Gemm", [b.op("Sigmoid", [y]), b.constant(randomTensor([8, 2], 1))], {}, { name: "last" }));
  });
  expect(replaceClassifier(model, { classes: 4, node: "projection" }).report.replaced).toBe("MatMul projection");
  expect(replaceClassifier(model, { classes: 4 }).report.replaced).toBe("Gemm last");
  expect(() => replaceClassifier(model, { classes: 4, node: "missing" })).toThrow('no node named "missing"');
});

it("makes room where the model has a value called logits already", async () => {
  const before = modelOf((b, x) => {
    const hidden = b.op("Identity", [x], {}, { outputNames: ["logits"] });
    b.output("classifier", b.op("Gemm", [hidden, b.initializer("classifier.weight", stored)], { transB: int(1) }));
  });
  const { model, report } = replaceClassifier(before, { classes: previous, scale: 4, keepWeight: true });
  expect(report.weight).toBe("classifier.weight_1");
  expect(relativeDifference(await logits(model.graph), closedForm(stored.data, previous, 4))).toBeLessThan(1e-6);
});

it("refuses a model without a linear classifier, saying what it found", () => {
  const model = modelOf((b, x) => b.output("y", b.op("Tanh", [x], {}, { name: "last" })));
  expect(() => replaceClassifier(model, { classes: 2 })).toThrow(
    expect.objectContaining({ code: "ISO_MODEL_UNSUITABLE" }),
  );
  expect(() => replaceClassifier(model, { classes: 2 })).toThrow("y comes from Tanh last");
  const computed = modelOf((b, x) => b.output("y", b.matMul(x, b.relu(b.constant(transposed())))));
  expect(() => replaceClassifier(computed, { classes: 2 })).toThrow(
    expect.objectContaining({ code: "ISO_MODEL_UNSUITABLE" }),
  );
});

describe("a classifier that is a 1x1 convolution", () => {
  const positions = [2, 3];
  const image = randomTensor([batch, features, ...positions], 5);
  const convolutional = (build: (b: GraphBuilder, conv: (x: Value) => Value, x: Value) => Value): Model => {
    const b = new GraphBuilder();
    const weight = { ...stored, shape: [previous, features, 1, 1] };
    const conv = (x: Value) =>
      b.op(
        "Conv",
        [x, b.initializer("w", weight), b.initializer("b", randomTensor([previous], 3))],
        {},
        { name: "conv" },
      );
    b.markOutput(b.op("Flatten", [build(b, conv, b.input("x", "float32", [batch, features, ...positions]))]));
    return { ...withGemm, graph: b.finish("foreign") };
  };

  /** S W mean(x) / ||W|| over positions, in float64. */
  const expected = (scale: number) => {
    const count = positions[0]! * positions[1]!;
    const means = Array.from({ length: batch * features }, (_, index) =>
      image.data.slice(index * count, (index + 1) * count).reduce((sum, value) => sum + value / count, 0),
    );
    const size = norms(stored)[0]!;
    return Array.from({ length: batch * previous }, (_, index) => {
      const [n, k] = [Math.floor(index / previous), index % previous];
      let sum = 0;
      for (let j = 0; j < features; j++) sum += means[n * features + j]! * stored.data[k * features + j]!;
      return (scale * sum) / size;
    });
  };

  it.each<[string, Model, readonly string[]]>([
    ["before the pooling", convolutional((b, conv, x) => b.op("GlobalAveragePool", [conv(x)])), ["GlobalAveragePool"]],
    [
      "before ReLU and pooling, as in SqueezeNet",
      convolutional((b, conv, x) => b.op("GlobalAveragePool", [b.relu(conv(x))])),
      ["Relu", "GlobalAveragePool"],
    ],
    ["after the pooling", convolutional((b, conv, x) => conv(b.op("GlobalAveragePool", [x]))), []],
  ])("%s", async (_, before, dropped) => {
    const { model, report } = replaceClassifier(before, { classes: previous, scale: 8, keepWeight: true });
    expect(report).toMatchObject({ replaced: "Conv conv", features, droppedBias: true });
    expect(report.droppedOperators.map((operator) => operator.split(" ")[0])).toEqual([...dropped, "Flatten"]);
    const outputs = await (await compile(expandScaleInvariantLinear(model.graph)))({ x: image });
    expect(relativeDifference(outputs.logits!, expected(8))).toBeLessThan(1e-6);
  });

  it("but not one over several positions that nothing pools", () => {
    const before = convolutional((_, conv, x) => conv(x));
    expect(() => replaceClassifier(before, { classes: 2 })).toThrow("comes from Conv conv");
  });
});
