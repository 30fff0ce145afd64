import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../graph/index.js";
import { analyseScaleInvariance, relativeOutputChange } from "../method/index.js";
import { int, ints, type Model, type Tensor } from "../onnx/index.js";
import {
  foldedConvolutions,
  insertBatchNormalizations,
  poolMoments,
  standardizeFeatures,
} from "./batchNormalization.js";
import { importModel } from "./index.js";
import { difference, modelOf, options, outputOf, tensor } from "./testing/models.js";

describe("batch normalisations that were folded", () => {
  const shape = [8, 3, 8, 8];
  const folded = (kind: "raw" | "unit" = "raw"): Model => {
    const b = new GraphBuilder({ opset: 21 });
    let x = b.input("x", "float32", [1, 3, 8, 8]);
    for (const [index, channels] of [4, 6].entries()) {
      const weight = b.initializer(`conv${index}`, tensor([channels, x.shape[1]!, 3, 3], index + 1));
      const bias = index === 0 ? b.initializer("bias0", tensor([channels], 7)) : undefined;
      x = b.relu(b.op("Conv", [x, weight, bias], { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) }));
    }
    const features = b.op("Flatten", [b.op("GlobalAveragePool", [x])], { axis: int(1) });
    b.output("scores", b.matMul(features, b.initializer("fc", tensor([6, 3], 9))));
    return importModel(modelOf(b, ["n", 3, 8, 8]), { ...options([3, 8, 8]), features: kind }).model;
  };
  const input = tensor(shape, 11).data;

  /** Per channel of [batch, channels, ...]. */
  function moments(data: Float32Array, channels: number): { mean: Float32Array; variance: Float32Array } {
    const inner = data.length / (shape[0]! * channels);
    const mean = new Float32Array(channels);
    const variance = new Float32Array(channels);
    for (let c = 0; c < channels; c++) {
      const values = [...data].filter((_, i) => Math.floor(i / inner) % channels === c);
      mean[c] = values.reduce((sum, v) => sum + v, 0) / values.length;
      variance[c] = values.reduce((sum, v) => sum + (v - mean[c]!) ** 2, 0) / values.length;
    }
    return { mean, variance };
  }

  it("come back without changing what the network computes, and make its weights scale-invariant", async () => {
    const model = folded();
    const convolutions = foldedConvolutions(model.graph, new Set(["conv0", "conv1"]));
    expect(convolutions).toHaveLength(2);
    expect(foldedConvolutions(model.graph, new Set(["conv1"]))).toHaveLength(1);
    const measured = await Promise.all(
      convolutions.map(async ({ outputs }, index) =>
        poolMoments([moments(await outputOf(model, outputs[0]!, shape, input), index === 0 ? 4 : 6)]),
      ),
    );
    const inserted = insertBatchNormalizations(model, convolutions, measured);
    const [before, after] = [
      await outputOf(model, "logits", shape, input),
      await outputOf(inserted, "logits", shape, input),
    ];
    expect(difference(after, before)).toBeLessThan(1e-5);
    const proofs = new Map(analyseScaleInvariance(inserted.graph).map((proof) => [proof.name, proof]));
    expect([proofs.get("conv0")!.scaleInvariant, proofs.get("conv1")!.scaleInvariant]).toEqual([true, true]);
    expect(proofs.has("bias0")).toBe(false);
    expect(foldedConvolutions(inserted.graph, new Set(["conv0"]))).toEqual([]);
  });

  it("moments of several batches are those of all of it", () => {
    const parts = [0, 1, 2].map((part) => Float32Array.from({ length: 10 }, (_, i) => Math.sin(i * 3 + part) + part));
    const stats = parts.map((values) => {
      const mean = values.reduce((sum, v) => sum + v, 0) / 10;
      return {
        mean: Float32Array.of(mean),
        variance: Float32Array.of(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 10),
      };
    });
    const all = parts.flatMap((values) => [...values]);
    const mean = all.reduce((sum, v) => sum + v, 0) / 30;
    const pooled = poolMoments(stats);
    expect(pooled.mean[0]).toBeCloseTo(mean, 6);
    expect(pooled.variance[0]).toBeCloseTo(all.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 30, 6);
  });

  it("features are standardised for a fresh classifier", async () => {
    const model = folded();
    const features = model.graph.nodes.at(-1)!.inputs[0]!;
    const raw = await outputOf(model, features, shape, input);
    const standardized = standardizeFeatures(model, poolMoments([moments(raw, 6)]));
    expect([...standardized.fixed].every((name) => standardized.model.graph.initializers.has(name))).toBe(true);
    const found = moments(await outputOf(standardized.model, "classifier/standardized", shape, input), 6);
    expect(Math.max(...found.mean.map(Math.abs))).toBeLessThan(1e-3);
    expect(found.variance.reduce((sum, v) => sum + v, 0) / 6).toBeCloseTo(1, 4);
  });

  it("standardised features keep the classifier scale-invariant; a weight that only their unit norm made so is not any more", async () => {
    const model = folded("unit");
    const raw = await outputOf(model, model.graph.nodes.at(-1)!.inputs[0]!, shape, input);
    const standardized = standardizeFeatures(model, poolMoments([moments(raw, 6)])).model;
    const doubled = async ({ graph, ...rest }: Model, name: string): Promise<number> => {
      const weight = graph.initializers.get(name)!;
      const twice = { ...weight, data: (weight.data as Float32Array).map((value) => 2 * value) } as Tensor;
      const changed = { ...rest, graph: { ...graph, initializers: new Map([...graph.initializers, [name, twice]]) } };
      const [before, after] = [{ graph, ...rest }, changed].map((each) => outputOf(each, "logits", shape, input));
      return relativeOutputChange(await before!, await after!);
    };
    for (const [each, second] of [
      [model, true],
      [standardized, false],
    ] as const) {
      const proof = new Map(analyseScaleInvariance(each.graph).map((weight) => [weight.name, weight.scaleInvariant]));
      expect([proof.get("classifier.weight"), proof.get("conv1")]).toEqual([true, second]);
      expect(await doubled(each, "classifier.weight")).toBeLessThan(1e-5);
      if (second) expect(await doubled(each, "conv1")).toBeLessThan(1e-5);
      else expect(await doubled(each, "conv1")).toBeGreaterThan(1e-2);
    }
  });
});
