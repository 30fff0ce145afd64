import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encode } from "../../src/onnx/index.js";
import {
  DimensionProto,
  GraphProto,
  type Message,
  ModelProto,
  NodeProto,
  OperatorSetIdProto,
  TensorProto,
  TensorShapeProto,
  TensorTypeProto,
  TypeProto,
  ValueInfoProto,
} from "../../src/onnx/schema.js";
import { float, floats, type Graph, int, ints, type Node, string, type Tensor } from "../../src/onnx/types.js";
import { writeMessage } from "../../src/onnx/wire.js";

// Models that nobody should be harmed by: what each is wrong with is its name.

const f32 = (shape: readonly number[], value = 0.1): Tensor => ({
  dtype: "float32",
  shape,
  data: new Float32Array(shape.reduce((size, each) => size * each, 1)).fill(value),
});
const i64 = (...numbers: (number | bigint)[]): Tensor => ({
  dtype: "int64",
  shape: [numbers.length],
  data: BigInt64Array.from(numbers, BigInt),
});
const node = (
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Node["attributes"] = {},
  domain = "",
): Node => ({
  op,
  domain,
  name: outputs[0] ?? op,
  inputs,
  outputs,
  attributes,
});

/** A classifier of 8x8 digits: flattened, then one Gemm. */
const base: Graph = {
  name: "hostile",
  nodes: [node("Flatten", ["x"], ["flat"]), node("Gemm", ["flat", "w", "b"], ["logits"], { transB: int(1) })],
  inputs: [{ name: "x", dtype: "float32", shape: ["n", 64] }],
  outputs: [{ name: "logits", dtype: "float32", shape: ["n", 10] }],
  initializers: new Map([
    ["w", f32([10, 64])],
    ["b", f32([10])],
  ]),
  valueInfo: [],
};

const modelOf = (graph: Graph, opset = 21) =>
  encode({
    graph,
    irVersion: 10,
    opsets: new Map([
      ["", opset],
      ["com.microsoft", 1],
      ["ai.onnx.ml", 3],
    ]),
    producerName: "hostile",
    producerVersion: "",
    metadata: new Map(),
  });

/** The classifier with its flat features read from the last of these nodes' outputs, "y", instead. */
function between(nodes: readonly Node[], constants: Readonly<Record<string, Tensor>> = {}): Uint8Array {
  return modelOf({
    ...base,
    nodes: [base.nodes[0]!, ...nodes, { ...base.nodes[1]!, inputs: ["y", "w", "b"] }],
    initializers: new Map([...base.initializers, ...Object.entries(constants)]),
  });
}

/** A node that reads a constant of its own and adds what it makes of it to the features. */
const added = (
  op: string,
  inputs: readonly string[],
  constants: Readonly<Record<string, Tensor>>,
  attributes: Node["attributes"] = {},
) =>
  between(
    [
      node(op, inputs, ["made"], attributes),
      node("ReduceMean", ["made"], ["mean"], { keepdims: int(0) }),
      node("Add", ["flat", "mean"], ["y"]),
    ],
    constants,
  );

/** The classifier, written field by field. */
function raw(fields: Partial<Message<typeof GraphProto>>, model: Partial<Message<typeof ModelProto>> = {}): Uint8Array {
  const nodes = [
    writeMessage(NodeProto, { opType: "Flatten", input: ["x"], output: ["flat"] }),
    writeMessage(NodeProto, { opType: "Gemm", input: ["flat", "w"], output: ["logits"] }),
  ];
  const [input, output] = [[valueInfo(5n, 64n)], [writeMessage(ValueInfoProto, { name: "logits" })]];
  const graph = writeMessage(GraphProto, { name: "g", node: nodes, input, output, ...fields });
  return writeMessage(ModelProto, {
    irVersion: 8n,
    graph,
    opsetImport: [writeMessage(OperatorSetIdProto, { domain: "", version: 17n })],
    ...model,
  });
}
const valueInfo = (...sizes: bigint[]) => {
  const dim = sizes.map((dimValue) => writeMessage(DimensionProto, { dimValue }));
  const tensorType = writeMessage(TensorTypeProto, { elemType: 1, shape: writeMessage(TensorShapeProto, { dim }) });
  return writeMessage(ValueInfoProto, { name: "x", type: writeMessage(TypeProto, { tensorType }) });
};
const weight = (fields: Partial<Message<typeof TensorProto>>, graph: Partial<Message<typeof GraphProto>> = {}) =>
  raw({ initializer: [writeMessage(TensorProto, { name: "w", dataType: 1, dims: [64n, 10n], ...fields })], ...graph });

const big = 2 ** 20;

/** The name of a model whose training step takes more than a million million bytes. */
export const tooMuchTogether = "300 tensors of 4 GB that are needed together";

/** Writes the models into a folder; by name. */
export function hostileModels(folder: string): ReadonlyMap<string, string> {
  const external = (location: string, offset = "0", length = "2560") =>
    weight({
      dataLocation: 1,
      externalData: Object.entries({ location, offset, length }).map(([key, value]) =>
        Uint8Array.of(0x0a, key.length, ...Buffer.from(key), 0x12, value.length, ...Buffer.from(value)),
      ),
    });
  symlinkSync("/etc/passwd", join(folder, "link.bin"));
  writeFileSync(join(folder, "short.bin"), new Uint8Array(100));
  const branch = (nodes: readonly Node[], output: string) => {
    const value: Graph = {
      ...base,
      inputs: [],
      nodes,
      outputs: [{ name: output, dtype: undefined, shape: undefined }],
      initializers: new Map(),
    };
    return { kind: "graph", value } as const;
  };
  const nested = (depth: number, output: string): Node =>
    node("If", ["condition"], [output], {
      then_branch: branch(
        [depth === 0 ? node("Relu", ["flat"], ["then0"]) : nested(depth - 1, `then${depth}`)],
        `then${depth}`,
      ),
      else_branch: branch([node("Neg", ["flat"], [`else${depth}`])], `else${depth}`),
    });
  const chain = Array.from({ length: 100_000 }, (_, i) =>
    node("Relu", [i === 0 ? "flat" : `c${i}`], [i === 99_999 ? "y" : `c${i + 1}`]),
  );
  const doubled = Array.from({ length: 60 }, (_, i) =>
    node("Concat", [i === 0 ? "seed" : `d${i}`, i === 0 ? "seed" : `d${i}`], [`d${i + 1}`], { axis: int(0) }),
  );
  const repeated = Array.from({ length: 40 }, (_, i) =>
    node("Add", [i === 0 ? "flat" : `a${i}`, i === 0 ? "flat" : `a${i}`], [i === 39 ? "y" : `a${i + 1}`]),
  );
  /** Each tensor within the bounds for one, 67 MB an example; the backward pass reads all of them. */
  const deep = Array.from({ length: 300 }, (_, i) => node("Tanh", [`t${i}`], [`t${i + 1}`]));
  const models: Readonly<Record<string, Uint8Array>> = {
    [tooMuchTogether]: between(
      [
        node("Gemm", ["flat", "k"], ["weighted"]),
        node("Unsqueeze", ["weighted", "last"], ["column"]),
        node("Expand", ["column", "wide"], ["t0"]),
        ...deep,
        node("ReduceMean", ["t300", "last"], ["y"], { keepdims: int(0) }),
      ],
      { k: f32([64, 64]), last: i64(2), wide: i64(1, 1, 2 ** 18) },
    ),
    "Tile a million million times": added("Tile", ["k", "times"], { k: f32([1, 1]), times: i64(big, big) }),
    "Tile 2^62 times": added("Tile", ["k", "times"], { k: f32([1]), times: i64(2n ** 62n) }),
    "Tile a negative number of times": added("Tile", ["k", "times"], { k: f32([1]), times: i64(-3) }),
    "Expand to 2^60 elements": added("Expand", ["k", "shape"], { k: f32([1]), shape: i64(2n ** 30n, 2n ** 30n) }),
    "ConstantOfShape of 2^50": added("ConstantOfShape", ["shape"], { shape: i64(2n ** 50n) }),
    "ConstantOfShape of -1": added("ConstantOfShape", ["shape"], { shape: i64(-1) }),
    "Range of 2^50": added("Range", ["from", "to", "by"], {
      from: { ...f32([1], 0), shape: [] } as Tensor,
      to: { ...f32([1], 1e15), shape: [] } as Tensor,
      by: { ...f32([1], 1), shape: [] } as Tensor,
    }),
    "Pad by 2^40": between([node("Pad", ["flat", "pads"], ["y"])], { pads: i64(0, 2n ** 40n, 0, 2n ** 40n) }),
    "Resize by 10^12": between(
      [node("Reshape", ["flat", "shape"], ["image"]), node("Resize", ["image", "", "scales"], ["y"])],
      { shape: i64(0, 1, 8, 8), scales: { ...f32([4], 1), data: Float32Array.of(1, 1, 1e12, 1e12) } as Tensor },
    ),
    "EyeLike of 2^20 squared": between(
      [
        node("ConstantOfShape", ["shape"], ["square"]),
        node("EyeLike", ["square"], ["eye"]),
        node("ReduceSum", ["eye"], ["sum"], { keepdims: int(0) }),
        node("Add", ["flat", "sum"], ["y"]),
      ],
      { shape: i64(big, big) },
    ),
    "OneHot of 2^40 classes": added("OneHot", ["k", "depth", "values"], {
      k: i64(1, 2),
      depth: { ...i64(2n ** 40n), shape: [] } as Tensor,
      values: f32([2]),
    }),
    "60 doublings of a constant": between(
      [...doubled, node("ReduceMean", ["d60"], ["mean"], { keepdims: int(0) }), node("Add", ["flat", "mean"], ["y"])],
      { seed: f32([8]) },
    ),
    "Split into a million parts": between([
      node(
        "Split",
        ["flat"],
        Array.from({ length: big }, (_, i) => (i === 0 ? "y" : `p${i}`)),
        { num_outputs: int(big) },
      ),
    ]),
    "a kernel of 2^31": between(
      [
        node("Reshape", ["flat", "shape"], ["image"]),
        node("MaxPool", ["image"], ["y"], {
          kernel_shape: ints([2 ** 31, 2 ** 31]),
          pads: ints([2 ** 31, 2 ** 31, 2 ** 31, 2 ** 31]),
        }),
      ],
      { shape: i64(0, 1, 8, 8) },
    ),
    "a stride of zero": between(
      [
        node("Reshape", ["flat", "shape"], ["image"]),
        node("MaxPool", ["image"], ["y"], { kernel_shape: ints([2, 2]), strides: ints([0, 0]) }),
      ],
      { shape: i64(0, 1, 8, 8) },
    ),
    "an attribute of a million numbers": between([
      node("Transpose", ["flat"], ["y"], { perm: ints(Array.from({ length: big }, (_, i) => i)) }),
    ]),
    "a float attribute where integers are due": between([
      node("Transpose", ["flat"], ["y"], { perm: floats([0.5, 1.5]) }),
    ]),
    "a string attribute where a number is due": between([
      node("LeakyRelu", ["flat"], ["y"], { alpha: string("large") }),
    ]),
    "a negative group": between(
      [node("Reshape", ["flat", "shape"], ["image"]), node("Conv", ["image", "k"], ["y"], { group: int(-1) })],
      { shape: i64(0, 1, 8, 8), k: f32([1, 1, 3, 3]) },
    ),
    "two nodes that make one value": between([node("Relu", ["flat"], ["y"]), node("Neg", ["flat"], ["y"])]),
    "two inputs of one name": modelOf({ ...base, inputs: [...base.inputs, ...base.inputs] }),
    "names of no length": modelOf({ ...base, nodes: [node("Flatten", [""], [""]), base.nodes[1]!] }),
    "no nodes": modelOf({ ...base, nodes: [], initializers: new Map() }),
    "no inputs": modelOf({ ...base, inputs: [] }),
    "no outputs": modelOf({ ...base, outputs: [] }),
    "weights of NaN": between([node("Gemm", ["flat", "k"], ["y"])], { k: f32([64, 64], Number.NaN) }),
    "infinite weights": between([node("Gemm", ["flat", "k"], ["y"])], { k: f32([64, 64], Number.POSITIVE_INFINITY) }),
    "a weight with an axis of zero": between([node("Gemm", ["flat", "k"], ["z"]), node("Gemm", ["z", "j"], ["y"])], {
      k: f32([64, 0]),
      j: f32([0, 64]),
    }),
    "a weight of strings": modelOf({
      ...base,
      initializers: new Map([
        ["w", { dtype: "string", shape: [2], data: ["a", "b"] }],
        ["b", f32([10])],
      ]),
    }),
    "a negative dimension of the input": weight({ rawData: new Uint8Array(2560) }, { input: [valueInfo(-5n, 64n)] }),
    "60 Ifs inside each other": between([nested(60, "y")], {
      condition: { dtype: "bool", shape: [], data: Uint8Array.of(1) },
    }),
    "an operator set of 2^40": modelOf(base, 2 ** 40),
    "100,000 nodes in a chain": between(chain),
    "40 sums of a value with itself": between(repeated),
    "an Einsum of 60 letters": between([
      node("Einsum", ["flat", "flat"], ["y"], {
        equation: string(`${"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"},ab->a`),
      }),
    ]),
    "a Loop of 2^62 turns": between(
      [
        node("Loop", ["turns", "", "flat"], ["y"], {
          body: {
            kind: "graph",
            value: {
              ...base,
              inputs: [
                { name: "i", dtype: "int64", shape: [] },
                { name: "c", dtype: "bool", shape: [] },
                { name: "v", dtype: "float32", shape: undefined },
              ],
              nodes: [node("Relu", ["v"], ["logits"]), node("Identity", ["c"], ["go"])],
              outputs: [
                { name: "go", dtype: undefined, shape: undefined },
                { name: "logits", dtype: undefined, shape: undefined },
              ],
              initializers: new Map(),
            },
          },
        }),
      ],
      { turns: { ...i64(2n ** 62n), shape: [] } as Tensor },
    ),
    "a Dropout of ratio 2": between([node("Dropout", ["flat", "ratio"], ["y"])], {
      ratio: { ...f32([1], 2), shape: [] } as Tensor,
    }),
    "a LayerNormalization over axis 2^31": between(
      [node("LayerNormalization", ["flat", "g"], ["y"], { axis: int(2 ** 31) })],
      { g: f32([64]) },
    ),
    "an epsilon of minus infinity": between(
      [node("LayerNormalization", ["flat", "g"], ["y"], { epsilon: float(Number.NEGATIVE_INFINITY) })],
      { g: f32([64]) },
    ),
    "an attention of a million heads": between([
      node("MultiHeadAttention", ["flat", "flat", "flat"], ["y"], { num_heads: int(big) }, "com.microsoft"),
    ]),
    "a linear classifier without coefficients": between([
      node(
        "LinearClassifier",
        ["flat"],
        ["label", "y"],
        { classlabels_ints: ints([0, 1]), coefficients: floats([]) },
        "ai.onnx.ml",
      ),
    ]),
    "weights that are too short": weight({ rawData: new Uint8Array(17) }),
    "weights outside the folder": external("../../../../etc/passwd"),
    "weights at an absolute path": external("/etc/passwd"),
    "weights behind a link": external("link.bin"),
    "weights beyond the file's end": external("short.bin", "1000000000000"),
    "weights at a negative place": external("short.bin", "-8", "8"),
    "weights in a file that is not there": external("missing.bin"),
    "a dimension of -1 in the weights": weight({ dims: [-1n, 10n], rawData: new Uint8Array(40) }),
    "2^62 weights": weight({ dims: [2n ** 31n, 2n ** 31n], rawData: new Uint8Array(40) }),
    "a sparse weight": raw({ sparseInitializer: [Uint8Array.of(0x0a, 3, 0x42, 1, 0x77)] }),
    "a function that calls itself": raw(
      {},
      { functions: [Uint8Array.of(0x0a, 1, 0x66, 0x52, 1, 0x64, 0x3a, 6, 0x22, 1, 0x66, 0x3a, 1, 0x64)] },
    ),
  };
  return new Map(
    Object.entries(models).map(([name, bytes], index) => {
      const path = join(folder, `${index}.onnx`);
      writeFileSync(path, bytes);
      return [name, path];
    }),
  );
}
