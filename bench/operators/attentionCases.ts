import { float, int, ints, type Tensor } from "../../src/onnx/types.js";
import { type Example, i32 } from "./kernelCases.js";

// Forms of attention, as models of one node. B = 2 rows, S = 3 queries; heads are 2, of 4 numbers each, where not said otherwise.

const ms = "com.microsoft";
const heads = { num_heads: int(2) };
const separate = [
  [2, 3, 8],
  [2, 5, 8],
  [2, 5, 8],
] as const;
const ones = (shape: readonly number[], hidden: readonly number[]): Tensor => {
  const size = shape.reduce((product, each) => product * each, 1);
  return i32(shape, ...Array.from({ length: size }, (_, index) => (hidden.includes(index) ? 0 : 1)));
};

const multiHead: readonly Example[] = [
  {
    operator: `${ms}:MultiHeadAttention`,
    form: "packed",
    inputs: [[2, 3, 2, 3, 4]],
    attributes: heads,
  },
  {
    operator: `${ms}:MultiHeadAttention`,
    form: "packed keys and values",
    inputs: [
      [2, 3, 8],
      [2, 5, 2, 2, 4],
    ],
    attributes: heads,
  },
  {
    operator: `${ms}:MultiHeadAttention`,
    form: "keys and values by head",
    inputs: [
      [2, 3, 8],
      [2, 2, 5, 4],
      [2, 2, 5, 4],
    ],
    attributes: heads,
  },
  {
    operator: `${ms}:MultiHeadAttention`,
    form: "biases and mask",
    inputs: [...separate, [24], ones([2, 5], [4, 8, 9]), [2, 2, 3, 5]],
    attributes: { ...heads, mask_filter_value: float(-5) },
  },
  {
    operator: `${ms}:MultiHeadAttention`,
    form: "causal",
    inputs: [
      [2, 3, 8],
      [2, 3, 8],
      [2, 3, 4],
    ],
    attributes: { ...heads, unidirectional: int(1), scale: float(0.4) },
  },
];

const projected: readonly Example[] = [
  {
    operator: `${ms}:Attention`,
    form: "widths",
    inputs: [[2, 3, 4], [4, 20], [20], ones([2, 3], [2])],
    attributes: { ...heads, qkv_hidden_sizes: ints([8, 8, 4]), scale: float(0.4) },
  },
  {
    operator: `${ms}:Attention`,
    form: "causal, bias",
    inputs: [[2, 3, 4], [4, 24], [24], undefined, undefined, [2, 2, 3, 3]],
    attributes: { ...heads, unidirectional: int(1) },
  },
  {
    operator: `${ms}:Attention`,
    form: "causal, past",
    inputs: [[2, 3, 4], [4, 24], [24], undefined, [2, 2, 2, 2, 4]],
    attributes: { ...heads, unidirectional: int(1) },
    outputs: ["y", "present"],
  },
  {
    operator: "Attention",
    form: "causal, past",
    inputs: [[2, 2, 3, 4], [2, 2, 3, 4], [2, 2, 3, 4], undefined, [2, 2, 2, 4], [2, 2, 2, 4]],
    attributes: { is_causal: int(1) },
    opset: 23,
    outputs: ["y", "k", "v"],
  },
];

/** Four query heads of 16 numbers, the fewest that the kernel turns, on two key heads; caches of 6 positions. */
const groups = { num_heads: int(4), kv_num_heads: int(2) };
const rotary = { ...groups, do_rotary: int(1) };
const lengths = [i32([2], 2, 2), i32([], 3)] as const;
const grouped = [[2, 3, 64], [2, 3, 32], [2, 3, 32], undefined, undefined, ...lengths] as const;
const packed = [[2, 3, 128], undefined, undefined, undefined, undefined, ...lengths] as const;
const present = ["y", "k", "v"];
const groupQuery = (form: string, inputs: Example["inputs"], attributes: Example["attributes"] = groups): Example => ({
  operator: `${ms}:GroupQueryAttention`,
  form,
  inputs,
  attributes: attributes!,
  outputs: present,
});

const groupQueries: readonly Example[] = [
  groupQuery("packed", packed),
  groupQuery("turned", [...grouped, [6, 8], [6, 8]], rotary),
  groupQuery("turned, interleaved", [...grouped, [6, 8], [6, 8]], { ...rotary, rotary_interleaved: int(1) }),
  groupQuery(
    "turned in part",
    [[2, 3, 128], [2, 3, 64], [2, 3, 64], undefined, undefined, ...lengths, [6, 8], [6, 8]],
    rotary,
  ),
  groupQuery("packed, turned", [...packed, [6, 8], [6, 8]], { ...rotary, scale: float(0.3), softcap: float(0.8) }),
  groupQuery("turned by positions", [...grouped, [6, 8], [6, 8], positions([2, 3], 2, 3, 4, 0, 1, 2)], rotary),
  groupQuery("past", [[1, 3, 64], [1, 3, 32], [1, 3, 32], [1, 2, 2, 16], [1, 2, 2, 16], i32([1], 4), i32([], 5)]),
];

function positions(shape: readonly number[], ...values: number[]): Tensor {
  return { dtype: "int64", shape, data: BigInt64Array.from(values, BigInt) };
}

export const attentionExamples: readonly Example[] = [...multiHead, ...projected, ...groupQueries];
