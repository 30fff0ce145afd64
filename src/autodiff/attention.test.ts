import { inline, upgrade } from "../graph/index.js";
import { type Attributes, elementCount, float, int, type Model, type Tensor } from "../onnx/types.js";
import { describeGradients } from "./testing/describeGradients.js";
import { type GradientCheck, inputName, randomTensor } from "./testing/finiteDifference.js";

/** The gradients of a node that `upgrade` writes out as several. */
function writtenOut(
  op: string,
  domain: string,
  inputs: readonly (Tensor | undefined)[],
  attributes: Attributes,
): GradientCheck {
  const opset = 23;
  const given = inputs.filter((tensor) => tensor !== undefined);
  const infos = given.map(({ dtype, shape }, index) => ({ name: inputName(index), dtype, shape }));
  let count = 0;
  const names = inputs.map((tensor) => (tensor ? inputName(count++) : ""));
  const model: Model = {
    graph: {
      name: op,
      nodes: [{ op, domain, name: "node", inputs: names, outputs: ["y"], attributes }],
      inputs: infos,
      outputs: [{ name: "y", dtype: "float32", shape: undefined }],
      initializers: new Map(),
      valueInfo: [],
    },
    irVersion: 10,
    opsets: new Map([
      ["", opset],
      ["com.microsoft", 1],
    ]),
    producerName: "",
    producerVersion: "",
    metadata: new Map(),
  };
  return {
    opset,
    inputs: given,
    build: (b, values) => {
      const bindings = new Map(values.map((value, index) => [inputName(index), value]));
      return inline(b, upgrade(model), bindings).get("y")!;
    },
  };
}

const x = (seed: number, ...shape: number[]) => randomTensor(shape, { seed, low: -2, high: 2 });
const seen = (...shape: number[]): Tensor => {
  const data = Uint8Array.from({ length: elementCount(shape) }, (_, index) => (index % 3 === 2 ? 0 : 1));
  return { dtype: "bool", shape, data };
};
const heads = { q_num_heads: int(2), kv_num_heads: int(2) };
const qkv = [x(1, 2, 3, 4), x(2, 2, 3, 4), x(3, 2, 3, 6)] as const;

describeGradients("attention and skips, written out", {
  Attention: writtenOut("Attention", "", qkv, heads),
  "Attention, causal": writtenOut("Attention", "", qkv, { ...heads, is_causal: int(1) }),
  "Attention where keys are hidden": writtenOut("Attention", "", [...qkv, seen(3, 3)], heads),
  "Attention with a bias that is trained": writtenOut("Attention", "", [...qkv, x(4, 2, 2, 3, 3)], heads),
  "Attention of four query heads on two key heads, with a soft cap": writtenOut(
    "Attention",
    "",
    [x(1, 2, 3, 8), x(2, 2, 3, 4), x(3, 2, 3, 6)],
    { q_num_heads: int(4), kv_num_heads: int(2), softcap: float(1.5) },
  ),
  "com.microsoft:MultiHeadAttention with the projections' bias": writtenOut(
    "MultiHeadAttention",
    "com.microsoft",
    [...qkv, x(12, 14)],
    { num_heads: int(2) },
  ),
  "com.microsoft:MultiHeadAttention of queries, keys and values in one tensor": writtenOut(
    "MultiHeadAttention",
    "com.microsoft",
    [x(16, 2, 3, 2, 3, 4)],
    { num_heads: int(2), unidirectional: int(1) },
  ),
  "com.microsoft:MultiHeadAttention of keys and values in one tensor": writtenOut(
    "MultiHeadAttention",
    "com.microsoft",
    [x(17, 2, 3, 8), x(18, 2, 5, 2, 2, 4)],
    { num_heads: int(2) },
  ),
  RotaryEmbedding: writtenOut("RotaryEmbedding", "", [x(13, 2, 3, 5, 4), x(14, 2, 5, 2), x(15, 2, 5, 2)], {}),
  "RotaryEmbedding of neighbours, of caches read by position": writtenOut(
    "RotaryEmbedding",
    "",
    [
      x(13, 2, 3, 8),
      x(14, 6, 2),
      x(15, 6, 2),
      { dtype: "int64", shape: [2, 3], data: BigInt64Array.of(0n, 3n, 5n, 1n, 1n, 2n) },
    ],
    { num_heads: int(2), interleaved: int(1) },
  ),
  "com.microsoft:Attention": writtenOut("Attention", "com.microsoft", [x(5, 2, 3, 4), x(6, 4, 12), x(7, 12)], {
    num_heads: int(2),
  }),
  "com.microsoft:SkipLayerNormalization": writtenOut(
    "SkipLayerNormalization",
    "com.microsoft",
    [x(8, 2, 3, 4), x(9, 2, 3, 4), x(10, 4), undefined, x(11, 4)],
    { epsilon: float(1e-3) },
  ),
});
