import fc from "fast-check";
import { expect, it } from "vitest";
import { GraphBuilder, type Value } from "../../graph/index.js";
import { float, type Graph, int, ints } from "../../onnx/types.js";
import { analyseScaleInvariance, relativeOutputChange } from "../index.js";
import { matrixOfSlice } from "../norm.js";
import { type FloatTensor, randomTensor, scaled, tensor } from "../testing/run.js";
import { trainingOutputs } from "../testing/trainingOutputs.js";

const channels = 4;

/** One more value of shape [3, 4, 5, 5] from two earlier ones; `fresh` makes a weight, sometimes one that is used already. */
type Step = (b: GraphBuilder, x: Value, y: Value, fresh: (...shape: number[]) => Value) => Value;

const convolution =
  (bias: boolean, group: number, size: number): Step =>
  (b, x, _, fresh) => {
    const inputs = [x, fresh(channels, channels / group, size, size)];
    if (bias) inputs.push(fresh(channels));
    const pad = (size - 1) / 2;
    return b.op("Conv", inputs, {
      kernel_shape: ints([size, size]),
      pads: ints([pad, pad, pad, pad]),
      group: int(group),
    });
  };

const steps: Readonly<Record<string, Step>> = {
  convolution: convolution(false, 1, 3),
  pointwise: convolution(false, 1, 1),
  depthwise: convolution(false, channels, 3),
  biased: convolution(true, 1, 1),
  batchNormalization: (b, x, _, fresh) =>
    b.op(
      "BatchNormalization",
      [
        x,
        fresh(channels),
        fresh(channels),
        ...["mean", "var"].map((name) => b.constant(tensor([channels], [1, 1, 1, 1]), name)),
      ],
      {
        epsilon: float(1e-5),
      },
    ),
  instanceNormalization: (b, x, _, fresh) => b.op("InstanceNormalization", [x, fresh(channels), fresh(channels)]),
  groupNormalization: (b, x, _, fresh) =>
    b.op("GroupNormalization", [x, fresh(channels), fresh(channels)], { num_groups: int(2) }),
  layerNormalization: (b, x, _, fresh) => b.op("LayerNormalization", [x, fresh(channels, 5, 5)], { axis: int(1) }),
  relu: (b, x) => b.relu(x),
  leakyRelu: (b, x) => b.op("LeakyRelu", [x], { alpha: float(0.1) }),
  sigmoid: (b, x) => b.op("Sigmoid", [x]),
  add: (b, x, y) => b.plus(x, y),
  // Not x - x: a normalised constant is nothing but rounding errors.
  subtract: (b, x, y) => (x === y ? x : b.minus(x, y)),
  multiply: (b, x, y) => b.times(x, y),
  maximum: (b, x, y) => b.op("Max", [x, y]),
  addBias: (b, x, _, fresh) => b.plus(x, fresh(channels, 1, 1)),
  gain: (b, x, _, fresh) => b.times(x, fresh(1, channels, 1, 1)),
  pool: (b, x) => b.op("MaxPool", [x], { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) }),
  gate: (b, x) => b.times(x, b.op("Sigmoid", [b.op("GlobalAveragePool", [x])])),
  joinChannels: (b, x, y) => {
    const half = (value: Value) =>
      b.add(
        "Split",
        [value, b.int64([2, 2])],
        { axis: int(1) },
        { outputNames: ["a", "b"].map((part) => b.freshName(part)) },
      )[0]!;
    return b.op("Concat", [half(x), half(y)], { axis: int(1) });
  },
  // As in ShuffleNet: [2, 2] groups of channels change places.
  shuffle: (b, x) => b.reshape(b.transpose(b.reshape(x, [3, 2, 2, 5, 5]), [0, 2, 1, 3, 4]), [3, channels, 5, 5]),
  // Two matrices in one weight, taken apart by Split or by Reshape, and each normalised or not.
  fused: (b, x, _, fresh) => {
    const both = b.op("Conv", [x, fresh(2 * channels, channels, 1, 1)], { kernel_shape: ints([1, 1]) });
    const [first, second] = b.add("Split", [both], { axis: int(1), num_outputs: int(2) }, { outputs: 2 });
    return b.plus(b.op("InstanceNormalization", [first!, fresh(channels), fresh(channels)]), b.relu(second!));
  },
  fusedByHeads: (b, x, _, fresh) => {
    const both = b.op("Conv", [x, fresh(2 * channels, channels, 1, 1)], { kernel_shape: ints([1, 1]) });
    const apart = b.transpose(b.reshape(both, [3, 2, 2, channels / 2, 25]), [2, 0, 1, 3, 4]);
    const normed = [0, 1].map((part) => {
      const index = b.constant({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(part)) });
      return b.op("LayerNormalization", [b.op("Gather", [apart, index]), fresh(25)], { axis: int(-1) });
    });
    return b.reshape(b.times(normed[0]!, normed[1]!), [3, channels, 5, 5]);
  },
  transposeTwice: (b, x) => b.transpose(b.transpose(x, [0, 2, 3, 1]), [0, 3, 1, 2]),
  standardise: (b, x) => b.over(x, b.sqrt(b.op("ReduceSumSquare", [x, b.int64([1, 2, 3])], { keepdims: int(1) }))),
};

// Convolutions and batch normalisations more often, so that there is something to prove.
const names = [
  ...Object.keys(steps),
  ...["convolution", "pointwise", "batchNormalization", "fusedByHeads"].flatMap((name) => [name, name]),
];
const random = fc.array(fc.record({ step: fc.nat(names.length - 1), x: fc.nat(99), y: fc.nat(99), reuse: fc.nat(9) }), {
  minLength: 3,
  maxLength: 12,
});

function build(plan: readonly { step: number; x: number; y: number; reuse: number }[]): Graph {
  const b = new GraphBuilder();
  const values = [b.input("x", "float32", [3, channels, 5, 5])];
  const weights: Value[] = [];
  for (const { step, x, y, reuse } of plan) {
    const fresh = (...shape: number[]): Value => {
      const again = weights.filter((weight) => String(weight.shape) === String(shape));
      if (reuse === 0 && again.length > 0) return again[0]!;
      const weight = b.initializer(`w${weights.length}`, randomTensor(shape, weights.length + 1));
      weights.push(weight);
      return weight;
    };
    // Mostly the latest value, so that graphs are deep.
    const pick = (number: number) => values[number < 70 ? values.length - 1 : number % values.length]!;
    values.push(steps[names[step]!]!(b, pick(x), values[y % values.length]!, fresh));
  }
  b.output("y", values.at(-1)!);
  return b.finish("random");
}

it("what the analysis calls scale-invariant is, in random networks", async () => {
  let proved = 0;
  let perChannel = 0;
  let byMatrix = 0;
  await fc.assert(
    fc.asyncProperty(random, async (plan) => {
      const graph = build(plan);
      const proofs = analyseScaleInvariance(graph).filter((proof) => proof.scaleInvariant);
      if (proofs.length === 0) return;
      const feeds = { x: randomTensor([3, channels, 5, 5], 99) };
      const outputs = await trainingOutputs(graph, feeds);
      const plain = (await outputs({})).y!;
      // Networks that blow up, die down to zero or normalise what is all but constant show nothing but rounding errors; the last
      // are those in which the size of epsilon matters.
      if (!plain.every(Number.isFinite) || plain.every((element) => Math.abs(element) < 1e-3)) return;
      const blunted = await (await trainingOutputs(graph, feeds, 1e-8))({});
      if (!(relativeOutputChange(plain, blunted.y!) < 1e-4)) return;
      for (const { name, channelAxis, matrices } of proofs) {
        const weight = graph.initializers.get(name) as FloatTensor;
        const change = async (changed: FloatTensor) =>
          relativeOutputChange(plain, (await outputs({ [name]: changed })).y!);
        proved++;
        // Powers of two keep float32 exact, so nothing but the epsilon of 1e-12, next to variances, can tell the outputs apart.
        expect(await change(scaled(weight, 4)), `${name}, times 4`).toBeLessThan(1e-3);
        const stretched = (axis: number, factor: (slice: number) => number) => {
          const stride = weight.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
          const data = weight.data.map((x, i) => x * factor(Math.floor(i / stride) % weight.shape[axis]!));
          return tensor(weight.shape, data);
        };
        if (matrices) {
          byMatrix++;
          const matrixOf = matrixOfSlice(matrices.parts, weight.shape[matrices.axis]!);
          const apart = stretched(matrices.axis, (slice) => 4 ** matrixOf[slice]!);
          expect(await change(apart), `${name}, by matrix`).toBeLessThan(1e-3);
        }
        if (channelAxis === undefined) continue;
        perChannel++;
        expect(await change(stretched(channelAxis, (slice) => 2 ** slice)), `${name}, by channel`).toBeLessThan(1e-3);
      }
    }),
    { numRuns: 300, seed: 20 },
  );
  // The property must not hold for want of cases.
  expect(proved).toBeGreaterThan(100);
  expect(perChannel).toBeGreaterThan(50);
  expect(byMatrix).toBeGreaterThan(20);
});
