import { readFile } from "node:fs/promises";
import { InferenceSession } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { compareGradients, imported, verdictOf } from "../bench/imports/gradients.js";
import { inspectModel } from "../src/inspect/index.js";
import type { Tensor } from "../src/onnx/index.js";
import { decodeSafetensors } from "../src/safetensors/index.js";

// Two of torchvision's networks, small, as PyTorch exports them, against what PyTorch computes in float64; bench/imports/export_torchvision.py --fixtures
// made them. bench/imports/compare.ts does the same with eleven of full size.

const fixture = (file: string) => readFile(new URL(`fixtures/imports/${file}`, import.meta.url));

async function load(name: string, form: string): Promise<{ file: Uint8Array; figures: Map<string, Tensor> }> {
  const { tensors } = decodeSafetensors(await fixture(`${name}/${form}.safetensors`));
  return { file: await fixture(`${name}/${form}.onnx`), figures: tensors };
}

const networks = ["shufflenet", "mobilenet_v3"].flatMap((name) =>
  ["training", "inference"].map((form) => [name, form] as const),
);

describe.each(networks)("%s in %s form", (name, form) => {
  it("has PyTorch's loss and gradients", async () => {
    const { file, figures } = await load(name, form);
    const { loss, expectedLoss, comparisons } = await compareGradients(file, figures);
    expect(comparisons.length).toBeGreaterThan(40);
    expect(Math.abs(loss / expectedLoss - 1)).toBeLessThan(1e-5);
    // Gradients that are 0 by mathematics are left with rounding alone. The others: 6e-8 an operation, up to 30 layers there and back.
    const apart = comparisons.filter((comparison) => !(comparison.distance < 1e-4) && verdictOf(comparison) !== "zero");
    expect(apart).toEqual([]);
  });

  it("has the same weights proved scale-invariant by the graph and by the numbers", async () => {
    const { file, figures } = await load(name, form);
    const { model } = imported(file, figures.get("classifier")!);
    const { weights, withoutNumbers } = await inspectModel(model, (bytes) =>
      InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 }),
    );
    expect(withoutNumbers).toBeUndefined();
    expect(weights.filter(({ agree }) => agree === false)).toEqual([]);
    expect(weights.filter(({ reason }) => reason === "")).toEqual([]);
    const proved = weights.filter(({ scaleInvariant }) => scaleInvariant).map((weight) => weight.name);
    if (form === "inference") {
      // Batch normalisation is folded into every convolution.
      expect(proved).toEqual(["classifier.weight"]);
      return;
    }
    const convolutions = weights.filter(({ name, shape }) => shape.length === 4 && !name.includes(".fc"));
    expect(convolutions.length).toBeGreaterThan(10);
    for (const { name } of convolutions) expect(proved).toContain(name);
    // Squeeze-and-excitation's weights have biases, and end in a gate.
    for (const { name, role, reason } of weights.filter(({ name }) => name.includes(".fc")))
      expect([name, reason]).toEqual([name, expect.stringMatching(role === "weight" ? /^a bias follows/ : /^bias of/)]);
  });
});
