import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { beforeAll, describe, expect, it } from "vitest";
import { makeDataset } from "../data/core.js";
import { analyseScaleInvariance } from "../method/index.js";
import { randomTensor } from "../method/testing/run.js";
import { mlp } from "../models/index.js";
import { encode, type Model, type Tensor } from "../onnx/index.js";
import {
  type CompiledStep,
  compileEvaluation,
  compileStep,
  evaluationState,
  nextName,
  norm0Name,
  StateEvaluator,
  StepRunner,
  slotName,
} from "./index.js";
import { methodOptions, standardisedTable } from "./testing/stepOptions.js";

const [batch, classes] = [8, 3];
/** Wide enough that linear layers are updated by themselves. */
const width = 2100;
const { input, statistics } = standardisedTable(2);
const records = randomTensor([batch, 2], 1).data;
const targets = Float32Array.from({ length: batch * classes }, (_, i) => (i % 4 === 0 ? 1 : 0));
const rates = { elr: 0.01, lr: 0.05 };

let model: Model;
let step: CompiledStep;
beforeAll(() => {
  model = mlp({ hidden: [width] }).build({
    shape: [2],
    classes,
    seed: 1,
    head: { scale: 4, norm: "tensor", features: "raw" },
  });
  step = compileStep(model, {
    input,
    statistics,
    classes,
    batchSize: batch,
    proofs: analyseScaleInvariance(model.graph),
    ...methodOptions,
  });
});

const open = (graph: Model["graph"]): Promise<InferenceSession> =>
  InferenceSession.create(encode({ ...model, graph, opsets: step.opsets }), { intraOpNumThreads: 1 });
const start = async (state: ReadonlyMap<string, Tensor> = new Map()): Promise<StepRunner> =>
  new StepRunner({ session: await open(step.graph), Tensor: OrtTensor }, step, state);

describe("the compiled step", () => {
  it("declares what its graph takes and gives", () => {
    const names = step.graph.inputs.map(({ name }) => name);
    const packs = ["small weights", "small weights#momentum", "running statistics"];
    const norms = "norms#norm0";
    const alone = ["layer1.linear.weight", "classifier.weight"];
    expect(names.sort()).toEqual(
      [
        "records",
        "targets",
        "elr",
        "lr",
        norms,
        ...packs,
        ...alone.flatMap((name) => [name, slotName(name, "momentum")]),
      ].sort(),
    );
    expect(step.graph.outputs.map(({ name }) => name).sort()).toEqual(
      [
        "loss",
        "correct",
        "health",
        ...[...packs, ...alone.flatMap((name) => [name, slotName(name, "momentum")])].map(nextName),
      ].sort(),
    );
    expect(step.stateInputs.map(({ name }) => name).sort()).toEqual(
      names.filter((name) => !["records", "targets", "elr", "lr"].includes(name)).sort(),
    );
    expect(step.state.filter(({ role }) => role === "norm0").map(({ weight }) => weight)).toEqual([
      "layer1.linear.weight",
      "classifier.weight",
    ]);
    // Abstract operators are gone, and so is what nothing reads.
    const read = new Set(step.graph.nodes.flatMap(({ inputs }) => inputs));
    expect(step.graph.nodes.filter(({ domain }) => domain === "isonorm")).toEqual([]);
    expect([...step.graph.initializers.keys()].filter((name) => !read.has(name))).toEqual([]);
  });
});

describe("the runner", () => {
  it("goes on from a snapshot as if it had never stopped", async () => {
    const [whole, early] = [await start(), await start()];
    for (let index = 0; index < 4; index++) await whole.run(records, targets, rates);
    for (let index = 0; index < 2; index++) await early.run(records, targets, rates);
    const late = await start(await early.snapshot());
    for (let index = 0; index < 2; index++) await late.run(records, targets, rates);
    expect(await late.snapshot()).toEqual(await whole.snapshot());
  });

  it("leaves the state as it was after a step that is not finite, and takes the next one from there", async () => {
    const runner = await start();
    await runner.run(records, targets, rates);
    const before = await runner.snapshot();
    const bad = await runner.run(records, targets, { elr: 0.01, lr: Number.NaN });
    expect(bad.finite).toBe(false);
    expect(await runner.snapshot()).toEqual(before);
    const infinite = await runner.run(
      records.map(() => 3e38),
      targets,
      { ...rates, lr: 1e38 },
    );
    expect(infinite.finite).toBe(false);
    expect(await runner.snapshot()).toEqual(before);

    const good = await start(before);
    const [once, again] = [await runner.run(records, targets, rates), await good.run(records, targets, rates)];
    expect(once).toEqual(again);
    expect(await runner.snapshot()).toEqual(await good.snapshot());
  });

  it("knows every tensor by its own name and shape, whatever buffer it lies in", async () => {
    const runner = await start();
    await runner.run(records, targets, rates);
    const snapshot = await runner.snapshot();
    const shapes = (state: ReadonlyMap<string, { shape: readonly number[] }>) =>
      Object.fromEntries([...state].map(([name, { shape }]) => [name, shape]));
    const [bn, bottom, head] = ["layer1.bn", "layer1.linear.weight", "classifier.weight"];
    expect(shapes(snapshot)).toEqual({
      [bottom!]: [width, 2],
      [head!]: [classes, width],
      [slotName(bottom!, "momentum")]: [width, 2],
      [slotName(head!, "momentum")]: [classes, width],
      [norm0Name(bottom!)]: [],
      [norm0Name(head!)]: [],
      ...Object.fromEntries(
        ["weight", "bias", "weight#momentum", "bias#momentum", "running_mean", "running_var"].map((part) => [
          `${bn}.${part}`,
          [width],
        ]),
      ),
    });
    for (const [name, { data, dims }] of runner.present()) {
      expect(data, name).toEqual(snapshot.get(name)!.data);
      expect(dims, name).toEqual(snapshot.get(name)!.shape);
    }
  });

  it("gives a snapshot that later steps do not change", async () => {
    const runner = await start();
    const first = await runner.snapshot();
    const copy = structuredClone(first);
    await runner.run(records, targets, rates);
    await runner.run(records, targets, rates);
    expect(first).toEqual(copy);
    expect(await runner.snapshot()).not.toEqual(copy);
  });

  it("refuses a state of another shape or type, and a step without its scalars", async () => {
    const wrong: Tensor = { dtype: "float32", shape: [3], data: new Float32Array(3) };
    await expect(start(new Map([["classifier.weight", wrong]]))).rejects.toThrow(
      "state tensor classifier.weight is float32[3], expected float32[3,2100]",
    );
    await expect((await start()).run(records, targets, { lr: 0.1 })).rejects.toThrow("the step needs the scalar elr");
  });
});

describe("the evaluator", () => {
  const dataset = makeDataset({
    records: randomTensor([11, 2], 5).data,
    labels: Array.from({ length: 11 }, (_, i) => i % classes),
    classes: ["a", "b", "c"],
    input,
  });

  it("gives the same logits whatever the size of its batches, the last of which is filled up", async () => {
    const state = evaluationState(step, await (await start()).snapshot());
    expect([...state.keys()].sort()).toEqual(
      [
        "classifier.weight",
        "layer1.linear.weight",
        ...["bias", "weight", "running_mean", "running_var"].map((part) => `layer1.bn.${part}`),
      ].sort(),
    );
    const logits = async (batchSize: number): Promise<Float32Array> => {
      const compiled = compileEvaluation(model, {
        input,
        statistics,
        batchSize,
        classes,
        stateNames: [...state.keys()],
        target: "cpu",
      });
      const evaluator = new StateEvaluator(await open(compiled.graph), compiled);
      const found = await evaluator.logits(dataset, state);
      await evaluator.release();
      return found;
    };
    const whole = await logits(11);
    for (const batchSize of [1, 4, 32]) {
      const found = await logits(batchSize);
      expect(found).toHaveLength(11 * classes);
      // Matrix products of other sizes may add in another order.
      found.forEach((value, index) => {
        expect(value).toBeCloseTo(whole[index]!, 5);
      });
    }
  });
});
