import { describe, expect, it } from "vitest";
import { exportClassifier } from "../classifier/index.js";
import { GraphBuilder } from "../graph/index.js";
import { runGraph } from "../graph/ortOracle.js";
import { analyseScaleInvariance } from "../method/index.js";
import { convnet } from "../models/index.js";
import {
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
import { importModel } from "./index.js";
import { difference, modelOf, options, outputOf, small, tensor } from "./testing/models.js";

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
    [
      "an attention with past keys of a form that is not written out, with what is not known of it",
      () => {
        const b = new GraphBuilder();
        b.output("scores", b.matMul(b.input("x", "float32", [1, 32]), b.initializer("w", tensor([32, 3]))));
        const node = (op: string, name: string, inputs: readonly string[], attributes = {}, domain = "") => ({
          op,
          domain,
          name,
          inputs,
          outputs: [name],
          attributes,
        });
        const heads = { num_heads: int(2), kv_num_heads: int(2) };
        const rows = ["x3", "x3", "x3", "past", "past", "lengths", "total"];
        return modelOf(b, ["n", 32], (graph) => ({
          ...graph,
          nodes: [
            node("Unsqueeze", "x3", ["x", "one"]),
            node("GroupQueryAttention", "attention", rows, heads, "com.microsoft"),
            node("Squeeze", "y", ["attention", "one"]),
            ...graph.nodes.map((each) => ({
              ...each,
              inputs: each.inputs.map((name) => (name === "x" ? "y" : name)),
            })),
          ],
          initializers: new Map([
            ...graph.initializers,
            ["one", { dtype: "int64", shape: [1], data: BigInt64Array.of(1n) }],
            ["past", tensor([1, 2, 4, 16])],
            ["lengths", { dtype: "int32", shape: [1], data: Int32Array.of(4) }],
            ["total", { dtype: "int32", shape: [], data: Int32Array.of(5) }],
          ]),
        }));
      },
      [32],
      "ISO_ONNX_UNSUPPORTED",
      /com\.microsoft:GroupQueryAttention attention; of com\.microsoft:GroupQueryAttention not known are past keys/,
    ],
  ];
  it.each(refused)("refuses a model with %s", (_, make, shape, code, message) => {
    expect(() => importModel(make(), options(shape))).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});
