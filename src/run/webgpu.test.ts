import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { webgpuProvider } from "../lowering/index.js";
import { onWebgpu, webgpuMissing } from "../lowering/testing/webgpuDevice.js";
import { encode, type Tensor } from "../onnx/index.js";
import { evaluationState, type StepRunner } from "../train/index.js";
import type { PreparedTraining } from "./prepare.js";
import { type MadeUp, prepareMadeUp } from "./testing/madeUp.js";

const mlp: MadeUp = { settings: { model: "mlp", hidden: [12, 12] }, batchSize: 16 };
const resnet: MadeUp = { settings: { model: "resnet20", width: 2, elr: 1e-4, lr: 1e-3 }, side: 8, batchSize: 8 };
const vit: MadeUp = {
  settings: { model: "vit-tiny", patch: 4, dim: 16, depth: 2, heads: 2 },
  side: 16,
  batchSize: 4,
};
const efficientNet: MadeUp = { settings: { model: "efficientnet-b0", width: 0.1 }, side: 32, batchSize: 2 };
const mobileNet: MadeUp = { settings: { model: "mobilenetv2", width: 0.1 }, side: 32, batchSize: 2 };

describe.skipIf(webgpuMissing !== undefined)(`training ${onWebgpu}`, () => {
  it("an MLP takes the CPU's 20 steps, and its classifier says the same", async () => {
    const [cpu, webgpu] = await Promise.all([prepareMadeUp(mlp, "cpu"), prepareMadeUp(mlp, "webgpu")]);
    const [expected, actual] = [await cpu.createRunner(), await webgpu.createRunner()];
    const losses = await take(cpu, expected, 0, 20);
    expect(largestDifference(await take(webgpu, actual, 0, 20), losses)).toBeLessThan(1e-5);
    const state = await expected.snapshot();
    expect(distance(await actual.snapshot(), state)).toBeLessThan(1e-4);
    expect(losses[19]).toBeLessThan(losses[0]! / 2);

    const logits = await cpu.plan.evaluator.logits(cpu.plan.validation, evaluationState(cpu.step, state));
    const { evaluator, validation } = webgpu.plan;
    const kept = await evaluator.logits(validation, evaluationState(webgpu.step, actual.present()));
    expect(largestDifference(kept, logits)).toBeLessThan(1e-3);
    await Promise.all([expected.release(), actual.release(), evaluator.release(), cpu.plan.evaluator.release()]);
  });

  // Rates so low that rounding does not grow from step to step: the same ResNet-20 on the CPU at its default rates, with weights changed by 1e-7, is elsewhere after ten steps.
  it("a ResNet-20 takes the CPU's 20 steps", async () => {
    const { losses, apart, weightsApart } = await bothTake20(resnet);
    expect(apart).toBeLessThan(1e-4);
    expect(weightsApart).toBeLessThan(1e-4);
    expect(losses[19]).toBeLessThan(losses[0]!);
  });

  // A step's gradient jumps where a unit of Relu changes sign, and rounding grows by such jumps alone (docs/decisions.md): without them the trajectories stay together at default rates.
  it("a ResNet-20 with Elu takes the CPU's 20 steps at its default rates", async () => {
    const { apart, weightsApart, moved } = await bothTake20({
      ...resnet,
      settings: { model: "resnet20", width: 2 },
      smooth: true,
    });
    expect(apart).toBeLessThan(1e-3);
    expect(weightsApart).toBeLessThan(1e-3);
    expect(moved).toBeGreaterThan(0.2);
  });

  // MobileNetV2, whose 53 batch normalisations amplify more, at lower rates, and with more values for each to be normalised by.
  it("a MobileNetV2 with Elu takes the CPU's 20 steps", async () => {
    const settings = { ...mobileNet.settings, elr: 1e-5, lr: 3e-4 };
    const { apart, weightsApart, moved } = await bothTake20({ ...mobileNet, settings, batchSize: 8, smooth: true });
    expect(apart).toBeLessThan(1e-3);
    expect(weightsApart).toBeLessThan(1e-3);
    expect(moved).toBeGreaterThan(0.01);
  });

  // Relu6 as it is: one step, for the sign of a unit that rounding changes already tells in the second.
  it("a MobileNetV2 takes the CPU's step", async () => {
    const [cpu, webgpu] = await Promise.all([prepareMadeUp(mobileNet, "cpu"), prepareMadeUp(mobileNet, "webgpu")]);
    const [expected, actual] = [await cpu.createRunner(), await webgpu.createRunner()];
    expect(largestDifference(await take(webgpu, actual, 0, 1), await take(cpu, expected, 0, 1))).toBeLessThan(1e-3);
    const before = new Map(cpu.step.state.map(({ name, initial }) => [name, initial]));
    const [is, should] = [await actual.snapshot(), await expected.snapshot()];
    expect(distance(is, should) / distance(before, should)).toBeLessThan(0.05);
    await Promise.all([expected.release(), actual.release()]);
  });

  it("a snapshot begins where it was taken, and a bad step changes nothing", async () => {
    const prepared = await prepareMadeUp(mlp, "webgpu");
    const runner = await prepared.createRunner();
    await take(prepared, runner, 0, 2);
    const before = await runner.snapshot();
    const { records, targets } = prepared.batches.batch(0, 2);
    const bad = await runner.run(records, targets, { elr: 0.01, lr: Number.NaN });
    expect(bad.finite).toBe(false);
    expect(await runner.snapshot()).toEqual(before);
    const late = await prepared.createRunner(before);
    expect(await take(prepared, late, 2, 4)).toEqual(await take(prepared, runner, 2, 4));
    expect(await late.snapshot()).toEqual(await runner.snapshot());
    await Promise.all([runner.release(), late.release(), prepared.plan.evaluator.release()]);
  });

  // Missing values of a table are found on the processor, where the rows are.
  it.each([
    ["an MLP", mlp, ["IsNaN"]],
    ["a ResNet-20", resnet, []],
    ["a MobileNetV2", mobileNet, []],
    ["a ViT", vit, []],
    ["an EfficientNet", efficientNet, []],
  ] as const)("of the step of %s no node runs on the processor, but the IsNaN of a table", async (_, network, left) => {
    expect(await nodesOnCpu(await prepareMadeUp(network, "webgpu"))).toEqual(left);
  });
});

/** Twenty steps on the CPU and on WebGPU: the CPU's losses, how far the others are from them at most, how far apart the weights end, and how far they have come. */
async function bothTake20(network: MadeUp) {
  const [cpu, webgpu] = await Promise.all([prepareMadeUp(network, "cpu"), prepareMadeUp(network, "webgpu")]);
  const [expected, actual] = [await cpu.createRunner(), await webgpu.createRunner()];
  const losses = await take(cpu, expected, 0, 20);
  const apart = largestDifference(await take(webgpu, actual, 0, 20), losses);
  const [is, should] = [await actual.snapshot(), await expected.snapshot()];
  const before = new Map(cpu.step.state.map(({ name, initial }) => [name, initial]));
  await Promise.all([expected.release(), actual.release()]);
  return { losses, apart, weightsApart: distance(is, should), moved: distance(before, should) };
}

/** Losses of the steps from `from` to before `to`. */
async function take(
  { batches, plan, step }: PreparedTraining,
  runner: StepRunner,
  from: number,
  to: number,
): Promise<number[]> {
  const losses: number[] = [];
  for (let index = from; index < to; index++) {
    const { records, targets } = batches.batch(
      Math.floor(index / batches.batchesPerEpoch),
      index % batches.batchesPerEpoch,
    );
    const scalars = { elr: plan.elr, lr: plan.lr, ...step.scalars(index) };
    losses.push((await runner.run(records, targets, scalars, step.masks(index))).loss);
  }
  return losses;
}

/** Operators of the step that ONNX Runtime runs on the CPU although the session is WebGPU's, as its profile tells. */
async function nodesOnCpu({ step, batches, plan, network }: PreparedTraining): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "isonorm-profile-"));
  try {
    const { graph, opsets, inputs } = step;
    const session = await InferenceSession.create(encode({ ...network.model, graph, opsets }), {
      executionProviders: [webgpuProvider],
      logSeverityLevel: 3,
      enableProfiling: true,
      profileFilePrefix: join(folder, "step"),
    });
    const { records, targets } = batches.batch(0, 0);
    const scalars: Record<string, number> = { elr: plan.elr, lr: plan.lr, ...step.scalars(0) };
    const masks = step.masks(0);
    const tensor = (data: Float32Array, shape: readonly number[]) => new OrtTensor("float32", data, shape);
    await session.run({
      records:
        records instanceof Uint8Array
          ? new OrtTensor("uint8", records, inputs.records.shape)
          : tensor(records, inputs.records.shape),
      targets: tensor(targets, inputs.targets.shape),
      ...Object.fromEntries(inputs.scalars.map((name) => [name, tensor(Float32Array.of(scalars[name]!), [])])),
      ...Object.fromEntries(inputs.masks.map(({ name, shape }) => [name, tensor(masks[name]!, shape)])),
      ...Object.fromEntries(
        step.state.map(({ name, initial }) => [name, tensor(initial.data as Float32Array, initial.shape)]),
      ),
    });
    session.endProfiling();
    await session.release();
    const events = JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), "utf8")) as {
      readonly args?: { readonly provider?: string; readonly op_name?: string };
    }[];
    const ran = events.flatMap(({ args }) => (args?.provider === "CPUExecutionProvider" ? [args.op_name!] : []));
    expect(events.some(({ args }) => args?.provider === "WebGpuExecutionProvider")).toBe(true);
    return [...new Set(ran)].sort();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  return Array.from(actual).reduce((largest, value, index) => Math.max(largest, Math.abs(value - expected[index]!)), 0);
}

/** Euclidean distance of two states' weights together, relative to the length of the second. */
function distance(actual: ReadonlyMap<string, Tensor>, expected: ReadonlyMap<string, Tensor>): number {
  let [apart, length] = [0, 0];
  for (const [name, { data }] of expected) {
    if (name.includes("#") || name.includes("running")) continue;
    data.forEach((value, index) => {
      apart += (Number(value) - Number(actual.get(name)!.data[index])) ** 2;
      length += Number(value) ** 2;
    });
  }
  return Math.sqrt(apart / length);
}
