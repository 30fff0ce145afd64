import { describe, expect, it } from "vitest";
import type { GraphBuilder } from "../../graph/index.js";
import { int, ints, string } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { checkGradient, distinctTensor, type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

const x = randomTensor([3, 4, 2], { seed: 1 });
const indices = (b: GraphBuilder, shape: readonly number[], numbers: readonly number[]) =>
  b.constant({ dtype: "int64", shape, data: BigInt64Array.from(numbers, BigInt) }, "indices");

const gather = (
  axis: number,
  shape: readonly number[],
  numbers: readonly number[],
  opset = 21,
): [string, GradientCheck] => [
  `Gather [${numbers}] of shape [${shape}] along axis ${axis}, opset ${opset}`,
  { inputs: [x], opset, build: (b, [v]) => b.op("Gather", [v, indices(b, shape, numbers)], { axis: int(axis) }) },
];

describeGradients("Gather", {
  ...Object.fromEntries([
    gather(0, [4], [2, 0, 2, -1]),
    gather(1, [2, 3], [3, 3, 0, -4, 1, 3]),
    gather(-1, [3], [1, 1, 1]),
    gather(1, [], [2]),
    gather(1, [], [-1]),
    gather(0, [1], [1]),
    gather(0, [4], [2, 0, 2, -1], 13),
    gather(1, [2, 3], [3, 3, 0, -4, 1, 3], 11),
  ]),
  "Gather of many rows": {
    inputs: [randomTensor([2100, 2], { seed: 4 })],
    build: (b, [v]) =>
      b.op("Gather", [
        v,
        indices(
          b,
          [2100],
          Array.from({ length: 2100 }, (_, k) => k % 11),
        ),
      ]),
  },
  "Gather by int32": {
    inputs: [x],
    build: (b, [v]) =>
      b.op("Gather", [v, b.constant({ dtype: "int32", shape: [2, 2], data: Int32Array.of(1, 0, 2, 1) })]),
  },
  "Gather by an index that is an input": {
    inputs: [x, { dtype: "int64", shape: [1], data: BigInt64Array.of(-2n) }],
    build: (b, [v, i]) => b.op("Gather", [v, i], { axis: int(1) }),
  },
});

describeGradients("GatherElements and GatherND", {
  "GatherElements along axis 1, with repetitions": {
    inputs: [x],
    build: (b, [v]) =>
      b.op("GatherElements", [v, indices(b, [2, 3, 2], [0, 1, 0, -1, 3, 2, 1, 1, 1, 1, 0, 0])], { axis: int(1) }),
  },
  "GatherND of elements": {
    inputs: [x],
    build: (b, [v]) => b.op("GatherND", [v, indices(b, [3, 3], [0, 1, 1, 2, 3, 0, 0, 1, 1])]),
  },
  "GatherND of slices, with repetitions": {
    inputs: [x],
    build: (b, [v]) => b.op("GatherND", [v, indices(b, [2, 2, 2], [0, 1, 2, 3, 0, 1, -1, 0])]),
  },
  "GatherND in batches": {
    inputs: [x],
    build: (b, [v]) => b.op("GatherND", [v, indices(b, [3, 2, 1], [0, 0, 3, 1, 2, 2])], { batch_dims: int(1) }),
  },
  "GatherND in batches of two axes": {
    inputs: [x],
    build: (b, [v]) =>
      b.op("GatherND", [v, indices(b, [3, 4, 1], [0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0])], { batch_dims: int(2) }),
  },
});

const elements = [2, 0, 1, 3, 0, 1, 3, 2];
const scatters = (reduction: string, repeated: boolean): Record<string, GradientCheck> => ({
  [`ScatterElements, reduction ${reduction}`]: {
    inputs: [x, randomTensor([2, 2, 2], { seed: 2 })],
    build: (b, [v, updates]) =>
      b.op("ScatterElements", [v, indices(b, [2, 2, 2], repeated ? elements.map(() => 1) : elements), updates], {
        axis: int(1),
        reduction: string(reduction),
      }),
  },
  [`ScatterND, reduction ${reduction}`]: {
    inputs: [x, randomTensor([2, 2], { seed: 3 })],
    build: (b, [v, updates]) =>
      b.op("ScatterND", [v, indices(b, [2, 2], repeated ? [1, 2, 1, 2] : [1, 2, 0, -1]), updates], {
        reduction: string(reduction),
      }),
  },
});

/** Several updates of one place, among them two zeros in one place and one in another. */
const withZeros = (reduction: string): Record<string, GradientCheck> => {
  const updates = randomTensor([2, 4], { seed: 9, awayFrom: [0] });
  for (const at of [0, 1, 3, 6]) updates.data[at] = 0;
  return {
    [`ScatterElements, reduction ${reduction}, updates of 0`]: {
      inputs: [randomTensor([2, 3], { seed: 8 }), updates],
      build: (b, [v, u]) =>
        b.op("ScatterElements", [v, indices(b, [2, 4], [0, 0, 1, 1, 2, 2, 2, 0]), u], {
          axis: int(1),
          reduction: string(reduction),
        }),
    },
  };
};

describeGradients("scatters", {
  ...scatters("none", false),
  ...scatters("add", true),
  ...scatters("mul", false),
  ...scatters("mul", true),
  ...scatters("max", false),
  ...scatters("max", true),
  ...scatters("min", true),
  ...withZeros("mul"),
});

describe("scatters", () => {
  it("cannot add before opset 16, so GatherElements asks for it", async () => {
    const check: GradientCheck = {
      inputs: [x],
      opset: 13,
      build: (b, [v]) => b.op("GatherElements", [v, indices(b, [1, 1, 1], [0])]),
    };
    await expect(checkGradient(check)).rejects.toThrow(/opset is 13/);
  });
});

const topK = (axis: number, largest: number, opset = 21): GradientCheck => ({
  inputs: [distinctTensor([3, 5, 2], { seed: 5 })],
  opset,
  build: (b, [v]) => b.op("TopK", [v, b.int64([2])], { axis: int(axis), ...(largest ? {} : { largest: int(0) }) }),
});

describeGradients("TopK", {
  "the largest": topK(1, 1),
  "the smallest, along a negative axis": topK(-3, 0),
  "the largest, opset 11": topK(1, 1, 11),
});

const unpool: GradientCheck = {
  inputs: [randomTensor([1, 2, 2, 2], { seed: 6 })],
  build: (b, [v]) =>
    b.op("MaxUnpool", [v, indices(b, [1, 2, 2, 2], [5, 7, 13, 14, 16, 19, 26, 31])], {
      kernel_shape: ints([2, 2]),
      strides: ints([2, 2]),
    }),
};

const reversed = (time: number): GradientCheck => ({
  inputs: [randomTensor([3, 3, 2], { seed: 7 })],
  build: (b, [v]) =>
    b.op("ReverseSequence", [v, indices(b, [3], [2, 3, 1])], { time_axis: int(time), batch_axis: int(1 - time) }),
});

describeGradients("ReverseSequence", {
  "ReverseSequence along the first axis": reversed(0),
  "ReverseSequence along the second axis": reversed(1),
});

describeGradients(
  "MaxUnpool and OneHot",
  {
    MaxUnpool: unpool,
    "OneHot's two values": {
      inputs: [randomTensor([2], { seed: 8 })],
      build: (b, [v]) => b.op("OneHot", [indices(b, [2, 2], [0, 2, -1, 5]), b.int64([3]), v], { axis: int(1) }),
    },
  },
  "float32",
);
