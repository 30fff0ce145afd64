import { unknownForms } from "../../src/graph/index.js";

/**
 * Operators that ONNX Runtime's CPU provider has a kernel for and isonorm has no shape rule or, of those that take and give floats, no gradient
 * for; by reason.
 */
export const leftOut: Readonly<Record<string, readonly string[]>> = {
  "random: no derivative, and the same seed gives other numbers on another device": [
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomUniform",
  ],
  "the output's shape depends on its input's contents, so that no fixed training step can be compiled": [
    "Compress",
    "NonMaxSuppression",
    "NonZero",
    "Unique",
    "com.microsoft:Unique",
  ],
  "strings, hashes and dictionaries; no floats to differentiate": [
    "RegexFullMatch",
    "StringConcat",
    "StringNormalizer",
    "StringSplit",
    "TfIdfVectorizer",
    "com.microsoft:MurmurHash3",
    "com.microsoft:Tokenizer",
    "ai.onnx.ml:CastMap",
    "ai.onnx.ml:CategoryMapper",
    "ai.onnx.ml:DictVectorizer",
    "ai.onnx.ml:LabelEncoder",
    "ai.onnx.ml:ZipMap",
  ],
  "trees, and kernels over stored examples: their numbers are attributes, not weights that gradients could train": [
    "ai.onnx.ml:SVMClassifier",
    "ai.onnx.ml:SVMRegressor",
    "ai.onnx.ml:TreeEnsemble",
    "ai.onnx.ml:TreeEnsembleClassifier",
    "ai.onnx.ml:TreeEnsembleRegressor",
  ],
  "integers of a quantised model; train the float model, or quantise with QuantizeLinear and DequantizeLinear, which pass the gradient through":
    [
      "BitCast",
      "ConvInteger",
      "DynamicQuantizeLinear",
      "MatMulInteger",
      "QLinearConv",
      "QLinearMatMul",
      "com.microsoft:DynamicQuantizeLSTM",
      "com.microsoft:DynamicQuantizeMatMul",
      "com.microsoft:GatherBlockQuantized",
      "com.microsoft:MatMulBnb4",
      "com.microsoft:MatMulFpQ4",
      "com.microsoft:MatMulInteger16",
      "com.microsoft:MatMulIntegerToFloat",
      "com.microsoft:MatMulNBits",
      "com.microsoft:NhwcMaxPool",
      "com.microsoft:QAttention",
      "com.microsoft:QEmbedLayerNormalization",
      "com.microsoft:QGemm",
      "com.microsoft:QLinearAdd",
      "com.microsoft:QLinearAveragePool",
      "com.microsoft:QLinearConcat",
      "com.microsoft:QLinearConv",
      "com.microsoft:QLinearGlobalAveragePool",
      "com.microsoft:QLinearLeakyRelu",
      "com.microsoft:QLinearMul",
      "com.microsoft:QLinearSigmoid",
      "com.microsoft:QLinearSoftmax",
      "com.microsoft:QLinearWhere",
      "com.microsoft:QMoE",
    ],
  "writes text word by word: caches, beams and their bookkeeping": [
    "TensorScatter",
    "com.microsoft:BeamSearch",
    "com.microsoft:BifurcationDetector",
    "com.microsoft:DecoderMaskedMultiHeadAttention",
    "com.microsoft:GreedySearch",
    "com.microsoft:NGramRepeatBlock",
    "com.microsoft:Sampling",
    "com.microsoft:SparseAttention",
    "com.microsoft:WhisperBeamSearch",
  ],
  "weights in a processor's layout, which ONNX Runtime's optimizer writes at its highest level; save the model at level extended":
    [
      "com.microsoft.nchwc:AveragePool",
      "com.microsoft.nchwc:Conv",
      "com.microsoft.nchwc:GlobalAveragePool",
      "com.microsoft.nchwc:GlobalMaxPool",
      "com.microsoft.nchwc:MaxPool",
      "com.microsoft.nchwc:ReorderInput",
      "com.microsoft.nchwc:ReorderOutput",
      "com.microsoft.nchwc:Upsample",
    ],
  "reads its weights from a constant table: nothing to differentiate": ["MelWeightMatrix"],
  "reads files' bytes": ["ImageDecoder"],
  "no exporter writes it": [
    "com.microsoft:AttnLSTM",
    "com.microsoft:DynamicTimeWarping",
    "com.microsoft:WordConvEmbedding",
  ],
  "its kernel stops a window's row at the first masked pixel, which no other definition of it does": [
    "com.microsoft:MaxpoolWithMask",
  ],
  "of language models alone, not of classifiers so far": ["com.microsoft:LinearAttention", "com.microsoft:MoE"],
  "sparse tensors": ["com.microsoft:SparseToDenseMatMul"],
};

/** Operators that isonorm knows, with the forms of them that it does not. */
export const formsLeftOut: Readonly<Record<string, string>> = {
  ...unknownForms,
  BatchNormalization: "gradients through running statistics that are outputs",
  Dropout: "gradients where mode or ratio is not constant",
  Resize: "tf_crop_and_resize",
  RoiAlign: 'mode "max"; boxes that are not constant without a sampling_ratio',
  "com.microsoft:CropAndResize": 'mode "nearest"',
  "ai.onnx.ml:LinearClassifier": "one row of coefficients for two classes, PROBIT",
  "ai.onnx.ml:LinearRegressor": "PROBIT",
  "ai.onnx.ml:OneHotEncoder": "strings",
  If: "conditions that depend on the data",
  Loop: "numbers of trips and conditions that depend on the data; more than 50,000 nodes when unrolled",
  Scan: "operator set 8 with a length for each sequence; more than 50,000 nodes when unrolled",
  Optional: "values that are not there, or are a model's input or output",
  SequenceAt: "sequences that are a model's input or output, and places in them that depend on the data",
};

const reasons = new Map(Object.entries(leftOut).flatMap(([reason, keys]) => keys.map((key) => [key, reason] as const)));

export function reasonLeftOut(operator: string): string | undefined {
  return reasons.get(operator) ?? formsLeftOut[operator];
}
