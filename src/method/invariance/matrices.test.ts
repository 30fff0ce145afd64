import { describe, expect, it } from "vitest";
import type { Value } from "../../graph/index.js";
import { float, type Graph, int } from "../../onnx/types.js";
import { analyseScaleInvariance, relativeOutputChange } from "../index.js";
import { matrixOfSlice } from "../norm.js";
import { Net } from "../testing/net.js";
import { type FloatTensor, randomTensor, tensor } from "../testing/run.js";
import { trainingOutputs } from "../testing/trainingOutputs.js";

const [batch, length, width, heads] = [2, 3, 8, 2];
const depth = width / heads;

type Step = (net: Net, x: Value) => Value;
/** Queries, keys, values [batch, heads, length, depth] of x [batch, length, width]. */
type Projection = (net: Net, x: Value) => readonly [Value, Value, Value];

const byHeads = (net: Net, x: Value): Value =>
  net.b.transpose(net.b.reshape(x, [batch, length, x.shape[2]! / depth, depth]), [0, 2, 1, 3]);

const split =
  (...sizes: number[]): Projection =>
  (net, x) => {
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const product = net.op("qkv", "MatMul", [x, net.weight("w", width, total)]);
    const parts = net.b.add(
      "Split",
      [product, net.b.int64(sizes)],
      { axis: int(2) },
      { name: "split", outputNames: ["q", "k", "v"] },
    );
    return parts.map((part) => byHeads(net, part)) as unknown as [Value, Value, Value];
  };

/** As torch's Linear is exported: the weight stands as [outputs, inputs]. */
const sliced: Projection = (net, x) => {
  const product = net.op("qkv", "MatMul", [x, net.b.transpose(net.weight("w", 3 * width, width), [1, 0])]);
  return [0, 1, 2].map((part) => {
    const [from, to] = [part * width, (part + 1) * width].map((position) => net.b.int64([position]));
    return byHeads(net, net.op(`slice${part}`, "Slice", [product, from, to, net.b.int64([-1])]));
  }) as unknown as [Value, Value, Value];
};

/** timm's vision transformers: reshape to [batch, length, 3, heads, depth], permute, unbind. */
const stacked: Projection = (net, x) => {
  const product = net.op("qkv", "MatMul", [x, net.weight("w", width, 3 * width)]);
  const apart = net.op("apart", "Reshape", [product, net.b.int64([batch, length, 3, heads, depth])]);
  const first = net.b.transpose(apart, [2, 0, 3, 1, 4]);
  return [0, 1, 2].map((part) =>
    net.b.op("Gather", [first, net.b.constant({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(part)) })]),
  ) as unknown as [Value, Value, Value];
};

/** Queries, keys and values of each head side by side: [batch, length, heads, 3, depth]. */
const interleaved: Projection = (net, x) => {
  const product = net.op("qkv", "MatMul", [x, net.weight("w", width, 3 * width)]);
  const apart = net.op("apart", "Reshape", [product, net.b.int64([batch, length, heads, 3, depth])]);
  const parts = net.b.add("Split", [apart], { axis: int(3), num_outputs: int(3) }, { name: "split", outputs: 3 });
  return parts.map((part) =>
    net.b.transpose(net.b.op("Squeeze", [part, net.b.int64([3])]), [0, 2, 1, 3]),
  ) as unknown as [Value, Value, Value];
};

let norms = 0;
const normalisations: Readonly<Record<string, Step>> = {
  layerNorm: (net, x) =>
    net.op("layerNorm", "LayerNormalization", [x, net.weight(`gain${norms++}`, depth)], {
      axis: int(-1),
      epsilon: float(1e-12),
    }),
  rmsNorm: (net, x) => {
    const { b } = net;
    const mean = b.mean(b.op("Pow", [x, b.scalar(2)]), [-1], true);
    const inverse = b.op("Reciprocal", [b.sqrt(b.plus(mean, b.scalar(1e-12)))]);
    return b.times(b.times(x, inverse), net.weight(`gain${norms++}`, depth));
  },
  l2: (net, x) => {
    const { b } = net;
    const size = b.op("Clip", [b.reduce("ReduceL2", x, [-1], true), b.scalar(1e-12)]);
    return b.over(x, b.expand(size, x.shape));
  },
};

const nothing: Step = (_, x) => x;

/** softmax(q k^T) v, then an output matrix: with a layer norm after it (`post`), or added to x and handed on as it is. */
function attention(projection: Projection, qkNorm: Step, post: boolean): Graph {
  const net = new Net();
  const { b } = net;
  const x = b.input("x", "float32", [batch, length, width]);
  const [q, k, v] = projection(net, x);
  // Fewer key heads than query heads: each serves several.
  const repeated = (y: Value) => (y.shape[1] === q.shape[1] ? y : b.op("Concat", [y, y], { axis: int(1) }));
  const scores = b.matMul(qkNorm(net, q), b.transpose(repeated(qkNorm(net, k)), [0, 1, 3, 2]));
  const mixed = b.matMul(b.op("Softmax", [scores], { axis: int(-1) }), repeated(v));
  const joined = b.reshape(b.transpose(mixed, [0, 2, 1, 3]), [batch, length, width]);
  const y = net.op("out", "MatMul", [joined, net.weight("out.weight", width, width)]);
  const ends = post
    ? net.op("post", "LayerNormalization", [y, net.weight("post.gain", width)], { axis: int(-1) })
    : net.add("skip", x, y);
  return net.finish(ends);
}

/** How far outputs move when each matrix is multiplied by its factor. */
async function changeWith(graph: Graph, axis: number, parts: readonly number[], factors: readonly number[]) {
  const outputs = await trainingOutputs(graph, { x: randomTensor([batch, length, width], 99) });
  const weight = graph.initializers.get("w") as FloatTensor;
  const matrixOf = matrixOfSlice(parts, weight.shape[axis]!);
  const after = axis === 0 ? weight.shape[1]! : 1;
  const data = weight.data.map((element, i) => element * factors[matrixOf[Math.floor(i / after) % matrixOf.length]!]!);
  const [plain, changed] = [await outputs({}), await outputs({ w: tensor(weight.shape, data) })];
  return relativeOutputChange(plain.logits!, changed.logits!);
}

const proofOf = (graph: Graph) => analyseScaleInvariance(graph).find(({ name }) => name === "w")!;

const projections: readonly (readonly [string, Projection, number, readonly number[]])[] = [
  ["Split", split(width, width, width), 1, [0, 1, 2]],
  ["Slice of a transposed weight", sliced, 0, [0, 1, 2]],
  ["Reshape, Transpose and Gather", stacked, 1, [0, 1, 2]],
  ["Reshape and Split, head by head", interleaved, 1, [0, 1, 2, 0, 1, 2]],
  ["Split, with fewer keys and values than queries", split(width, depth, depth), 1, [0, 0, 1, 2]],
];

describe.each(projections)(
  "queries, keys and values in one weight, taken apart by %s",
  (_, projection, axis, parts) => {
    it.each(Object.entries(normalisations))("are three matrices with a norm each, after %s", async (_, qkNorm) => {
      const graph = attention(projection, qkNorm, true);
      const proof = proofOf(graph);
      expect(proof.scaleInvariant).toBe(true);
      expect(proof.matrices).toEqual({ axis, parts });
      // Powers of two are exact in float32; what is left are the sums of the normalisations.
      expect(await changeWith(graph, axis, parts, [2, 8, 0.5])).toBeLessThan(1e-5);
    });

    it("are not scale-invariant as a whole where the values reach a sum, and the reason says which would be", async () => {
      const graph = attention(projection, normalisations.rmsNorm!, false);
      const proof = proofOf(graph);
      expect(proof.scaleInvariant).toBe(false);
      expect(proof.matrices).toBeUndefined();
      expect(proof.reason).toMatch(/of them 1, 2 alone would be scale-invariant, 3 not \(Add skip joins it with x/);
      expect(await changeWith(graph, axis, parts, [2, 8, 1])).toBeLessThan(1e-5);
      expect(await changeWith(graph, axis, parts, [1, 1, 2])).toBeGreaterThan(1e-2);
    });

    it("are not where nothing normalises queries and keys", async () => {
      const graph = attention(projection, nothing, true);
      const proof = proofOf(graph);
      expect(proof.scaleInvariant).toBe(false);
      expect(proof.reason).toMatch(/Softmax .* of them 3 alone would be scale-invariant, 1, 2 not \(Softmax/);
      expect(await changeWith(graph, axis, parts, [1, 1, 2])).toBeLessThan(1e-5);
      for (const factors of [
        [2, 1, 1],
        [1, 2, 1],
      ])
        expect(await changeWith(graph, axis, parts, factors)).toBeGreaterThan(1e-3);
    });
  },
);

describe("what stays one matrix", () => {
  it("heads side by side in one value, whose normalisations take each back by itself", () => {
    const net = new Net();
    const x = net.b.input("x", "float32", [batch, length, width]);
    const q = byHeads(net, net.op("q", "MatMul", [x, net.weight("w", width, width)]));
    const proof = proofOf(net.finish(normalisations.l2!(net, q)));
    expect(proof.scaleInvariant).toBe(true);
    expect(proof.matrices).toBeUndefined();
  });

  it("a weight whose output nothing takes apart", () => {
    const net = new Net();
    const proof = proofOf(
      net.finish(net.bn("bn", net.conv("conv", net.image(), { weight: net.weight("w", 4, 4, 3, 3) }))),
    );
    expect(proof.scaleInvariant).toBe(true);
    expect(proof.matrices).toBeUndefined();
  });
});

it("two matrices of which only the sum is normalised are one", () => {
  const net = new Net();
  const x = net.b.input("x", "float32", [batch, length, width]);
  const product = net.op("both", "MatMul", [x, net.weight("w", width, 2 * width)]);
  const [a, b] = net.b.add("Split", [product], { axis: int(2), num_outputs: int(2) }, { outputs: 2 });
  const sum = net.add("sum", a!, b!);
  const proof = proofOf(
    net.finish(net.op("ln", "LayerNormalization", [sum, net.weight("g", width)], { axis: int(-1) })),
  );
  expect(proof.scaleInvariant).toBe(true);
  expect(proof.matrices).toBeUndefined();
});
