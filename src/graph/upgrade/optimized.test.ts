import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decode, encode, type Model } from "../../onnx/index.js";
import { elementCount, float, int, ints, type Tensor } from "../../onnx/types.js";
import { GraphBuilder } from "../builder.js";
import { inferGraph } from "../rewrite/index.js";
import type { Value } from "../value.js";
import { upgrade } from "./index.js";

/** Numbers of both signs, small enough that the network's values stay near 1. */
function numbers(shape: readonly number[], phase: number): Tensor {
  const data = Float32Array.from({ length: elementCount(shape) }, (_, index) => Math.sin(phase + 1.7 * index) / 2);
  return { dtype: "float32", shape, data };
}

const image = numbers([2, 3, 8, 8], 0);

/** A network with what ONNX Runtime fuses: convolutions with activations and skips, attention, layer normalisation after a skip, Gelu, QuickGelu. */
function network(): Model {
  const b = new GraphBuilder({ opset: 17 });
  let phase = 0;
  const weight = (...shape: number[]) => b.constant(numbers(shape, phase++), "weight");
  const conv = (x: Value) =>
    b.op("Conv", [x, weight(8, x.shape[1]!, 3, 3), weight(8)], {
      kernel_shape: ints([3, 3]),
      pads: ints([1, 1, 1, 1]),
    });
  const linear = (x: Value, outputs: number) => b.plus(b.matMul(x, weight(x.shape.at(-1)!, outputs)), weight(outputs));
  const normalized = (x: Value) => b.op("LayerNormalization", [x, weight(8), weight(8)]);
  const gelu = (x: Value) => {
    const erf = b.op("Erf", [b.over(x, b.scalar(Math.SQRT2))]);
    return b.times(b.times(x, b.plus(erf, b.scalar(1))), b.scalar(0.5));
  };

  let x = b.relu(conv(b.input("x", "float32", image.shape)));
  x = b.relu(b.plus(conv(x), x));
  x = b.op("LeakyRelu", [conv(x)]);
  x = b.op("Clip", [conv(x), b.scalar(0), b.scalar(6)]);
  x = b.times(x, b.op("HardSigmoid", [conv(x)], { alpha: float(1 / 6) }));

  let tokens = b.transpose(b.reshape(x, [2, 8, 64]), [0, 2, 1]);
  const heads = (order: readonly number[]) => b.transpose(b.reshape(linear(tokens, 8), [2, 64, 2, 4]), order);
  const [q, k, v] = [heads([0, 2, 1, 3]), heads([0, 2, 3, 1]), heads([0, 2, 1, 3])];
  const attention = b.op("Softmax", [b.over(b.matMul(q, k), b.scalar(2))], { axis: int(-1) });
  const read = b.reshape(b.transpose(b.matMul(attention, v), [0, 2, 1, 3]), [2, 64, 8]);
  tokens = normalized(b.plus(linear(read, 8), tokens));
  tokens = normalized(b.plus(linear(gelu(linear(tokens, 16)), 8), tokens));
  const last = linear(tokens, 8);
  tokens = b.times(last, b.op("Sigmoid", [b.times(last, b.scalar(1.702))]));
  b.output("y", b.relu(b.op("Gemm", [b.reduce("ReduceMean", tokens, [1]), weight(8, 5), weight(5)])));
  return {
    graph: b.finish("network"),
    irVersion: 8,
    opsets: new Map([["", 17]]),
    producerName: "",
    producerVersion: "",
    metadata: new Map(),
  };
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "isonorm-optimized-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function optimized(): Promise<Model> {
  const optimizedModelFilePath = join(folder, "optimized.onnx");
  const options = { graphOptimizationLevel: "extended", optimizedModelFilePath, logSeverityLevel: 4 } as const;
  await (await InferenceSession.create(encode(network()), options)).release();
  return decode(new Uint8Array(readFileSync(optimizedModelFilePath)));
}

async function run(model: Model): Promise<Float32Array> {
  const session = await InferenceSession.create(encode(model), { logSeverityLevel: 4 });
  const { y } = await session.run({ x: new OrtTensor("float32", image.data as Float32Array, [...image.shape]) });
  await session.release();
  return y!.data as Float32Array;
}

const fused = (model: Model) =>
  new Set(model.graph.nodes.flatMap(({ domain, op }) => (domain === "com.microsoft" ? [op] : [])));

describe("a model that ONNX Runtime's optimizer saved", () => {
  it("computes the same when what was fused is written out again", async () => {
    const model = await optimized();
    expect(fused(model)).toEqual(
      new Set(["FusedConv", "FusedGemm", "FusedMatMul", "SkipLayerNormalization", "Gelu", "QuickGelu"]),
    );
    const upgraded = upgrade(model);
    expect(fused(upgraded)).toEqual(new Set(["FusedMatMul", "Gelu", "QuickGelu"]));
    expect(inferGraph(upgraded.graph, upgraded.opsets).get("y")?.shape).toEqual([2, 5]);
    const [expected, actual] = [await run(network()), await run(upgraded)];
    expect(Math.max(...expected)).toBeGreaterThan(0.1);
    actual.forEach((value, index) => {
      expect(value).toBeCloseTo(expected[index]!, 4);
    });
  });

  it("is refused, with what to do, where its weights are in one processor's layout", () => {
    const { graph, ...rest } = network();
    const nodes = graph.nodes.map((node) => (node.op === "Conv" ? { ...node, domain: "com.microsoft.nchwc" } : node));
    expect(() => upgrade({ ...rest, graph: { ...graph, nodes } })).toThrow(
      /node Conv \(Conv\) has its weights in the layout of one processor.*save it at level extended/,
    );
  });
});
