import { InferenceSession } from "onnxruntime-node";
import { beforeAll, describe, expect, test } from "vitest";
import { exportClassifier, preprocessRecords, recordShape } from "../src/classifier/index.js";
import { type Dataset, makeDataset, Random, type Splits } from "../src/data/index.js";
import { GraphBuilder, inline } from "../src/graph/index.js";
import { inspectModel } from "../src/inspect/index.js";
import { expandScaleInvariantLinear, relativeOutputChange } from "../src/method/index.js";
import { run as runGraph } from "../src/method/testing/run.js";
import { type Architecture, convnet, mlp, resnet20 } from "../src/models/index.js";
import { decode, encode, float, type Model, type Node, type Tensor } from "../src/onnx/index.js";
import { TrainingForm } from "../src/train/index.js";
import { openDigits, type Prepared, prepare, type Trained, trainToTheEnd } from "./digits.js";

const factors = [1e-3, 1e-2, 1e-1, 1, 1e1, 1e2, 1e3];

let splits: Splits;
let trained: Trained;
beforeAll(async () => {
  splits = await openDigits();
  trained = await trainToTheEnd(splits, { epochs: 3, hidden: [64, 64] });
});

const times = (tensor: Tensor, factor: number): Tensor => ({
  dtype: "float32",
  shape: tensor.shape,
  data: (tensor.data as Float32Array).map((element) => element * factor),
});

test("logits of the evaluated network do not change with the size of the classifier's weight", async () => {
  const prepared = await prepare(splits, { hidden: [64, 64] });
  const { evaluator } = prepared.plan;
  const { kept } = trained.outcome;
  const logits = (factor: number) =>
    evaluator.logits(
      splits.test!,
      new Map([...kept, ["classifier.weight", times(kept.get("classifier.weight")!, factor)]]),
    );
  const plain = await logits(1);
  for (const factor of factors) expect(relativeOutputChange(plain, await logits(factor))).toBeLessThan(1e-5);
  await evaluator.release();
});

/** Outputs, by value name in the model, of the network in training form: batch normalisation takes the batch's own statistics. */
async function trainingForm(
  { network: { model: trained }, statistics }: Prepared,
  state: ReadonlyMap<string, Tensor>,
  batch: Dataset,
  wanted: readonly string[],
  epsilon?: number,
): Promise<readonly Float32Array[]> {
  const b = new GraphBuilder({ opsets: trained.opsets });
  const rows = Uint32Array.from({ length: 256 }, (_, row) => row);
  const records = new Float32Array(rows.length * batch.recordLength);
  batch.read(rows, records);
  const raw = b.constant({ dtype: "float32", shape: [rows.length, ...recordShape(batch.input)], data: records });
  const bindings = new Map([[trained.graph.inputs[0]!.name, preprocessRecords(b, raw, batch.input, statistics)]]);
  for (const [name, tensor] of state) bindings.set(name, b.constant(tensor, `state/${name}`));
  const form = new TrainingForm();
  const withEpsilon = (node: Node): Node =>
    epsilon === undefined ? node : { ...node, attributes: { ...node.attributes, epsilon: float(epsilon) } };
  const network = { ...trained, graph: expandScaleInvariantLinear(trained.graph) };
  const values = inline(b, network, bindings, {
    prefix: "model/",
    replace: (node, inputs) => form.replace(b, withEpsilon(node), inputs),
  });
  wanted.forEach((name, index) => {
    b.output(`wanted${index}`, values.get(name)!);
  });
  const outputs = await runGraph(b);
  return wanted.map((_, index) => outputs[`wanted${index}`]!);
}

describe("in training form", () => {
  const logits = async (name: string, factor: number, epsilon?: number): Promise<Float32Array> => {
    const { kept } = trained.outcome;
    const state = new Map([...kept, [name, times(kept.get(name)!, factor)]]);
    return (await trainingForm(trained.prepared, state, splits.train, ["logits"], epsilon))[0]!;
  };

  test("logits do not change with the size of the classifier's weight", async () => {
    const plain = await logits("classifier.weight", 1);
    for (const factor of factors)
      expect(relativeOutputChange(plain, await logits("classifier.weight", factor))).toBeLessThan(1e-5);
  });

  test("nor with that of a weight before a batch normalisation, but for its epsilon", async () => {
    for (const name of ["layer1.linear.weight", "layer2.linear.weight"]) {
      const plain = await logits(name, 1, 1e-12);
      for (const factor of factors)
        expect(relativeOutputChange(plain, await logits(name, factor, 1e-12)), name).toBeLessThan(1e-5);
    }
  });

  test("with its epsilon, the normalised values of channel j shrink by sqrt((v_j + e) / (v_j + e / c^2))", async () => {
    const epsilon = 1e-5;
    const { kept } = trained.outcome;
    const { prepared } = trained;
    const [linear, normalisation] = prepared.network.model.graph.nodes;
    expect([linear!.op, normalisation!.op]).toEqual(["Gemm", "BatchNormalization"]);
    const name = "layer1.linear.weight";
    const wanted = [linear!.outputs[0]!, normalisation!.outputs[0]!];
    const values = (factor: number) =>
      trainingForm(prepared, new Map([...kept, [name, times(kept.get(name)!, factor)]]), splits.train, wanted, epsilon);
    const [products, plain] = (await values(1)) as [Float32Array, Float32Array];
    const channels = 64;
    const bias = kept.get("layer1.bn.bias")!.data as Float32Array;
    const variances = Array.from({ length: channels }, (_, channel) => {
      const column = products.filter((_, index) => index % channels === channel);
      const mean = column.reduce((sum, value) => sum + value, 0) / column.length;
      return column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / column.length;
    });
    for (const factor of factors) {
      const expected = plain.map((value, index) => {
        const [variance, shift] = [variances[index % channels]!, bias[index % channels]!];
        return shift + (value - shift) * Math.sqrt((variance + epsilon) / (variance + epsilon / factor ** 2));
      });
      const found = (await values(factor))[1]!;
      // float32 on both sides.
      expect(relativeOutputChange(expected, found), `times ${factor}`).toBeLessThan(1e-5);
      // So from Norm_0 upwards, where training keeps the weight, it is next to nothing; at a thousandth it is a good part of the value.
      const change = relativeOutputChange(plain, found);
      if (factor >= 1) expect(change).toBeLessThan(1e-4);
      if (factor === 1e-3) expect(change).toBeGreaterThan(0.3);
    }
  });
});

describe("inspect: graph analysis and numbers agree on every weight of", () => {
  const createSession = (bytes: Uint8Array) => InferenceSession.create(bytes, { intraOpNumThreads: 2 });
  const head = { scale: 8, norm: "tensor", features: "raw" } as const;
  const fresh = (architecture: Architecture, shape: readonly number[]): Model =>
    architecture.build({ shape, classes: 10, seed: 0, head });
  const exported = ({ prepared, outcome }: Trained, { input, classes }: Dataset): Model => {
    const provenance = {
      version: "0.0.0",
      createdAt: new Date(0).toISOString(),
      model: prepared.network.name,
      elr: prepared.settings.elr,
      scale: prepared.network.scale,
      seed: 0,
      epochs: 1,
      dataHash: "",
    };
    const model = exportClassifier(prepared.network.model, outcome.kept, prepared.statistics, {
      input,
      classes,
      provenance,
    });
    return decode(encode(model));
  };
  const madeUpImages = (): Splits => {
    const random = new Random("images");
    const length = 12 * 12 * 3;
    const dataset = makeDataset({
      records: Uint8Array.from({ length: 64 * length }, () => random.int(256)),
      labels: Array.from({ length: 64 }, (_, index) => index % 4),
      classes: ["a", "b", "c", "d"],
      input: { kind: "image", height: 12, width: 12, channels: 3 },
    });
    return { train: dataset, validation: dataset, test: dataset, hash: "", warnings: [] };
  };

  test.each<[string, () => Model | Promise<Model>, weights: number, scaleInvariant: number]>([
    ["a fresh mlp", () => fresh(mlp(), [64]), 7, 3],
    ["a fresh convnet", () => fresh(convnet(), [3, 16, 16]), 19, 7],
    ["a fresh resnet20", () => fresh(resnet20(), [3, 32, 32]), 64, 22],
    ["the file of a trained mlp", () => exported(trained, splits.train), 7, 3],
    [
      "the file of a trained resnet20",
      async () => {
        const images = madeUpImages();
        return exported(
          await trainToTheEnd(images, { model: "resnet20", width: 4, epochs: 1, batchSize: 16 }),
          images.train,
        );
      },
      64,
      22,
    ],
  ])("%s", async (_, make, weights, scaleInvariant) => {
    const inspection = await inspectModel(await make(), createSession);
    expect(inspection.withoutNumbers).toBeUndefined();
    expect(inspection.weights).toHaveLength(weights);
    expect(inspection.weights.filter((weight) => weight.scaleInvariant)).toHaveLength(scaleInvariant);
    for (const weight of inspection.weights) {
      expect(weight, weight.name).toMatchObject({ agree: true, reason: expect.stringMatching(/\w+ \w+/) });
      const { outputChange, radial } = weight.numbers!;
      // Far apart: rounding on the one side, percents on the other.
      if (weight.scaleInvariant) expect(Math.max(outputChange, Math.abs(radial)), weight.name).toBeLessThan(1e-5);
      else expect(outputChange, weight.name).toBeGreaterThan(4e-3);
    }
  });
});
