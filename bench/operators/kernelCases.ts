import { randomTensor } from "../../src/autodiff/testing/finiteDifference.js";
import { encode } from "../../src/onnx/index.js";
import {
  type Attributes,
  type Dimension,
  elementCount,
  float,
  floats,
  int,
  ints,
  string,
  type Tensor,
} from "../../src/onnx/types.js";
import type { NodeCase } from "./cases.js";

// A model of one node for each operator of ONNX Runtime's CPU provider that ONNX's own suite has no models of, or none with today's forms.

export interface Example {
  /** `RoiAlign`, or with its domain `com.microsoft:Inverse`. */
  readonly operator: string;
  /** What the example is about, where an operator has several. */
  readonly form?: string;
  /** Shapes of float32 inputs, contents, or undefined for an optional one that is absent. */
  readonly inputs: readonly (readonly number[] | Tensor | undefined)[];
  readonly attributes?: Attributes;
  readonly opset?: number;
  /** Names of outputs; an empty one is not asked for. */
  readonly outputs?: readonly string[];
}

export const i64 = (...values: number[]): Tensor => ({
  dtype: "int64",
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
});
export const i32 = (shape: readonly number[], ...values: number[]): Tensor => ({
  dtype: "int32",
  shape,
  data: Int32Array.from(values),
});
const i64s = (value: number): Tensor => ({ ...i64(value), shape: [] }) as Tensor;
export const f32 = (shape: readonly number[], ...values: number[]): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(values),
});
const u8 = (shape: readonly number[]): Tensor => ({
  dtype: "uint8",
  shape,
  data: Uint8Array.from({ length: elementCount(shape) }, (_, i) => (37 * i) % 251),
});

const ms = "com.microsoft";
const ml = "ai.onnx.ml";
const x = [2, 3, 4];
const image = [2, 4, 5, 6];
const heads = { num_heads: int(2) };

export const examples: readonly Example[] = [
  { operator: "AffineGrid", inputs: [[2, 2, 3], i64(2, 3, 4, 5)], attributes: { align_corners: int(1) } },
  { operator: "Affine", inputs: [x], attributes: { alpha: float(2), beta: float(0.5) }, opset: 8 },
  { operator: "Crop", inputs: [image], attributes: { border: ints([1, 1, 2, 0]) }, opset: 8 },
  {
    operator: "ImageScaler",
    inputs: [image],
    attributes: { scale: float(2), bias: floats([0.1, 0.2, 0.3, 0.4]) },
    opset: 8,
  },
  { operator: "ParametricSoftplus", inputs: [x], attributes: { alpha: float(2), beta: float(0.5) }, opset: 8 },
  { operator: "ScaledTanh", inputs: [x], attributes: { alpha: float(2), beta: float(0.5) }, opset: 8 },
  { operator: "Scale", inputs: [x], attributes: { scale: float(2) }, opset: 8 },
  { operator: "DynamicSlice", inputs: [x, i64(1), i64(3), i64(1)], opset: 8 },
  { operator: "CenterCropPad", inputs: [image, i64(7, 3)], attributes: { axes: ints([2, 3]) } },
  { operator: "Col2Im", inputs: [[1, 12, 9], i64(4, 4), i64(2, 2)] },
  { operator: "DeformConv", inputs: [image, [6, 4, 3, 3], [2, 18, 3, 4], [6], [2, 9, 3, 4]], opset: 22 },
  { operator: "GroupNormalization", inputs: [image, [4], [4]], attributes: { num_groups: int(2) } },
  {
    operator: "RoiAlign",
    form: "10",
    inputs: [image, f32([2, 4], 0.3, 0.4, 4.1, 3.7, 1.2, 0.1, 3.3, 4.2), i64(0, 1)],
    attributes: { output_height: int(2), output_width: int(3), sampling_ratio: int(2), spatial_scale: float(0.9) },
    opset: 10,
  },
  {
    operator: "RoiAlign",
    form: "15",
    inputs: [image, f32([2, 4], 0.3, 0.4, 4.1, 3.7, 1.2, 0.1, 3.3, 4.2), i64(0, 1)],
    attributes: { output_height: int(2), output_width: int(3) },
    opset: 15,
  },
  { operator: "Multinomial", inputs: [[2, 4]], attributes: { sample_size: int(3) } },
  {
    operator: "Attention",
    form: "past",
    inputs: [[2, 2, 3, 4], [2, 2, 5, 4], [2, 2, 5, 4], undefined, [2, 2, 2, 4], [2, 2, 2, 4]],
    opset: 23,
    outputs: ["y", "k", "v"],
  },
  {
    operator: "Attention",
    form: "24",
    inputs: [
      [2, 2, 3, 4],
      [2, 2, 5, 4],
      [2, 2, 5, 4],
    ],
    opset: 24,
  },
  { operator: "TensorScatter", inputs: [[2, 2, 5, 4], [2, 2, 1, 4], i64(1, 3)], opset: 24 },
  {
    operator: "RotaryEmbedding",
    inputs: [
      [2, 3, 5, 4],
      [2, 5, 2],
      [2, 5, 2],
    ],
    opset: 23,
  },
  { operator: "RMSNormalization", inputs: [x, [4]], opset: 23 },
  { operator: "Swish", inputs: [x], opset: 24 },
  { operator: "CumProd", inputs: [x, i64s(1)], opset: 26 },
  { operator: "BitCast", inputs: [x], attributes: { to: int(6) }, opset: 26 },
  { operator: "SimplifiedLayerNormalization", inputs: [x, [4]] },
  { operator: "LpPool", inputs: [image], attributes: { kernel_shape: ints([2, 2]), p: int(3) }, opset: 18 },
  { operator: "GlobalLpPool", inputs: [image], attributes: { p: int(3) } },
  { operator: "LpNormalization", inputs: [x] },
  { operator: "Gelu", inputs: [x] },
  { operator: "Mish", inputs: [x] },
  { operator: `${ms}:Attention`, inputs: [x, [4, 24], [24]], attributes: heads },
  { operator: `${ms}:BiasAdd`, inputs: [x, [4], x] },
  { operator: `${ms}:BiasDropout`, inputs: [x, [4]] },
  { operator: `${ms}:BiasGelu`, inputs: [x, [4]] },
  { operator: `${ms}:BiasSoftmax`, inputs: [x, x], attributes: { axis: int(2), is_inner_broadcast: int(0) } },
  { operator: `${ms}:BiasSplitGelu`, inputs: [[2, 3, 8], [8]] },
  { operator: `${ms}:BifurcationDetector`, inputs: [i64(1, 2), i64(1, 2)], outputs: ["y", "z"] },
  {
    operator: `${ms}:CDist`,
    inputs: [
      [3, 4],
      [5, 4],
    ],
    attributes: { metric: string("euclidean") },
  },
  {
    operator: `${ms}:CDist`,
    form: "squared",
    inputs: [
      [3, 4],
      [5, 4],
    ],
    attributes: { metric: string("sqeuclidean") },
  },
  { operator: `${ms}:CausalConvWithState`, inputs: [[2, 4, 5], [4, 1, 3], [4], [2, 4, 2]], outputs: ["y", "s"] },
  {
    operator: `${ms}:ComplexMul`,
    inputs: [
      [2, 3, 2],
      [2, 3, 2],
    ],
  },
  { operator: `${ms}:ConvTransposeWithDynamicPads`, inputs: [image, [4, 3, 3, 3], i64(1, 1, 1, 1)] },
  {
    operator: `${ms}:CropAndResize`,
    inputs: [image, f32([2, 4], 0.1, 0.2, 0.8, 0.9, 0, 0.3, 0.6, 1), i32([2], 0, 1), i32([2], 3, 4)],
  },
  {
    operator: `${ms}:DecoderMaskedMultiHeadAttention`,
    inputs: [
      [2, 1, 8],
      [2, 1, 8],
      [2, 1, 8],
    ],
    attributes: heads,
  },
  { operator: `${ms}:DynamicTimeWarping`, inputs: [[1, 3, 4]] },
  {
    operator: `${ms}:EmbedLayerNormalization`,
    inputs: [
      i32([2, 3], 1, 2, 0, 3, 1, 1),
      i32([2, 3], 0, 0, 1, 0, 1, 1),
      [5, 4],
      [6, 4],
      [2, 4],
      [4],
      [4],
      i32([2, 3], 1, 1, 0, 1, 1, 1),
    ],
    outputs: ["y", "m", "s"],
  },
  { operator: `${ms}:ExpandDims`, inputs: [x, i32([], 1)] },
  { operator: `${ms}:FastGelu`, inputs: [x, [4]] },
  { operator: `${ms}:FusedConv`, inputs: [image, [3, 4, 3, 3], [3]], attributes: { activation: string("Relu") } },
  { operator: `${ms}:FusedGemm`, inputs: [[3, 4], [4, 5], [5]], attributes: { activation: string("Sigmoid") } },
  {
    operator: `${ms}:FusedMatMul`,
    inputs: [
      [3, 4],
      [5, 4],
    ],
    attributes: { transB: int(1), alpha: float(0.5) },
  },
  {
    operator: `${ms}:FusedMatMulActivation`,
    inputs: [
      [3, 4],
      [4, 5],
    ],
    attributes: { activation: string("Relu") },
  },
  { operator: `${ms}:GatedAdd`, inputs: [x, x, [2, 3, 1]] },
  {
    operator: `${ms}:GatedRelativePositionBias`,
    inputs: [[2, 3, 8], [8], [1, 2, 3, 3], [4, 8], [8], [1, 2, 1, 1]],
    attributes: heads,
  },
  { operator: `${ms}:GatherND`, inputs: [x, { ...i64(0, 1, 1, 2), shape: [2, 2] } as Tensor] },
  { operator: `${ms}:Gelu`, inputs: [x] },
  {
    operator: `${ms}:GemmFastGelu`,
    inputs: [
      [2, 3, 4],
      [4, 5],
    ],
  },
  { operator: `${ms}:GridSample`, inputs: [image, [2, 3, 3, 2]] },
  { operator: `${ms}:GroupNorm`, inputs: [[2, 5, 6, 4], [4], [4]], attributes: { groups: int(2), activation: int(0) } },
  {
    operator: `${ms}:GroupQueryAttention`,
    inputs: [[2, 3, 32], [2, 3, 16], [2, 3, 16], undefined, undefined, i32([2], 2, 2), i32([], 3)],
    attributes: { num_heads: int(4), kv_num_heads: int(2) },
    outputs: ["y", "k", "v"],
  },
  { operator: `${ms}:Inverse`, inputs: [f32([2, 2, 2], 2, 0.3, -0.4, 1.5, 1.2, 0.7, 0.1, -1)] },
  {
    operator: `${ms}:Irfft`,
    inputs: [[2, 3, 2]],
    attributes: { signal_ndim: int(1), normalized: int(0), onesided: int(1) },
  },
  {
    operator: `${ms}:LinearAttention`,
    inputs: [
      [2, 3, 8],
      [2, 3, 8],
      [2, 3, 8],
    ],
    attributes: { q_num_heads: int(2), kv_num_heads: int(2), update_rule: string("linear") },
    outputs: ["y", "s"],
  },
  {
    operator: `${ms}:LongformerAttention`,
    inputs: [[1, 4, 8], [8, 24], [24], [1, 4], [8, 24], [24], i32([1, 4], 1, 0, 0, 0)],
    attributes: { ...heads, window: int(2) },
  },
  {
    operator: `${ms}:MatMulBnb4`,
    inputs: [[3, 16], u8([128]), [16]],
    attributes: { K: int(16), N: int(16), block_size: int(16), quant_type: int(1) },
  },
  {
    operator: `${ms}:MatMulInteger16`,
    inputs: [
      { dtype: "int16", shape: [2, 2], data: Int16Array.of(1, 2, 3, 4) },
      { dtype: "int16", shape: [2, 2], data: Int16Array.of(1, 2, 3, 4) },
    ],
  },
  { operator: `${ms}:MatMulIntegerToFloat`, inputs: [u8([2, 3]), u8([3, 2]), f32([], 0.1), f32([], 0.2)] },
  {
    operator: `${ms}:MatMulNBits`,
    inputs: [[3, 16], u8([4, 1, 8]), [4]],
    attributes: { K: int(16), N: int(4), block_size: int(16), bits: int(4) },
  },
  {
    operator: `${ms}:MaxpoolWithMask`,
    inputs: [image, i32([2, 4, 5, 6], ...Array.from({ length: 240 }, (_, i) => (i % 5 === 2 ? 0 : 1)))],
    attributes: { kernel_shape: ints([2, 2]) },
  },
  {
    operator: `${ms}:MoE`,
    inputs: [
      [3, 4],
      [3, 2],
      [2, 4, 8],
      [2, 8],
      [2, 8, 4],
    ],
    attributes: { k: int(1) },
  },
  {
    operator: `${ms}:MultiHeadAttention`,
    inputs: [
      [2, 3, 8],
      [2, 5, 8],
      [2, 5, 8],
    ],
    attributes: heads,
  },
  {
    operator: `${ms}:MultiHeadAttention`,
    form: "past",
    inputs: [[2, 3, 8], [2, 3, 8], [2, 3, 8], undefined, undefined, undefined, [2, 2, 4, 4], [2, 2, 4, 4]],
    attributes: heads,
    outputs: ["y", "k", "v"],
  },
  { operator: `${ms}:MurmurHash3`, inputs: [i32([2], 1, 2)] },
  {
    operator: `${ms}:NGramRepeatBlock`,
    inputs: [{ ...i64(1, 2, 3), shape: [1, 3] } as Tensor, [1, 5]],
    attributes: { ngram_size: int(2) },
  },
  {
    operator: `${ms}:NhwcConv`,
    inputs: [
      [2, 5, 6, 4],
      [3, 3, 3, 4],
    ],
  },
  {
    operator: `${ms}:NhwcFusedConv`,
    inputs: [
      [2, 5, 6, 4],
      [3, 3, 3, 4],
    ],
  },
  {
    operator: `${ms}:PackedAttention`,
    inputs: [[6, 4], [4, 24], [24], i32([2, 3], 0, 1, 2, 3, 4, 5), i32([3], 0, 3, 6)],
    attributes: heads,
  },
  {
    operator: `${ms}:Pad`,
    inputs: [x, i64(0, 1, 0, 0, 0, 2), f32([1], 0.5)],
    attributes: { mode: string("constant") },
  },
  { operator: `${ms}:QAttention`, inputs: [u8(x), u8([4, 24]), [24], f32([], 0.1), f32([], 0.1)], attributes: heads },
  { operator: `${ms}:QuickGelu`, inputs: [x] },
  { operator: `${ms}:Range`, inputs: [f32([], 0), f32([], 3), f32([], 1)] },
  { operator: `${ms}:RelativePositionBias`, inputs: [[8, 2], i64(3), i64(3)], attributes: { max_distance: int(8) } },
  {
    operator: `${ms}:Rfft`,
    inputs: [[2, 4]],
    attributes: { signal_ndim: int(1), normalized: int(0), onesided: int(1) },
  },
  { operator: `${ms}:RotaryEmbedding`, inputs: [[2, 3, 5, 8], i64(0), [6, 4], [6, 4]] },
  { operator: `${ms}:SampleOp`, inputs: [x] },
  {
    operator: `${ms}:SkipGroupNorm`,
    inputs: [[2, 5, 6, 4], [4], [4], [2, 5, 6, 4]],
    attributes: { groups: int(2), activation: int(0) },
  },
  { operator: `${ms}:SkipLayerNormalization`, inputs: [x, x, [4], [4]] },
  { operator: `${ms}:SkipSimplifiedLayerNormalization`, inputs: [x, x, [4]] },
  {
    operator: `${ms}:SparseAttention`,
    inputs: [
      [1, 3, 16],
      [1, 3, 16],
      [1, 3, 16],
      [1, 2, 4, 8],
      [1, 2, 4, 8],
      i32([1, 4], 0, 1, 2, 3),
      i32([1, 4], 0, 0, 0, 0),
      i32([], 3),
      i32([1], 3),
    ],
    attributes: { num_heads: int(2), kv_num_heads: int(2), sparse_block_size: int(16) },
    outputs: ["y", "k", "v"],
  },
  { operator: `${ms}:TorchEmbedding`, inputs: [[5, 4], i64(1, 2)] },
  {
    operator: `${ms}:TransposeMatMul`,
    inputs: [
      [3, 4],
      [5, 4],
    ],
    attributes: { transB: int(1), alpha: float(0.5) },
  },
  { operator: `${ms}:Trilu`, inputs: [x, i64s(0)] },
  { operator: `${ms}:UnfoldTensor`, inputs: [x], attributes: { dim: int(-1), size: int(3), step: int(1) } },
  {
    operator: `${ms}:UnfoldTensor`,
    form: "first axis",
    inputs: [[4, 5, 3]],
    attributes: { dim: int(0), size: int(2), step: int(1) },
  },
  {
    operator: `${ms}:UnfoldTensor`,
    form: "middle axis",
    inputs: [[4, 5, 3]],
    attributes: { dim: int(1), size: int(2), step: int(1) },
  },
  {
    operator: `${ms}:UnfoldTensor`,
    form: "by two",
    inputs: [[4, 5, 3]],
    attributes: { dim: int(-2), size: int(2), step: int(2) },
  },
  { operator: `${ms}:Unique`, inputs: [[5]], outputs: ["y", "i", "c"] },
  {
    operator: `${ms}:WordConvEmbedding`,
    inputs: [i32([2, 3, 4], ...new Array<number>(24).fill(1)), [5, 1, 2, 3], [5], [4, 3]],
    attributes: { embedding_size: int(5), conv_window_size: int(2), char_embedding_size: int(3) },
  },
  { operator: `${ms}:DynamicQuantizeMatMul`, inputs: [[3, 4], u8([4, 5]), f32([], 0.1)] },
  {
    operator: `${ms}:GatherBlockQuantized`,
    inputs: [u8([4, 16]), i64(1, 2), [4, 1]],
    attributes: { block_size: int(16), gather_axis: int(0), quantize_axis: int(1), bits: int(8) },
  },
  {
    operator: `${ms}:DequantizeLinear`,
    inputs: [u8([3]), f32([], 0.1), { dtype: "uint8", shape: [], data: Uint8Array.of(3) }],
  },
  {
    operator: `${ms}:QuantizeLinear`,
    inputs: [[3], f32([], 0.1), { dtype: "uint8", shape: [], data: Uint8Array.of(3) }],
  },
  { operator: `${ml}:ArrayFeatureExtractor`, inputs: [[3, 4], i64(2, 0)] },
  { operator: `${ml}:Binarizer`, inputs: [[3, 4]], attributes: { threshold: float(0.1) } },
  {
    operator: `${ml}:FeatureVectorizer`,
    inputs: [
      [3, 4],
      [3, 2],
    ],
    attributes: { inputdimensions: ints([4, 2]) },
  },
  {
    operator: `${ml}:Imputer`,
    inputs: [[3, 4]],
    attributes: { imputed_value_floats: floats([0, 1, 2, 3]), replaced_value_float: float(Number.NaN) },
  },
  {
    operator: `${ml}:LinearClassifier`,
    inputs: [[3, 4]],
    attributes: {
      classlabels_ints: ints([0, 1, 2]),
      coefficients: floats(Array.from({ length: 12 }, (_, i) => Math.sin(i))),
      intercepts: floats([0.1, 0.2, 0.3]),
      multi_class: int(1),
      post_transform: string("SOFTMAX"),
    },
    outputs: ["label", "scores"],
  },
  {
    operator: `${ml}:LinearRegressor`,
    inputs: [[3, 4]],
    attributes: { coefficients: floats([1, 2, -1, 0.5, 0, 1, 1, 1]), intercepts: floats([0.1, 0.2]), targets: int(2) },
  },
  { operator: `${ml}:Normalizer`, form: "l1", inputs: [[3, 4]], attributes: { norm: string("L1") } },
  { operator: `${ml}:Normalizer`, form: "l2", inputs: [[3, 4]], attributes: { norm: string("L2") } },
  { operator: `${ml}:Normalizer`, form: "max", inputs: [[3, 4]], attributes: { norm: string("MAX") } },
  { operator: `${ml}:OneHotEncoder`, inputs: [i64(1, 2)], attributes: { cats_int64s: ints([1, 2, 3]) } },
  {
    operator: `${ml}:Scaler`,
    inputs: [[3, 4]],
    attributes: { offset: floats([0.1, 0.2, 0.3, 0.4]), scale: floats([1, 2, 3, 4]) },
  },
  {
    operator: `${ml}:SVMClassifier`,
    inputs: [[3, 2]],
    attributes: {
      classlabels_ints: ints([0, 1]),
      coefficients: floats([1, -1]),
      kernel_params: floats([0.5, 0, 3]),
      kernel_type: string("RBF"),
      rho: floats([0.1]),
      support_vectors: floats([0.1, 0.2, 0.3, 0.4]),
      vectors_per_class: ints([1, 1]),
    },
    outputs: ["label", "scores"],
  },
  {
    operator: `${ml}:SVMRegressor`,
    inputs: [[3, 2]],
    attributes: {
      coefficients: floats([1, -1]),
      kernel_params: floats([0.5, 0, 3]),
      kernel_type: string("RBF"),
      rho: floats([0.1]),
      support_vectors: floats([0.1, 0.2, 0.3, 0.4]),
      n_supports: int(2),
    },
  },
  {
    operator: `${ml}:TreeEnsembleRegressor`,
    inputs: [[3, 2]],
    attributes: {
      n_targets: int(1),
      nodes_treeids: ints([0, 0, 0]),
      nodes_nodeids: ints([0, 1, 2]),
      nodes_featureids: ints([0, 0, 0]),
      nodes_values: floats([0.5, 0, 0]),
      nodes_modes: { kind: "strings", value: ["BRANCH_LEQ", "LEAF", "LEAF"] },
      nodes_truenodeids: ints([1, 0, 0]),
      nodes_falsenodeids: ints([2, 0, 0]),
      target_treeids: ints([0, 0]),
      target_nodeids: ints([1, 2]),
      target_ids: ints([0, 0]),
      target_weights: floats([1, 2]),
    },
  },
];

/** The examples as cases of the suite; their expected outputs are ONNX Runtime's own. */
export function kernelCase(example: Example): NodeCase {
  const { operator, form, inputs, attributes = {}, opset = 21, outputs = ["y"] } = example;
  const [op, domain = ""] = operator.split(":").reverse() as [string, string?];
  const tensors = inputs.map(
    (input, index) =>
      (input && ("data" in input ? input : randomTensor(input as number[], { seed: 3 + index }))) as Tensor | undefined,
  );
  const named = tensors.flatMap((tensor, index) =>
    tensor ? [{ name: `x${index}`, dtype: tensor.dtype, shape: tensor.shape as readonly Dimension[] }] : [],
  );
  const model = encode({
    graph: {
      name: op,
      nodes: [
        {
          op,
          domain,
          name: "node",
          inputs: tensors.map((tensor, index) => (tensor ? `x${index}` : "")),
          outputs,
          attributes,
        },
      ],
      inputs: named,
      outputs: outputs.filter(Boolean).map((name) => ({ name, dtype: undefined, shape: undefined })),
      initializers: new Map(),
      valueInfo: [],
    },
    irVersion: opset > 23 ? 11 : 10,
    opsets: new Map([
      ["", opset],
      [ms, 1],
      [ml, 3],
    ]),
    producerName: "isonorm",
    producerVersion: "",
    metadata: new Map(),
  });
  return {
    name: form ? `${operator} ${form}` : operator,
    model,
    inputs: tensors.filter((tensor) => tensor !== undefined),
    outputs: undefined,
  };
}
