import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { exportClassifier } from "../classifier/index.js";
import { Random } from "../data/core.js";
import { inspectModel } from "../inspect/index.js";
import { analyseScaleInvariance } from "../method/index.js";
import { encode, type Graph, type Model, type Tensor } from "../onnx/index.js";
import { adam } from "../optim/index.js";
import { type CompiledStep, compileEvaluation, compileStep, StepRunner } from "../train/index.js";
import { methodOptions } from "../train/testing/stepOptions.js";
import { type Architecture, efficientnetB0, mobilenetV2, resnet18, resnet34, resnet50, vitTiny } from "./index.js";
import { toMultipleOf8 } from "./mobileNet.js";

const [batch, classes, side] = [8, 4, 32];
const head = { scale: 5, norm: "tensor", features: "raw" } as const;
const build = (architecture: Architecture, size = side): Model =>
  architecture.build({ shape: [3, size, size], classes, seed: 3, head });

const input = { kind: "image", height: side, width: side, channels: 3 } as const;
const statistics = { kind: "image", mean: [0.5, 0.5, 0.5], std: [0.29, 0.29, 0.29] } as const;
// Small steps: the last convolutions of these deep networks normalise one position of eight examples, and no schedule lowers the rates.
const rates = { sgd: { elr: 2 ** -11.5, lr: 0.00625 }, adam: { elr: 0.005, lr: 0.002 } };

const compile = (model: Model, optimizer: keyof typeof rates): CompiledStep =>
  compileStep(model, {
    input,
    statistics,
    classes,
    batchSize: batch,
    proofs: analyseScaleInvariance(model.graph),
    ...methodOptions,
    ...(optimizer === "adam" ? { optimizer: adam(), baseRule: "angular" } : {}),
  });

const start = async (model: Model, step: CompiledStep, state = new Map<string, Tensor>()): Promise<StepRunner> => {
  const bytes = encode({ ...model, graph: step.graph, opsets: step.opsets });
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  return new StepRunner({ session, Tensor: OrtTensor }, step, state);
};

const random = new Random("networks.test");
const records = Uint8Array.from({ length: batch * side * side * 3 }, () => random.int(256));
const targets = Float32Array.from({ length: batch * classes }, (_, i) =>
  Math.floor(i / classes) % classes === i % classes ? 1 : 0,
);

/** Losses of steps `from` up to `to` (exclusive). */
async function losses(runner: StepRunner, step: CompiledStep, from: number, to: number, optimizer: keyof typeof rates) {
  const results: number[] = [];
  for (let index = from; index < to; index++)
    results.push(
      (await runner.run(records, targets, { ...rates[optimizer], ...step.scalars(index) }, step.masks(index))).loss,
    );
  return results;
}

const isMatrix = (name: string, graph: Graph) =>
  name.endsWith(".weight") && graph.initializers.get(name)!.shape.length > 1;

describe("scale-invariant are", () => {
  it.each<[string, Architecture, count: number]>([
    ["resnet18's 20 convolutions and the classifier", resnet18({ width: 4 }), 21],
    ["resnet34's 36 convolutions and the classifier", resnet34({ width: 4 }), 37],
    ["resnet50's 53 convolutions and the classifier", resnet50({ width: 4 }), 54],
    ["mobilenetv2's 52 convolutions, depthwise ones too, and the classifier", mobilenetV2({ width: 0.2 }), 53],
  ])("%s", (_, architecture, count) => {
    const { graph } = build(architecture);
    const proofs = analyseScaleInvariance(graph).filter((proof) => proof.scaleInvariant);
    const proved = proofs.filter(({ name }) => isMatrix(name, graph));
    expect(proved.map(({ name }) => name)).toEqual(
      [...graph.initializers.keys()].filter((name) => isMatrix(name, graph)),
    );
    expect(proved).toHaveLength(count);
    // Every convolution also by channel: its batch normalisation has statistics of each.
    expect(proved.filter(({ perChannel }) => perChannel)).toHaveLength(count - 1);
    // A linear bottleneck that no residual joins goes straight into the next normalised convolution: its gain is scale-invariant as well.
    for (const { name } of proofs) if (!isMatrix(name, graph)) expect(name).toMatch(/project\.bn\.weight$/);
  });

  it("efficientnet-b0's 49 convolutions outside squeeze-excite, and the classifier", () => {
    const { graph } = build(efficientnetB0({ width: 0.2 }));
    const matrices = analyseScaleInvariance(graph).filter(({ name }) => isMatrix(name, graph));
    const [proved, others] = [true, false].map((verdict) =>
      matrices.filter((proof) => proof.scaleInvariant === verdict),
    );
    expect(proved!.map(({ name }) => name)).toEqual(
      matrices.map(({ name }) => name).filter((name) => !name.includes("squeezeExcite")),
    );
    expect(proved).toHaveLength(50);
    expect(others).toHaveLength(2 * 16);
    for (const { name, reason } of others!) expect(reason, name).toMatch(/Sigmoid/);
  });

  it("of vit-tiny the classifier alone, as all else is added to the residual stream", () => {
    const { graph } = build(vitTiny({ dim: 12, depth: 2 }));
    const proofs = analyseScaleInvariance(graph);
    expect(proofs.filter((proof) => proof.scaleInvariant).map(({ name }) => name)).toEqual(["classifier.weight"]);
    for (const { name, scaleInvariant, reason } of proofs)
      if (!scaleInvariant) expect(reason, name).toMatch(/\w+ \w+ \w+/);
  });

  it.each<[string, Architecture]>([
    ["resnet50", resnet50({ width: 4 })],
    ["mobilenetv2", mobilenetV2({ width: 0.2 })],
    ["efficientnet-b0", efficientnetB0({ width: 0.2 })],
    ["vit-tiny", vitTiny({ dim: 12, depth: 2 })],
  ])("the same weights of %s by number", async (_, architecture) => {
    const inspection = await inspectModel(build(architecture, 64), (bytes) =>
      InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 }),
    );
    expect(inspection.withoutNumbers).toBeUndefined();
    const disagreeing = inspection.weights.filter(({ agree }) => agree === false);
    expect(disagreeing.map(({ name, reason, numbers }) => ({ name, reason, numbers }))).toEqual([]);
  });
});

describe("ten steps on one batch lower the loss of", () => {
  it.each<[string, Architecture, keyof typeof rates]>([
    ["resnet18, by SGD", resnet18({ width: 8 }), "sgd"],
    ["resnet34", resnet34({ width: 8 }), "adam"],
    ["resnet50", resnet50({ width: 8 }), "adam"],
    ["mobilenetv2", mobilenetV2({ width: 0.35 }), "adam"],
    ["efficientnet-b0", efficientnetB0({ width: 0.35 }), "adam"],
    ["vit-tiny", vitTiny({ dim: 48, depth: 2 }), "adam"],
  ])("%s", async (_, architecture, optimizer) => {
    const model = build(architecture);
    const step = compile(model, optimizer);
    const runner = await start(model, step);
    const found = await losses(runner, step, 0, 10, optimizer);
    await runner.release();
    expect(found.every(Number.isFinite)).toBe(true);
    const last = found.slice(-3).reduce((sum, loss) => sum + loss / 3, 0);
    expect(last).toBeLessThan(0.7 * found[0]!);
  });
});

describe("drop path and dropout", () => {
  const maskOf = ({ inputs }: CompiledStep, name: string) => inputs.masks.find((mask) => mask.name.startsWith(name));

  it("rise linearly over efficientnet-b0's blocks, one number an example; dropout has one an element", () => {
    const step = compile(build(efficientnetB0({ width: 0.2, dropPath: 0.32 })), "sgd");
    const ratios = step.inputs.masks.flatMap((mask) => (mask.name.includes("drop_path") ? [mask] : []));
    // The 7 blocks that begin a stage have no residual branch to drop.
    expect(ratios.map(({ name }) => name)).toEqual(
      ["2.block2", "3.block2", "4.block2", "4.block3", "5.block2", "5.block3", "6.block2", "6.block3", "6.block4"].map(
        (block) => `stage${block}.drop_path/mask`,
      ),
    );
    for (const { shape } of ratios) expect(shape).toEqual([batch, 1, 1, 1]);
    expect(maskOf(step, "dropout")!.shape).toEqual([batch, 1280 / 5]);
    const kept = (name: string) =>
      Math.max(...Array.from({ length: 20 }, (_, index) => step.masks(index)[name]!).flatMap((mask) => [...mask]));
    expect(kept("stage2.block2.drop_path/mask")).toBeCloseTo(1 / (1 - 0.32 * (2 / 16)), 6);
    expect(kept("stage6.block4.drop_path/mask")).toBeCloseTo(1 / (1 - 0.32 * (14 / 16)), 6);
  });

  it("reach vit-tiny's probability in the last block", () => {
    const step = compile(build(vitTiny({ dim: 12, depth: 3, dropPath: 0.4, dropout: 0.1 })), "sgd");
    expect(maskOf(step, "block1.attention.drop_path")).toBeUndefined();
    expect(maskOf(step, "block2.mlp.drop_path")).toMatchObject({ shape: [batch, 1, 1] });
    expect(maskOf(step, "block3.attention.dropout")).toMatchObject({ shape: [batch, 64, 12] });
    const values = Array.from({ length: 150 }, (_, index) => [
      ...step.masks(index)["block3.mlp.drop_path/mask"]!,
    ]).flat();
    expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / 0.6)]));
    // 1200 draws: a deviation of 0.014.
    expect(values.filter((value) => value === 0).length / values.length).toBeCloseTo(0.4, 1);
  });

  it.each<[string, (probability: number) => Architecture]>([
    ["mobilenetv2", (p) => mobilenetV2({ width: 0.2, dropout: p })],
    ["efficientnet-b0", (p) => efficientnetB0({ width: 0.2, dropout: p, dropPath: p })],
    ["vit-tiny", (p) => vitTiny({ dim: 12, depth: 2, dropout: p, dropPath: p })],
  ])("leave nothing behind in the evaluated and the exported %s", (_, make) => {
    const operators = ({ nodes }: Graph) => nodes.map(({ op }) => op);
    const exported = (model: Model) =>
      exportClassifier(model, new Map(), statistics, {
        input,
        classes: ["a", "b", "c", "d"],
        provenance: {
          version: "0.0.0",
          createdAt: new Date(0).toISOString(),
          model: "test",
          elr: 1,
          scale: 5,
          seed: 0,
          epochs: 1,
          dataHash: "",
        },
      });
    const evaluated = (model: Model) =>
      compileEvaluation(model, { input, statistics, batchSize: batch, classes, stateNames: [], target: "cpu" }).graph;
    const [without, dropping] = [build(make(0)), build(make(0.3))];
    expect(operators(dropping.graph)).toContain("Dropout");
    expect(operators(exported(dropping).graph)).toEqual(operators(exported(without).graph));
    expect(operators(exported(dropping).graph)).not.toContain("Dropout");
    expect(exported(dropping).graph.initializers.size).toBe(exported(without).graph.initializers.size);
    expect([...exported(dropping).opsets.keys()]).toEqual([""]);
    expect(operators(evaluated(dropping))).toEqual(operators(evaluated(without)));
  });

  it("draw the same masks in a training that goes on from a checkpoint: bit for bit the same weights", async () => {
    const model = build(vitTiny({ dim: 24, depth: 2, dropout: 0.1, dropPath: 0.3 }));
    const step = compile(model, "adam");
    const whole = await start(model, step);
    const expected = await losses(whole, step, 0, 6, "adam");

    const first = await start(model, step);
    const before = await losses(first, step, 0, 3, "adam");
    const again = compile(model, "adam");
    const second = await start(model, again, await first.snapshot());
    expect([...before, ...(await losses(second, again, 3, 6, "adam"))]).toEqual(expected);
    expect(await second.snapshot()).toEqual(await whole.snapshot());
    await Promise.all([whole.release(), first.release(), second.release()]);
  });
});

describe("width", () => {
  it.each([
    // The channels of the paper's and torchvision's MobileNetV2 0.35, 0.75 and 1.4.
    [32 * 0.35, 16],
    [16 * 0.35, 8],
    [24 * 0.35, 8],
    [32 * 0.75, 24],
    [24 * 0.75, 24],
    [24 * 1.4, 32],
    [1280 * 1.4, 1792],
  ])("of %d channels becomes %i: a multiple of 8, not less than nine tenths", (channels, rounded) => {
    expect(toMultipleOf8(channels)).toBe(rounded);
  });
});
