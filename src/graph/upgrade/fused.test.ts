import { describe, expect, it } from "vitest";
import {
  type Attributes,
  elementCount,
  float,
  floats,
  type Graph,
  int,
  ints,
  string,
  type Tensor,
} from "../../onnx/types.js";
import { GraphBuilder } from "../builder.js";
import { inline } from "../inline.js";
import { runGraph } from "../ortOracle.js";
import { upgrade } from "./index.js";

interface Case {
  readonly op: string;
  readonly domain?: string;
  readonly opset?: number;
  /** Shapes of float32 inputs, or contents; undefined where an input is absent. */
  readonly inputs: readonly (readonly number[] | Tensor | undefined)[];
  readonly attributes?: Attributes;
  readonly outputs?: readonly string[];
}

/** Values of both signs, different for each input. */
function contents(shape: readonly number[], seed: number): Tensor {
  const data = Float32Array.from({ length: elementCount(shape) }, (_, index) => Math.sin(1 + 3 * seed + 1.7 * index));
  return { dtype: "float32", shape, data };
}

function graphOf({ op, domain = "com.microsoft", inputs, attributes = {}, outputs = ["y"] }: Case): Graph {
  const names = inputs.map((input, index) => (input ? `x${index}` : ""));
  const tensors = inputs.flatMap((input, index): [string, Tensor][] =>
    input ? [[`x${index}`, "data" in input ? input : contents(input, index)]] : [],
  );
  return {
    name: "fused",
    nodes: [{ op, domain, name: "node", inputs: names, outputs, attributes }],
    inputs: [],
    outputs: outputs.filter(Boolean).map((name) => ({ name, dtype: undefined, shape: undefined })),
    initializers: new Map(tensors),
    valueInfo: [],
  };
}

const opsetsOf = ({ opset = 21 }: Case) =>
  new Map([
    ["", opset],
    ["com.microsoft", 1],
  ]);
const modelOf = (node: Case) => ({
  graph: graphOf(node),
  irVersion: 10,
  opsets: opsetsOf(node),
  producerName: "",
  producerVersion: "",
  metadata: new Map<string, string>(),
});

const conv = { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]), strides: ints([2, 1]) };
const fusedConv = (activation: string, parameters: readonly number[] = [], withZ = false): Case => ({
  op: "FusedConv",
  inputs: [[2, 3, 5, 4], [4, 3, 3, 3], [4], withZ ? [2, 4, 3, 4] : undefined],
  attributes: {
    ...conv,
    activation: string(activation),
    ...(parameters.length > 0 && { activation_params: floats(parameters) }),
  },
});
const fusedGemm = (activation: string, attributes: Attributes = {}): Case => ({
  op: "FusedGemm",
  inputs: [[3, 4], [5, 4], [5]],
  attributes: { transB: int(1), alpha: float(0.5), activation: string(activation), ...attributes },
});
const mask = (shape: readonly number[], dtype: "int32" | "bool"): Tensor => {
  const seen = Array.from({ length: elementCount(shape) }, (_, index) => (index % 4 === 3 ? 0 : 1));
  return dtype === "int32"
    ? { dtype, shape, data: Int32Array.from(seen) }
    : { dtype, shape, data: Uint8Array.from(seen) };
};
const heads = { num_heads: int(2) };
const onnxHeads = { q_num_heads: int(2), kv_num_heads: int(2) };

const cases: readonly Case[] = [
  fusedConv("Relu"),
  fusedConv("Relu", [], true),
  fusedConv("LeakyRelu", [0.25]),
  fusedConv("HardSigmoid", [0.25, 0.4]),
  fusedConv("Clip", [-0.5, 1]),
  fusedConv("Tanh"),
  {
    op: "FusedConv",
    inputs: [
      [1, 2, 4, 4],
      [2, 2, 3, 3],
    ],
    attributes: conv,
  },
  fusedGemm("Relu"),
  fusedGemm("LeakyRelu", { activation_alpha: float(0.1) }),
  fusedGemm("HardSigmoid", { activation_alpha: float(0.3), activation_beta: float(0.4) }),
  { op: "SkipLayerNormalization", inputs: [[2, 3, 4], [2, 3, 4], [4], [4]], attributes: { epsilon: float(1e-3) } },
  {
    op: "SkipLayerNormalization",
    inputs: [[2, 3, 4], [2, 3, 4], [4], undefined, [4]],
    outputs: ["y", "", "", "sum"],
  },
  { op: "SkipSimplifiedLayerNormalization", inputs: [[2, 3, 4], [2, 3, 4], [4], [4]], outputs: ["y", "", "", "sum"] },
  {
    op: "MultiHeadAttention",
    inputs: [
      [2, 3, 8],
      [2, 5, 8],
      [2, 5, 8],
    ],
    attributes: heads,
  },
  {
    op: "MultiHeadAttention",
    inputs: [[2, 3, 8], [2, 5, 8], [2, 5, 8], undefined, undefined, [2, 2, 3, 5]],
    attributes: { ...heads, scale: float(0.3) },
  },
  {
    op: "MultiHeadAttention",
    inputs: [[2, 3, 8], [2, 5, 8], [2, 5, 4], [20]],
    attributes: heads,
  },
  {
    op: "MultiHeadAttention",
    inputs: [[2, 3, 8], [2, 5, 8], [2, 5, 8], undefined, mask([2, 5], "int32")],
    attributes: heads,
  },
  { op: "Attention", inputs: [[2, 3, 4], [4, 24], [24]], attributes: heads },
  { op: "Attention", inputs: [[2, 3, 4], [4, 24], [24], mask([2, 3], "int32")], attributes: heads },
  { op: "Attention", inputs: [[2, 3, 4], [4, 24], [24]], attributes: { ...heads, unidirectional: int(1) } },
  {
    op: "Attention",
    inputs: [[2, 3, 4], [4, 20], [20]],
    attributes: { ...heads, qkv_hidden_sizes: ints([8, 8, 4]) },
  },
  {
    op: "Attention",
    domain: "",
    opset: 23,
    inputs: [
      [2, 3, 8],
      [2, 5, 8],
      [2, 5, 4],
    ],
    attributes: onnxHeads,
  },
  {
    op: "Attention",
    domain: "",
    opset: 23,
    inputs: [
      [2, 2, 3, 4],
      [2, 2, 5, 4],
      [2, 2, 5, 6],
    ],
    attributes: { scale: float(0.2) },
  },
  {
    op: "Attention",
    domain: "",
    opset: 23,
    inputs: [
      [2, 2, 3, 4],
      [2, 1, 5, 4],
      [2, 1, 5, 4],
    ],
  },
  {
    op: "Attention",
    domain: "",
    opset: 23,
    inputs: [
      [2, 3, 8],
      [2, 3, 8],
      [2, 3, 8],
    ],
    attributes: { ...onnxHeads, is_causal: int(1) },
  },
  {
    op: "Attention",
    inputs: [[2, 3, 4], [4, 24], [24], undefined, [2, 2, 2, 1, 4]],
    attributes: heads,
    outputs: ["y", "present"],
  },
  {
    op: "Attention",
    inputs: [[2, 3, 4], [4, 24], [24], { dtype: "int32", shape: [2], data: Int32Array.of(3, 2) }],
    attributes: heads,
  },
  { op: "Attention", inputs: [[2, 3, 4], [4, 24], [24], mask([2, 3, 3], "int32")], attributes: heads },
  {
    op: "Attention",
    domain: "",
    opset: 23,
    inputs: [[2, 2, 3, 4], [2, 2, 3, 4], [2, 2, 3, 4], undefined, [2, 2, 1, 4], [2, 2, 1, 4]],
    outputs: ["y", "keys", "values"],
  },
  {
    op: "RotaryEmbedding",
    domain: "",
    opset: 23,
    inputs: [
      [2, 3, 5, 4],
      [2, 5, 2],
      [2, 5, 2],
    ],
  },
  {
    op: "RotaryEmbedding",
    domain: "",
    opset: 23,
    inputs: [
      [2, 5, 24],
      [2, 5, 2],
      [2, 5, 2],
    ],
    attributes: { interleaved: int(1), num_heads: int(3), rotary_embedding_dim: int(4) },
  },
  {
    op: "Attention",
    domain: "",
    opset: 23,
    inputs: [
      [2, 3, 24],
      [2, 5, 8],
      [2, 5, 4],
    ],
    attributes: { q_num_heads: int(6), kv_num_heads: int(2) },
  },
  {
    op: "Attention",
    domain: "",
    opset: 23,
    inputs: [
      [2, 6, 3, 4],
      [2, 2, 5, 4],
      [2, 2, 5, 3],
    ],
    attributes: { softcap: float(0.7) },
  },
  {
    op: "Attention",
    domain: "",
    opset: 23,
    inputs: [
      [2, 3, 8],
      [2, 5, 8],
      [2, 5, 8],
      [3, 5],
    ],
    attributes: { ...onnxHeads, softcap: float(0.7) },
  },
  {
    op: "Attention",
    domain: "",
    opset: 23,
    inputs: [
      [2, 3, 8],
      [2, 5, 8],
      [2, 5, 8],
      [3, 5],
    ],
    attributes: onnxHeads,
  },
  {
    op: "Attention",
    domain: "",
    opset: 23,
    inputs: [[2, 3, 8], [2, 5, 8], [2, 5, 8], mask([3, 5], "bool")],
    attributes: onnxHeads,
  },
];

describe("a fused node's parts compute in ONNX Runtime what it did", () => {
  it.each(cases.map((node) => [`${node.op} ${JSON.stringify([node.inputs.length, node.attributes])}`, node] as const))(
    "%s",
    async (_, node) => {
      const model = modelOf(node);
      const upgraded = upgrade(model);
      expect(upgraded.graph.nodes.map(({ domain }) => domain)).not.toContain("com.microsoft");
      expect(upgraded.graph.nodes.map(({ op }) => op)).not.toContain(
        node.op === "RotaryEmbedding" ? node.op : "Attention",
      );
      const before = await runGraph(model.graph, model.opsets);
      const after = await runGraph(upgraded.graph, upgraded.opsets);
      after.forEach((tensor, index) => {
        expect([...tensor.dims]).toEqual([...before[index]!.dims]);
        const expected = before[index]!.data as Float32Array;
        (tensor.data as Float32Array).forEach((value, at) => {
          expect(value).toBeCloseTo(expected[at]!, 5);
        });
      });
      const b = new GraphBuilder({ opsets: upgraded.opsets });
      const values = inline(b, upgraded, new Map());
      expect(model.graph.outputs.map(({ name }) => values.get(name)!.shape)).toEqual(
        before.map(({ dims }) => [...dims]),
      );
    },
  );
});

describe("queries, keys and values in one tensor", () => {
  // ONNX Runtime's CPU kernel takes them apart only; so the expected result is its own of the parts.
  const [batch, length, count, width] = [2, 3, 2, 4] as const;
  const ofPart = (packed: Tensor, parts: number, part: number): Tensor => {
    const data = new Float32Array(batch * length * count * width);
    for (let i = 0; i < data.length; i++) {
      const [head, at] = [Math.floor(i / width), i % width];
      data[i] = packed.data[(head * parts + part) * width + at] as number;
    }
    return { dtype: "float32", shape: [batch, length, count * width], data };
  };
  const all = contents([batch, length, count, 3, width], 1);
  const two = contents([batch, length, count, 2, width], 2);
  const query = contents([batch, length, count * width], 3);
  const forms: readonly (readonly [string, Case["inputs"], Case["inputs"]])[] = [
    ["three", [all], [0, 1, 2].map((part) => ofPart(all, 3, part))],
    ["keys and values", [query, two], [query, ofPart(two, 2, 0), ofPart(two, 2, 1)]],
  ];
  it.each(forms)("%s: the results are those of the parts", async (_, packed, parts) => {
    const attributes = { ...heads, unidirectional: int(1) };
    const apart = graphOf({ op: "MultiHeadAttention", inputs: parts, attributes });
    const [expected] = await runGraph(apart, opsetsOf({ op: "", inputs: [] }));
    const { graph, opsets } = upgrade(modelOf({ op: "MultiHeadAttention", inputs: packed, attributes }));
    const [actual] = await runGraph(graph, opsets);
    expect(actual!.dims).toEqual(expected!.dims);
    (actual!.data as Float32Array).forEach((value, at) => {
      expect(value).toBeCloseTo((expected!.data as Float32Array)[at]!, 5);
    });
  });
});

describe("a fused node of a form without a rule stays:", () => {
  const staying: readonly (readonly [string, Case])[] = [
    ["an activation unknown", fusedConv("Gelu")],
    ["keys without values", { op: "MultiHeadAttention", inputs: [[2, 3, 8], [2, 5, 8], undefined], attributes: heads }],
    [
      "past keys without past values",
      {
        op: "Attention",
        domain: "",
        opset: 23,
        inputs: [[2, 2, 3, 4], [2, 2, 5, 4], [2, 2, 5, 4], undefined, [2, 2, 1, 4]],
      },
    ],
  ];
  it.each(staying)("%s", (_, node) => {
    const model = modelOf(node);
    expect(upgrade(model)).toBe(model);
  });
});
