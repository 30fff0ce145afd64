import { describe, expect, it } from "vitest";
import { exportClassifier } from "../classifier/index.js";
import { GraphBuilder, type Value } from "../graph/index.js";
import { runGraph } from "../graph/ortOracle.js";
import { analyseScaleInvariance, expandScaleInvariantLinear, relativeOutputChange } from "../method/index.js";
import { convnet } from "../models/index.js";
import { Network } from "../models/network.js";
import {
  type Dimension,
  elementCount,
  floats,
  type Graph,
  int,
  ints,
  type Model,
  type Node,
  onnxDataType,
  string,
  type Tensor,
  toFloat16,
} from "../onnx/index.js";
import {
  foldedConvolutions,
  insertBatchNormalizations,
  poolMoments,
  standardizeFeatures,
} from "./batchNormalization.js";
import { chooseNormalization, cutFrozen, importModel, selectTrained } from "./index.js";

const tensor = (shape: readonly number[], seed = 1): Tensor & { dtype: "float32" } => ({
  dtype: "float32",
  shape,
  data: Float32Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(seed * 17 + 3.7 * i) / 2),
});

function modelOf(
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

const options = (shape: readonly number[], classes = ["a", "b", "c"]) =>
  ({ shape, classes, seed: 3, norm: "tensor", features: "raw" }) as const;

/** Output of a model without isonorm's own operators, for a given input. */
async function outputOf(
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

const difference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (value, index) => Math.abs(value - b[index]!)));

/** A convolution, a ReLU, a mean over the picture and a linear layer, as different exporters write them. */
function small(x: Value, b: GraphBuilder, linear: (features: Value) => Value): void {
  const y = b.relu(b.op("Conv", [x, b.initializer("conv", tensor([4, 3, 3, 3]))], { kernel_shape: ints([3, 3]) }));
  b.output("scores", linear(b.op("Flatten", [b.op("GlobalAveragePool", [y])], { axis: int(1) })));
}

describe("importModel", () => {
  it("takes TensorFlow's channels last, Softmax at the end, a MatMul behind an Identity and a bias of its own", async () => {
    const b = new GraphBuilder({ opset: 13 });
    const x = b.transpose(b.input("image", "float32", [1, 8, 8, 3]), [0, 3, 1, 2]);
    small(x, b, (features) => {
      const weight = b.identity(b.initializer("dense", tensor([4, 3], 2)));
      return b.op("Softmax", [b.plus(b.matMul(features, weight), b.initializer("bias", tensor([3])))]);
    });
    const source = modelOf(b, ["unk__1", 8, 8, 3]);
    const { model, head, inputSteps } = importModel(source, options([3, 8, 8]));
    expect(inputSteps).toEqual(["puts the channels last"]);
    expect(head).toMatchObject({ features: 4, previousClasses: 3, keptWeight: true, droppedBias: true });
    expect(model.graph.inputs).toEqual([{ name: "isonorm_input", dtype: "float32", shape: ["batch", 3, 8, 8] }]);
    // The old weight's directions: as [classes, features].
    const { data } = tensor([4, 3], 2);
    expect(model.graph.initializers.get(head.weight)!.data).toEqual(
      Float32Array.from({ length: 12 }, (_, i) => data[(i % 4) * 3 + Math.floor(i / 4)]!),
    );
    const input = tensor([2, 3, 8, 8], 5).data;
    const logits = await outputOf(model, "logits", [2, 3, 8, 8], input);
    expect(logits).toHaveLength(6);
    expect(analyseScaleInvariance(model.graph).map(({ name }) => name)).toEqual(["conv", head.weight]);
  });

  /** A graph that an exporter ended in its own way: nodes, outputs and initializers added. */
  const endedBy =
    (nodes: readonly Partial<Node>[], outputs: readonly string[], constants: Readonly<Record<string, Tensor>> = {}) =>
    (graph: Graph): Graph => ({
      ...graph,
      nodes: [
        ...graph.nodes,
        ...nodes.map((node) => ({
          op: "",
          domain: "",
          name: node.outputs![0]!,
          inputs: [],
          outputs: [],
          attributes: {},
          ...node,
        })),
      ],
      outputs: outputs.map((name) => ({ name, dtype: undefined, shape: undefined })),
      initializers: new Map([...graph.initializers, ...Object.entries(constants)]),
    });

  it.each([[2], [3]])("takes scikit-learn's multilayer perceptron of %i classes, as skl2onnx writes it", (count) => {
    const b = new GraphBuilder({ opset: 15 });
    const bias = (size: number) => b.constant(tensor([1, size]));
    const x = b.cast(b.input("X", "float64", [1, 6]), "float32");
    const hidden = b.relu(b.plus(b.matMul(x, b.initializer("coefficient", tensor([6, 5]))), bias(5)));
    const scores = count === 2 ? 1 : count;
    const product = b.matMul(hidden, b.initializer("coefficient1", tensor([5, scores], 2)));
    b.output("p", b.op(count === 2 ? "Sigmoid" : "Softmax", [b.plus(product, bias(scores))]));
    const both =
      count === 2
        ? [
            { op: "Sub", inputs: ["unity", "p"], outputs: ["negative"] },
            { op: "Concat", inputs: ["negative", "p"], outputs: ["probabilities"], attributes: { axis: int(1) } },
          ]
        : [{ op: "Identity", inputs: ["p"], outputs: ["probabilities"] }];
    const named = endedBy(
      [
        ...both,
        { op: "ArgMax", inputs: ["probabilities"], outputs: ["largest"], attributes: { axis: int(1) } },
        { op: "ArrayFeatureExtractor", domain: "ai.onnx.ml", inputs: ["classes", "largest"], outputs: ["class"] },
        { op: "Cast", inputs: ["class"], outputs: ["output_label"], attributes: { to: int(onnxDataType.int64) } },
        { op: "ZipMap", domain: "ai.onnx.ml", inputs: ["probabilities"], outputs: ["output_probability"] },
      ],
      ["output_label", "output_probability"],
      {
        unity: { dtype: "float32", shape: [], data: Float32Array.of(1) },
        classes: { dtype: "int32", shape: [3], data: new Int32Array(3) },
      },
    );
    const { model, head } = importModel(modelOf(b, [undefined, 6], named), options([6]));
    expect(head).toMatchObject({ features: 5, previousClasses: scores, keptWeight: count === 3, droppedBias: true });
    expect(model.graph.nodes.map(({ op }) => op)).toEqual(["Cast", "MatMul", "Add", "Relu", "ScaleInvariantLinear"]);
  });

  it.each([2, 3])("takes scikit-learn's scaled logistic regression of %i classes, as skl2onnx writes it", (count) => {
    const b = new GraphBuilder({ opset: 15 });
    b.input("X", "float32", [1, 6]);
    const numbers = (length: number) => floats(Array.from({ length }, (_, i) => Math.sin(1 + i)));
    const named = endedBy(
      [
        {
          op: "Scaler",
          domain: "ai.onnx.ml",
          inputs: ["X"],
          outputs: ["scaled"],
          attributes: { offset: numbers(6), scale: numbers(6) },
        },
        {
          op: "LinearClassifier",
          domain: "ai.onnx.ml",
          inputs: ["scaled"],
          outputs: ["label", "raw"],
          attributes: {
            classlabels_ints: ints([...Array(count).keys()]),
            coefficients: numbers(6 * count),
            intercepts: numbers(count),
            post_transform: string(count === 2 ? "LOGISTIC" : "SOFTMAX"),
          },
        },
        {
          op: "Normalizer",
          domain: "ai.onnx.ml",
          inputs: ["raw"],
          outputs: ["probabilities"],
          attributes: { norm: string("L1") },
        },
        { op: "Cast", inputs: ["label"], outputs: ["output_label"], attributes: { to: int(onnxDataType.int64) } },
        { op: "ZipMap", domain: "ai.onnx.ml", inputs: ["probabilities"], outputs: ["output_probability"] },
      ],
      ["output_label", "output_probability"],
      {},
    );
    const { model, head } = importModel(modelOf(b, [undefined, 6], named), options([6]));
    expect(head).toMatchObject({ features: 6, previousClasses: count, keptWeight: count === 3, droppedBias: true });
    expect(model.graph.nodes.at(-1)!.op).toBe("ScaleInvariantLinear");
  });

  it("puts a classifier behind a named node of a network that only gives features, as tf2onnx writes it", async () => {
    const b = new GraphBuilder({ opset: 13 });
    const x = b.transpose(b.input("input_1", "float32", [1, 6, 4, 3]), [0, 3, 1, 2]);
    const features = b.op(
      "Conv",
      [x, b.initializer("kernel", tensor([5, 3, 6, 3]))],
      {},
      { name: "model/conv2d/Conv2D" },
    );
    b.output("conv2d", b.transpose(features, [0, 2, 3, 1]));
    const source = modelOf(b, ["unk__1", 6, 4, 3]);
    expect(() => importModel(source, options([3, 6, 4]))).toThrow(
      /no classifier to replace.*conv2d comes from Transpose.*the node that makes them/,
    );
    const { model, head } = importModel(source, { ...options([3, 6, 4]), headNode: "model/conv2d/Conv2D" });
    expect(head).toMatchObject({ features: 10, previousClasses: 0, keptWeight: false });
    expect(head.description).toMatch(/^put behind Conv model\/conv2d\/Conv2D \(10 features\) a scale-invariant/);
    expect(await outputOf(model, "logits", [2, 3, 6, 4], tensor([2, 3, 6, 4]).data)).toHaveLength(6);
  });

  describe("a cascade, whose second stage an If runs where the first is in doubt", () => {
    const cascade = () => {
      const b = new GraphBuilder({ opset: 13 });
      const x = b.input("x", "float32", [1, 6]);
      const first = b.op(
        "Gemm",
        [x, b.initializer("w", tensor([1, 6])), b.initializer("bias", tensor([1]))],
        { transB: int(1) },
        { name: "first" },
      );
      b.output("p", b.op("Sigmoid", [first]));
      b.output("sure", b.op("GreaterOrEqual", [b.value("p"), b.scalar(0.5)]));
      const branch: Graph = { ...b.finish("branch"), nodes: [], inputs: [], outputs: [], initializers: new Map() };
      const attributes = {
        then_branch: { kind: "graph", value: branch },
        else_branch: { kind: "graph", value: branch },
      } as const;
      return modelOf(
        b,
        [1, 6],
        endedBy([{ op: "If", name: "doubt", inputs: ["sure"], outputs: ["score"], attributes }], ["score"]),
      );
    };

    it("is trained where its classifier is named", () => {
      const { head, model } = importModel(cascade(), { ...options([6]), headNode: "first" });
      expect(head).toMatchObject({ features: 6, previousClasses: 1 });
      expect(model.graph.nodes).toHaveLength(1);
    });

    it("is refused where not", () => {
      expect(() => importModel(cascade(), options([6]))).toThrow(/condition of node doubt \(If\) is known only when/);
    });
  });

  it("frees a batch that was fixed at 1, finds a weight behind a Transpose, and Constant nodes", () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = b.input("x", "float32", [1, 3, 8, 8]);
    const kernel = b.op(
      "Constant",
      [],
      { value: { kind: "tensor", value: tensor([4, 3, 3, 3]) } },
      { outputNames: ["kernel"] },
    );
    const y = b.op("GlobalAveragePool", [b.relu(b.op("Conv", [x, kernel], { kernel_shape: ints([3, 3]) }))]);
    const features = b.reshape(y, [1, 4]);
    b.output("logits", b.matMul(features, b.transpose(b.initializer("fc.weight", tensor([10, 4])), [1, 0])));
    const { model, head } = importModel(modelOf(b, [1, 3, 8, 8]), options([3, 8, 8]));
    expect(head).toMatchObject({ previousClasses: 10, keptWeight: false });
    expect(analyseScaleInvariance(model.graph).map(({ name, scaleInvariant }) => [name, scaleInvariant])).toEqual(
      expect.arrayContaining([
        ["kernel", false],
        [head.weight, true],
      ]),
    );
  });

  it("takes the branch of an If that the exporter left, whatever the batch", () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = b.input("x", "float32", [1, 3, 8, 8]);
    small(x, b, (features) => b.matMul(features, b.initializer("fc", tensor([4, 3]))));
    const source = modelOf(b, ["n", 3, 8, 8], (graph) => {
      // Squeeze as PyTorch writes it where it does not know the size: If(size == 1, Relu(pooled), pooled).
      const [conv, relu, ...rest] = graph.nodes;
      const inner = (name: string, op: string): Graph => ({
        name,
        nodes: [{ op, domain: "", name, inputs: [relu!.outputs[0]!], outputs: [name], attributes: {} }],
        inputs: [],
        outputs: [{ name, dtype: undefined, shape: undefined }],
        initializers: new Map(),
        valueInfo: [],
      });
      const node = (op: string, inputs: string[], output: string, attributes = {}) => ({
        op,
        domain: "",
        name: output,
        inputs,
        outputs: [output],
        attributes,
      });
      const choice = [
        node("Shape", [relu!.outputs[0]!], "shape", { start: int(1), end: int(2) }),
        node("Equal", ["shape", "one"], "is one"),
        node("If", ["is one"], "chosen", {
          then_branch: { kind: "graph", value: inner("negated", "Neg") },
          else_branch: { kind: "graph", value: inner("kept", "Abs") },
        }),
      ];
      const initializers = new Map([
        ...graph.initializers,
        ["one", { dtype: "int64", shape: [1], data: BigInt64Array.of(1n) }] as const,
      ]);
      const after = rest.map((each) => ({
        ...each,
        inputs: each.inputs.map((name) => (name === relu!.outputs[0] ? "chosen" : name)),
      }));
      return { ...graph, nodes: [conv!, relu!, ...choice, ...after], initializers };
    });
    const { model } = importModel(source, options([3, 8, 8]));
    expect(model.graph.nodes.map(({ op }) => op)).toEqual([
      "Conv",
      "Relu",
      "Abs",
      "GlobalAveragePool",
      "Flatten",
      "ScaleInvariantLinear",
    ]);
  });

  it("trains half-precision weights in float32", async () => {
    const b = new GraphBuilder({ opset: 17 });
    const half = (shape: readonly number[], seed: number): Tensor => ({
      dtype: "float16",
      shape,
      data: toFloat16(tensor(shape, seed).data),
    });
    const x = b.cast(b.input("x", "float32", [1, 6]), "float16");
    const y = b.relu(b.matMul(x, b.initializer("w1", half([6, 5], 1))));
    b.output("scores", b.cast(b.matMul(y, b.initializer("w2", half([5, 3], 2))), "float32"));
    const { model, head } = importModel(modelOf(b, ["n", 6]), options([6]));
    expect([...model.graph.initializers.values()].map(({ dtype }) => dtype)).toEqual(["float32", "float32"]);
    expect(head.keptWeight).toBe(true);
    expect(
      model.graph.nodes.some(({ op, attributes }) => op === "Cast" && attributes.to?.value !== onnxDataType.float32),
    ).toBe(false);
    expect(await outputOf(model, "logits", [2, 6], tensor([2, 6]).data)).toHaveLength(6);
  });

  it("repeats a grey channel for a model of colour images", async () => {
    const b = new GraphBuilder({ opset: 17 });
    small(b.input("x", "float32", [1, 3, 8, 8]), b, (features) =>
      b.matMul(features, b.initializer("fc", tensor([4, 7]))),
    );
    const { model, inputSteps } = importModel(modelOf(b, ["n", 3, "h", "w"]), options([1, 8, 8]));
    expect(inputSteps).toEqual(["repeats the grey channel 3 times"]);
    const grey = tensor([2, 1, 8, 8]).data;
    const colour = new Float32Array(2 * 3 * 64);
    for (let i = 0; i < colour.length; i++) colour[i] = grey[Math.floor(i / 192) * 64 + (i % 64)]!;
    const conv = model.graph.nodes.find(({ op }) => op === "Conv")!.outputs[0]!;
    expect(
      difference(
        await outputOf(model, conv, [2, 1, 8, 8], grey),
        await outputOf(modelOf(b, [2, 3, 8, 8]), conv, [2, 3, 8, 8], colour),
      ),
    ).toBe(0);
  });

  it("gives other names to what is called like the parts that export adds", async () => {
    const b = new GraphBuilder({ opset: 17 });
    const pixels = b.input("pixels", "float32", [1, 6]);
    const features = b.op(
      "Relu",
      [b.matMul(pixels, b.initializer("preprocess/w", tensor([6, 5])))],
      {},
      { outputNames: ["features"] },
    );
    b.output("probabilities", b.op("Softmax", [b.matMul(features, b.initializer("w2", tensor([5, 3])))]));
    const { model } = importModel(modelOf(b, ["n", 6]), options([6]));
    const exported = exportClassifier(
      model,
      new Map(),
      { kind: "table", numeric: Array.from({ length: 6 }, () => ({ mean: 0, std: 1, range: 1, missing: false })) },
      {
        classes: ["a", "b", "c"],
        input: { kind: "table", numeric: ["1", "2", "3", "4", "5", "6"], categorical: [] },
        provenance: { version: "1", createdAt: "", model: "x", elr: 1, scale: 4, seed: 0, epochs: 1, dataHash: "" },
      },
    );
    const graph = { ...exported.graph, inputs: [{ name: "features", dtype: "float32", shape: [2, 6] } as const] };
    const [logits, probabilities] = await runGraph(graph, exported.opsets);
    expect([logits!.dims, probabilities!.dims]).toEqual([
      [2, 3],
      [2, 3],
    ]);
  });

  it("gives the classes of an exported classifier their rows by name", () => {
    const head = { scale: 4, norm: "tensor", features: "raw" } as const;
    const trained = convnet({ width: 2 }).build({ shape: [1, 8, 8], classes: 3, seed: 1, head });
    const provenance = {
      version: "1",
      createdAt: "",
      model: "convnet",
      elr: 1,
      scale: 4,
      seed: 0,
      epochs: 1,
      dataHash: "",
    };
    const exported = exportClassifier(
      trained,
      new Map(),
      { kind: "image", mean: [0.25], std: [0.5] },
      {
        classes: ["cat", "dog", "owl"],
        input: { kind: "image", height: 8, width: 8, channels: 1 },
        provenance,
      },
    );
    const { model, head: report } = importModel(exported, options([1, 8, 8], ["owl", "cat", "dog"]));
    const rows = (weight: Tensor, ...order: number[]) =>
      order.flatMap((row) => [...(weight.data as Float32Array).subarray(row * 8, row * 8 + 8)]);
    const folded = exported.graph.initializers.get("classifier.weight")!;
    expect([...(model.graph.initializers.get(report.weight)!.data as Float32Array)]).toEqual(rows(folded, 2, 0, 1));
    expect(importModel(exported, options([1, 8, 8], ["owl", "cat", "emu"])).head.keptWeight).toBe(false);
  });

  const refused: readonly [string, () => Model, readonly number[], string, RegExp][] = [
    [
      "two inputs",
      () => {
        const b = new GraphBuilder();
        const x = b.plus(b.input("x", "float32", [1, 6]), b.input("y", "float32", [1, 6]));
        b.output("scores", b.matMul(x, b.initializer("w", tensor([6, 3]))));
        const model = modelOf(b, ["n", 6]);
        return model;
      },
      [6],
      "ISO_MODEL_UNSUITABLE",
      /2 inputs \(x, y\)/,
    ],
    [
      "images where the data is a table",
      () => {
        const b = new GraphBuilder();
        small(b.input("x", "float32", [1, 3, 8, 8]), b, (features) =>
          b.matMul(features, b.initializer("fc", tensor([4, 3]))),
        );
        return modelOf(b, ["n", 3, 8, 8]);
      },
      [6],
      "ISO_MODEL_UNSUITABLE",
      /the data is a table/,
    ],
    [
      "images of another size than its layers allow",
      () => {
        const b = new GraphBuilder();
        const x = b.op("Flatten", [b.input("x", "float32", [1, 3, 8, 8])], { axis: int(1) });
        b.output("scores", b.matMul(x, b.initializer("w", tensor([192, 3]))));
        return modelOf(b, ["n", 3, 8, 8]);
      },
      [3, 10, 10],
      "ISO_MODEL_UNSUITABLE",
      /8x8 pixels, and the data's are 10x10.*--image-size 8x8/s,
    ],
    [
      "a batch that stays fixed",
      () => {
        const b = new GraphBuilder();
        const x = b.relu(b.matMul(b.input("x", "float32", [1, 6]), b.initializer("w", tensor([6, 4]))));
        b.output(
          "scores",
          b.matMul(b.op("Slice", [x, b.int64([0]), b.int64([1]), b.int64([0])]), b.initializer("w2", tensor([4, 3]))),
        );
        return modelOf(b, ["n", 6]);
      },
      [6],
      "ISO_MODEL_UNSUITABLE",
      /for 2 examples the model gives scores of shape \[1, 3\]/,
    ],
    [
      "operators that nobody knows, all of them named",
      () => {
        const b = new GraphBuilder();
        b.output("scores", b.matMul(b.input("x", "float32", [1, 6]), b.initializer("w", tensor([6, 3]))));
        const unknown = (name: string, input: string) => ({
          op: "Magic",
          domain: "wizards",
          name,
          inputs: [input],
          outputs: [name],
          attributes: {},
        });
        return modelOf(b, ["n", 6], (graph) => ({
          ...graph,
          nodes: [
            unknown("m1", "x"),
            unknown("m2", "m1"),
            ...graph.nodes.map((node) => ({
              ...node,
              inputs: node.inputs.map((name) => (name === "x" ? "m2" : name)),
            })),
          ],
        }));
      },
      [6],
      "ISO_ONNX_UNSUPPORTED",
      /2 nodes.*wizards:Magic m1, wizards:Magic m2/,
    ],
  ];
  it.each(refused)("refuses a model with %s", (_, make, shape, code, message) => {
    expect(() => importModel(make(), options(shape))).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});

describe("what is trained", () => {
  const head = { scale: 4, norm: "tensor", features: "raw" } as const;
  const model = convnet({ width: 2 }).build({ shape: [1, 8, 8], classes: 3, seed: 1, head });
  const names = analyseScaleInvariance(model.graph).map(({ name }) => name);
  const select = (choice: string) => selectTrained(model.graph, names, choice, "classifier.weight");

  it.each([
    ["all", names],
    ["head", ["classifier.weight"]],
    ["last:1", ["classifier.weight"]],
    ["last:2", ["stage3.layer2.conv.weight", "stage3.layer2.bn.weight", "stage3.layer2.bn.bias", "classifier.weight"]],
    ["last:1000", names],
    ["stage3.*conv", ["stage3.layer1.conv.weight", "stage3.layer2.conv.weight", "classifier.weight"]],
  ])("%s", (choice, expected) => {
    expect([...select(choice)].sort()).toEqual([...expected].sort());
  });

  it.each([
    ["last:0", /whole number/],
    ["last:two", /whole number/],
    ["(", /no regular expression/],
    ["stage9", /no weight's name matches/],
  ])("%s is refused", (choice, message) => {
    expect(() => select(choice)).toThrow(
      expect.objectContaining({ code: "ISO_ARGUMENT", message: expect.stringMatching(message) }),
    );
  });

  it("the network is cut before it, and both parts together are the whole", async () => {
    const cut = cutFrozen(model.graph, select("last:2"))!;
    const [shape, input] = [[2, 1, 8, 8], tensor([2, 1, 8, 8]).data];
    const whole = await outputOf(model, "logits", shape, input);
    const features = await outputOf({ ...model, graph: cut.frozen }, cut.features, shape, input);
    const opened = { ...cut.trained, inputs: [{ name: cut.features, dtype: "float32", shape: [2, 8, 2, 2] } as const] };
    expect(await outputOf({ ...model, graph: opened }, "logits", [2, 8, 2, 2], features)).toEqual(whole);
    expect(cut.trained.nodes.map(({ name }) => name)).toContain("stage3.layer2.conv");
    expect(cut.trained.nodes.map(({ name }) => name)).not.toContain("stage3.layer1.conv");
    expect(cutFrozen(model.graph, select("all"))).toBeUndefined();
  });

  it("is not cut where more than one value crosses", () => {
    const net = new Network({ shape: [4], classes: 2, seed: 1, head });
    const [left, right] = [net.linear("left", net.input, 3), net.linear("right", net.input, 3)];
    const crossing = net.finish("two", net.classifier(net.b.plus(left, right), 2, head));
    const sum = crossing.graph.nodes.find(({ op }) => op === "Add")!;
    expect(cutFrozen(crossing.graph, new Set(["classifier.weight"]))!.features).toBe(sum.outputs[0]);
    const gated = new Network({ shape: [4], classes: 2, seed: 1, head });
    const gate = gated.linear("gate", gated.input, 4);
    const both = gated.finish("gated", gated.classifier(gated.b.plus(gated.linear("late", gate, 4), gate), 2, head));
    expect(cutFrozen(both.graph, new Set(["late.weight", "classifier.weight"]))!.features).toBe(gate.name);
    const skip = new Network({ shape: [4], classes: 2, seed: 1, head });
    const first = skip.linear("first", skip.input, 4);
    const second = skip.b.relu(first);
    const crossed = skip.finish("skip", skip.classifier(skip.b.plus(skip.linear("late", second, 4), first), 2, head));
    expect(cutFrozen(crossed.graph, new Set(["late.weight", "classifier.weight"]))).toBeUndefined();
  });
});

describe("batch normalisations that were folded", () => {
  const shape = [8, 3, 8, 8];
  const folded = (kind: "raw" | "unit" = "raw"): Model => {
    const b = new GraphBuilder({ opset: 21 });
    let x = b.input("x", "float32", [1, 3, 8, 8]);
    for (const [index, channels] of [4, 6].entries()) {
      const weight = b.initializer(`conv${index}`, tensor([channels, x.shape[1]!, 3, 3], index + 1));
      const bias = index === 0 ? b.initializer("bias0", tensor([channels], 7)) : undefined;
      x = b.relu(b.op("Conv", [x, weight, bias], { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) }));
    }
    const features = b.op("Flatten", [b.op("GlobalAveragePool", [x])], { axis: int(1) });
    b.output("scores", b.matMul(features, b.initializer("fc", tensor([6, 3], 9))));
    return importModel(modelOf(b, ["n", 3, 8, 8]), { ...options([3, 8, 8]), features: kind }).model;
  };
  const input = tensor(shape, 11).data;

  /** Per channel of [batch, channels, ...]. */
  function moments(data: Float32Array, channels: number): { mean: Float32Array; variance: Float32Array } {
    const inner = data.length / (shape[0]! * channels);
    const mean = new Float32Array(channels);
    const variance = new Float32Array(channels);
    for (let c = 0; c < channels; c++) {
      const values = [...data].filter((_, i) => Math.floor(i / inner) % channels === c);
      mean[c] = values.reduce((sum, v) => sum + v, 0) / values.length;
      variance[c] = values.reduce((sum, v) => sum + (v - mean[c]!) ** 2, 0) / values.length;
    }
    return { mean, variance };
  }

  it("come back without changing what the network computes, and make its weights scale-invariant", async () => {
    const model = folded();
    const convolutions = foldedConvolutions(model.graph, new Set(["conv0", "conv1"]));
    expect(convolutions).toHaveLength(2);
    expect(foldedConvolutions(model.graph, new Set(["conv1"]))).toHaveLength(1);
    const measured = await Promise.all(
      convolutions.map(async ({ outputs }, index) =>
        poolMoments([moments(await outputOf(model, outputs[0]!, shape, input), index === 0 ? 4 : 6)]),
      ),
    );
    const inserted = insertBatchNormalizations(model, convolutions, measured);
    const [before, after] = [
      await outputOf(model, "logits", shape, input),
      await outputOf(inserted, "logits", shape, input),
    ];
    expect(difference(after, before)).toBeLessThan(1e-5);
    const proofs = new Map(analyseScaleInvariance(inserted.graph).map((proof) => [proof.name, proof]));
    expect([proofs.get("conv0")!.scaleInvariant, proofs.get("conv1")!.scaleInvariant]).toEqual([true, true]);
    expect(proofs.has("bias0")).toBe(false);
    expect(foldedConvolutions(inserted.graph, new Set(["conv0"]))).toEqual([]);
  });

  it("moments of several batches are those of all of it", () => {
    const parts = [0, 1, 2].map((part) => Float32Array.from({ length: 10 }, (_, i) => Math.sin(i * 3 + part) + part));
    const stats = parts.map((values) => {
      const mean = values.reduce((sum, v) => sum + v, 0) / 10;
      return {
        mean: Float32Array.of(mean),
        variance: Float32Array.of(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 10),
      };
    });
    const all = parts.flatMap((values) => [...values]);
    const mean = all.reduce((sum, v) => sum + v, 0) / 30;
    const pooled = poolMoments(stats);
    expect(pooled.mean[0]).toBeCloseTo(mean, 6);
    expect(pooled.variance[0]).toBeCloseTo(all.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 30, 6);
  });

  it("features are standardised for a fresh classifier", async () => {
    const model = folded();
    const features = model.graph.nodes.at(-1)!.inputs[0]!;
    const raw = await outputOf(model, features, shape, input);
    const standardized = standardizeFeatures(model, poolMoments([moments(raw, 6)]));
    expect([...standardized.fixed].every((name) => standardized.model.graph.initializers.has(name))).toBe(true);
    const found = moments(await outputOf(standardized.model, "classifier/standardized", shape, input), 6);
    expect(Math.max(...found.mean.map(Math.abs))).toBeLessThan(1e-3);
    expect(found.variance.reduce((sum, v) => sum + v, 0) / 6).toBeCloseTo(1, 4);
  });

  it("standardised features keep the classifier scale-invariant; a weight that only their unit norm made so is not any more", async () => {
    const model = folded("unit");
    const raw = await outputOf(model, model.graph.nodes.at(-1)!.inputs[0]!, shape, input);
    const standardized = standardizeFeatures(model, poolMoments([moments(raw, 6)])).model;
    const doubled = async ({ graph, ...rest }: Model, name: string): Promise<number> => {
      const weight = graph.initializers.get(name)!;
      const twice = { ...weight, data: (weight.data as Float32Array).map((value) => 2 * value) } as Tensor;
      const changed = { ...rest, graph: { ...graph, initializers: new Map([...graph.initializers, [name, twice]]) } };
      const [before, after] = [{ graph, ...rest }, changed].map((each) => outputOf(each, "logits", shape, input));
      return relativeOutputChange(await before!, await after!);
    };
    for (const [each, second] of [
      [model, true],
      [standardized, false],
    ] as const) {
      const proof = new Map(analyseScaleInvariance(each.graph).map((weight) => [weight.name, weight.scaleInvariant]));
      expect([proof.get("classifier.weight"), proof.get("conv1")]).toEqual([true, second]);
      expect(await doubled(each, "classifier.weight")).toBeLessThan(1e-5);
      if (second) expect(await doubled(each, "conv1")).toBeLessThan(1e-5);
      else expect(await doubled(each, "conv1")).toBeGreaterThan(1e-2);
    }
  });
});

describe("chooseNormalization", () => {
  const grey = { kind: "image", mean: [0.3], std: [0.2] } as const;
  const colour = { kind: "image", mean: [0.3, 0.4, 0.5], std: [0.2, 0.2, 0.2] } as const;
  const facts = { own: undefined, takesBytes: false, previousClasses: 10 };

  it("follows what the model was trained with, where that is known", () => {
    expect(chooseNormalization("auto", grey, { ...facts, own: { ...grey, mean: [0.9] } }).statistics).toMatchObject({
      mean: [0.9],
    });
    expect(chooseNormalization("auto", colour, { ...facts, previousClasses: 1000 }).words).toMatch("ImageNet");
    expect(chooseNormalization("auto", colour, { ...facts, takesBytes: true }).statistics).toMatchObject({
      std: [1 / 255, 1 / 255, 1 / 255],
    });
    expect(chooseNormalization("auto", colour, facts).statistics).toBe(colour);
    expect(chooseNormalization("data", colour, { ...facts, previousClasses: 1000 }).statistics).toBe(colour);
    expect(chooseNormalization("signed", grey).statistics).toEqual({ kind: "image", mean: [0.5], std: [0.5] });
  });

  it("refuses what does not fit", () => {
    const table = { kind: "table", numeric: [{ mean: 0, std: 1, range: 1, missing: false }] } as const;
    expect(() => chooseNormalization("imagenet", table)).toThrow(expect.objectContaining({ code: "ISO_ARGUMENT" }));
    expect(() => chooseNormalization("auto", table, { ...facts, own: grey })).toThrow(
      expect.objectContaining({
        code: "ISO_MODEL_UNSUITABLE",
        message: expect.stringContaining("images of 1 channel"),
      }),
    );
  });
});
