import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { beforeAll, describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/index.js";
import { shapeInBlocks } from "../lowering/index.js";
import { largestError } from "../lowering/testing/runAbstract.js";
import { analyseScaleInvariance, scaleInvariantLinear } from "../method/index.js";
import { randomTensor } from "../method/testing/run.js";
import { mlp } from "../models/index.js";
import { encode, int, type Model, type Tensor } from "../onnx/index.js";
import { adam } from "../optim/index.js";
import { type CompiledStep, compileStep, measureChannelBlock, nextName, StepRunner, slotName } from "./index.js";
import type { StepOptions } from "./step.js";
import { methodOptions, standardisedTable } from "./testing/stepOptions.js";

const channelBlock = await measureChannelBlock({ createSession: InferenceSession.create, Tensor: OrtTensor });
const [batch, columns, width, wide, classes] = [64, 320, 256, 384, 3];
const records = randomTensor([batch, columns], 1).data;
const targets = Float32Array.from({ length: batch * classes }, (_, i) => (i % 4 === 0 ? 1 : 0));
const rates = { elr: 1e-3, lr: 0.05 };
const weights = ["layer1.linear.weight", "layer2.linear.weight"];

/** Two layers without batch normalisation: one as PyTorch has them, with dropout behind it, one as Keras has them. */
function withoutNormalisation(): Model {
  const b = new GraphBuilder({ opset: 21 });
  const x = b.input("input", "float32", [batch, columns]);
  const vector = (name: string, seed: number) => b.initializer(name, randomTensor([wide], seed));
  const matrix = (name: string, shape: readonly number[], seed: number) => {
    const { data } = randomTensor(shape, seed);
    return b.initializer(name, { dtype: "float32", shape, data: data.map((value) => 0.05 * value) });
  };
  const first = b.op("Gemm", [x, matrix("first", [wide, columns], 1), vector("bias1", 2)], { transB: int(1) });
  const kept = b.op("Dropout", [b.relu(first), b.scalar(0.3)]);
  const second = b.op("Gemm", [kept, matrix("second", [wide, wide], 3), vector("bias2", 4)]);
  const head = b.initializer("classifier.weight", randomTensor([classes, wide], 5));
  b.output("logits", scaleInvariantLinear(b, b.op("Tanh", [second]), head, { scale: 4 }));
  return {
    graph: b.finish("plain"),
    irVersion: 10,
    opsets: b.opsets,
    producerName: "test",
    producerVersion: "",
    metadata: new Map(),
  };
}

describe.skipIf(channelBlock === undefined)("a step that holds weights in blocks", () => {
  let model: Model;
  beforeAll(() => {
    const head = { scale: 4, norm: "tensor", features: "raw" } as const;
    model = mlp({ hidden: [width, width] }).build({ shape: [columns], classes, seed: 1, head });
  });
  const compile = (inBlocks: boolean, changed: Partial<StepOptions> = {}, of = model): CompiledStep =>
    compileStep(of, {
      ...standardisedTable(columns),
      classes,
      batchSize: batch,
      proofs: analyseScaleInvariance(of.graph),
      ...methodOptions,
      channelBlock: inBlocks ? channelBlock : undefined,
      ...changed,
    });
  const start = async (step: CompiledStep, state: ReadonlyMap<string, Tensor> = new Map()): Promise<StepRunner> => {
    const bytes = encode({ ...model, graph: step.graph, opsets: step.opsets });
    const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 4 });
    return new StepRunner({ session, Tensor: OrtTensor }, step, state);
  };
  const take = async (runner: StepRunner, step: CompiledStep, from: number, to: number): Promise<number> => {
    let loss = 0;
    for (let index = from; index < to; index++) {
      const result = await runner.run(records, targets, { ...rates, ...step.scalars(index) }, step.masks(index));
      expect(result.finite).toBe(true);
      loss = result.loss;
    }
    return loss;
  };
  const heldBy = (step: CompiledStep): readonly string[] =>
    step.stateInputs.filter(({ order }) => order).map(({ name }) => name);

  /** Five steps of each, from the same weights. */
  const expectSameSteps = async (inBlocks: CompiledStep, plain: CompiledStep): Promise<void> => {
    const held = heldBy(inBlocks);
    expect(held.length).toBeGreaterThan(0);
    const [actual, expected] = [await start(inBlocks), await start(plain)];
    expect(await take(actual, inBlocks, 0, 5)).toBeCloseTo(await take(expected, plain, 0, 5), 5);
    const [is, should] = [await actual.snapshot(), await expected.snapshot()];
    expect([...is.keys()].sort()).toEqual([...should.keys()].sort());
    for (const [name, { data, shape }] of should) {
      expect(is.get(name)!.shape).toEqual(shape);
      expect(largestError(is.get(name)!.data as Float32Array, data as Float32Array), name).toBeLessThan(3e-5);
    }
    // The weights moved by thirty times that.
    const first = plain.state.find(({ name }) => name === held[0])!.initial.data as Float32Array;
    expect(largestError(is.get(held[0]!)!.data as Float32Array, first)).toBeGreaterThan(1e-3);
  };

  it("holds the linear layers' weights and what the optimizer keeps of them so, and nothing else", () => {
    const step = compile(true, { ema: 0.9 });
    const kept = ["", "#momentum", "#average"].flatMap((part) => weights.map((name) => name + part));
    expect([...heldBy(step)].sort()).toEqual(kept.sort());
    const input = step.graph.inputs.find(({ name }) => name === weights[0])!;
    expect(input.shape).toEqual(shapeInBlocks([width, columns], "rows"));
    expect(step.graph.outputs.map(({ name }) => name)).toContain(nextName(slotName(weights[0]!, "momentum")));
    expect(step.state.find(({ name }) => name === weights[0])!.initial.shape).toEqual([width, columns]);
    expect(heldBy(compile(false))).toEqual([]);
  });

  it("leaves alone weights whose channels keep norms of their own", () => {
    expect(heldBy(compile(true, { fixedNorm: "channel" }))).toEqual([]);
  });

  it.each([
    ["the method", {}],
    ["a step by angle, Adam", { optimizer: adam(), baseRule: "angular" as const }],
    ["an average and clipped gradients", { ema: 0.9, clip: 0.1 }],
    ["plain steps with weight decay", { fixedNorm: "none" as const, weightDecay: 1e-2 }],
  ])("takes the same steps as one that does not: %s", async (_, changed) => {
    await expectSameSteps(compile(true, changed), compile(false, changed));
  });

  it("takes them without batch normalisation, with biases and dropout, whichever way round weights are", async () => {
    const network = withoutNormalisation();
    const inBlocks = compile(true, {}, network);
    const orders = inBlocks.stateInputs.flatMap(({ name, order }) => (order ? [[name, order.form]] : []));
    expect(orders).toContainEqual(["first", "rows"]);
    expect(orders).toContainEqual(["second", "columns"]);
    expect(inBlocks.inputs.masks).toHaveLength(1);
    await expectSameSteps(inBlocks, compile(false, {}, network));
  });

  it("goes on from a snapshot as if it had never stopped, and from one of a machine without blocks", async () => {
    const [inBlocks, plain] = [compile(true), compile(false)];
    const [whole, early] = [await start(inBlocks), await start(inBlocks)];
    await take(whole, inBlocks, 0, 4);
    await take(early, inBlocks, 0, 2);
    const late = await start(inBlocks, await early.snapshot());
    await take(late, inBlocks, 2, 4);
    expect(await late.snapshot()).toEqual(await whole.snapshot());

    const elsewhere = await start(plain);
    await take(elsewhere, plain, 0, 2);
    const moved = await elsewhere.snapshot();
    expect(await (await start(inBlocks, moved)).snapshot()).toEqual(moved);
  });

  it("shows evaluation what a snapshot has", async () => {
    const step = compile(true);
    const runner = await start(step);
    await take(runner, step, 0, 1);
    const snapshot = await runner.snapshot();
    for (const [name, { data, dims }] of runner.present()) {
      expect(data, name).toEqual(snapshot.get(name)!.data);
      expect(dims, name).toEqual(snapshot.get(name)!.shape);
    }
  });
});
