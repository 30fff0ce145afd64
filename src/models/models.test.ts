import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { expandScaleInvariantLinear } from "../method/index.js";
import { elementCount, encode, type Model } from "../onnx/index.js";
import {
  type Architecture,
  architecture,
  architectureNames,
  convnet,
  defaultArchitecture,
  efficientnetB0,
  mlp,
  mobilenetV2,
  resnet18,
  resnet20,
  resnet32,
  resnet50,
  resnet56,
  vitTiny,
} from "./index.js";

const head = { scale: 8, norm: "tensor", features: "raw" } as const;
const build = (made: Architecture, shape: readonly number[], classes = 10, seed = 0): Model =>
  made.build({ shape, classes, seed, head });

/** Trained numbers: all initializers but the running statistics. */
const parameters = ({ graph }: Model): number =>
  [...graph.initializers].reduce(
    (sum, [name, { shape }]) => sum + (name.includes(".running_") ? 0 : elementCount(shape)),
    0,
  );

/** A 3x3 convolution and its batch normalisation. */
const layer = (from: number, to: number): number => 9 * from * to + 2 * to;

describe("parameters", () => {
  it.each([
    [[64], 10, [128, 128]],
    [[3, 4, 5], 2, [7]],
  ])("of an mlp for %j, %i classes, hidden %j", (shape, classes, hidden) => {
    const widths = [shape.reduce((a, b) => a * b), ...hidden];
    const expected =
      hidden.reduce((sum, width, index) => sum + widths[index]! * width + 2 * width, 0) + hidden.at(-1)! * classes;
    expect(parameters(build(mlp({ hidden }), shape, classes))).toBe(expected);
  });

  it.each([4, 16])("of a convnet of width %i", (w) => {
    const expected =
      layer(3, w) + layer(w, w) + layer(w, 2 * w) + layer(2 * w, 2 * w) + layer(2 * w, 4 * w) + layer(4 * w, 4 * w);
    expect(parameters(build(convnet({ width: w }), [3, 16, 16]))).toBe(expected + 4 * w * 10);
  });

  /** n blocks a stage; where the shape changes, a 1x1 convolution and its normalisation on the shortcut. */
  const resnet = (n: number, w: number, channels: number, classes: number): number => {
    const stage = (width: number, blocks: number) => blocks * 2 * layer(width, width);
    const change = (from: number, to: number) => layer(from, to) + layer(to, to) + from * to + 2 * to;
    return (
      layer(channels, w) +
      stage(w, n) +
      change(w, 2 * w) +
      stage(2 * w, n - 1) +
      change(2 * w, 4 * w) +
      stage(4 * w, n - 1) +
      4 * w * classes
    );
  };

  // With shortcuts that have no weights (option A) and a classifier with a bias the three count 269,722, 464,154 and 853,018, as
  // PyTorch implementations of the paper's networks for CIFAR-10 do (0.27, 0.46 and 0.85 million in its table 6). Our shortcuts of option B add
  // 16 * 32 + 32 * 64 and their normalisations' 2 * 32 + 2 * 64; our classifier has no bias.
  it.each<[string, (options: { width?: number }) => Architecture, blocks: number, optionA: number]>([
    ["resnet20", resnet20, 3, 269_722],
    ["resnet32", resnet32, 5, 464_154],
    ["resnet56", resnet56, 9, 853_018],
  ])("of a %s", (_, make, blocks, optionA) => {
    expect(parameters(build(make({}), [3, 32, 32]))).toBe(optionA + 2752 - 10);
    expect(parameters(build(make({ width: 4 }), [1, 8, 8], 7))).toBe(resnet(blocks, 4, 1, 7));
  });

  it("layers as named: a ResNet of 6 n + 2 has that many with weights, shortcuts apart", () => {
    for (const [make, layers] of [
      [resnet20, 20],
      [resnet32, 32],
      [resnet56, 56],
    ] as const) {
      const { nodes } = build(make({ width: 2 }), [1, 8, 8]).graph;
      const weighted = nodes.filter(
        ({ op, name }) => (op === "Conv" || op === "ScaleInvariantLinear") && !name.includes("shortcut"),
      );
      expect(weighted).toHaveLength(layers);
    }
  });
});

describe("fresh weights", () => {
  it("have variance 2 / fan-in (He), and half of that in the classifier", () => {
    const model = build(resnet20({}), [3, 32, 32]);
    for (const [name, { data, shape }] of model.graph.initializers) {
      const values = data as Float32Array;
      if (shape.length === 1) {
        const fixed = name.endsWith("bn.weight") || name.includes("bn1.weight") || name.includes("bn2.weight");
        const expected = fixed || name.endsWith("running_var") ? 1 : 0;
        expect(new Set(values), name).toEqual(new Set([expected]));
        continue;
      }
      const fanIn = elementCount(shape.slice(1));
      const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length;
      const expected = name === "classifier.weight" ? 1 / fanIn : 2 / fanIn;
      // A mean of n squares deviates by sqrt(2 / n) of itself; four times that.
      expect(Math.abs(variance / expected - 1), name).toBeLessThan(4 * Math.sqrt(2 / values.length));
    }
  });

  it("are a function of the seed and of the layer's name", () => {
    const weights = (seed: number, hidden: readonly number[]) =>
      build(mlp({ hidden }), [6], 3, seed).graph.initializers;
    expect(weights(1, [4, 5])).toEqual(weights(1, [4, 5]));
    expect(weights(1, [4]).get("layer1.linear.weight")).not.toEqual(weights(2, [4]).get("layer1.linear.weight"));
    // Another layer leaves those before it as they are.
    expect(weights(1, [4, 5]).get("layer1.linear.weight")).toEqual(weights(1, [4]).get("layer1.linear.weight"));
  });
});

describe("a built model", () => {
  it.each<[Architecture, readonly number[]]>([
    [mlp({ hidden: [5] }), [7]],
    [mlp({ hidden: [5, 4] }), [2, 3, 3]],
    [convnet({ width: 2 }), [1, 4, 4]],
    [convnet({ width: 2 }), [3, 11, 7]],
    [resnet20({ width: 2 }), [3, 9, 8]],
    [resnet18({ width: 2 }), [1, 17, 40]],
    [resnet50({ width: 2 }), [3, 33, 20]],
    [mobilenetV2({ width: 0.1 }), [3, 17, 23]],
    [efficientnetB0({ width: 0.1 }), [1, 28, 28]],
    [vitTiny({ dim: 12, depth: 2 }), [3, 10, 33]],
    [vitTiny({ dim: 8, depth: 1, heads: 2, patch: 5 }), [1, 17, 5]],
  ])("$name takes batches of any size of shape %j", async (made, shape) => {
    const model = build(made, shape, 3);
    const graph = expandScaleInvariantLinear(model.graph);
    const opsets = new Map([["", 21]]);
    const session = await InferenceSession.create(encode({ ...model, graph, opsets }), { intraOpNumThreads: 1 });
    const length = elementCount(shape);
    const input = (count: number) =>
      Float32Array.from({ length: count * length }, (_, i) => Math.sin(i % (2 * length)));
    const logits = async (count: number): Promise<Float32Array> => {
      const results = await session.run({ input: new OrtTensor("float32", input(count), [count, ...shape]) });
      expect(results.logits!.dims).toEqual([count, 3]);
      return results.logits!.data as Float32Array;
    };
    // Examples do not see each other in inference form.
    const [two, four] = [await logits(2), await logits(4)];
    four.forEach((value, index) => {
      expect(value).toBeCloseTo(two[index % 6]!, 5);
    });
  });

  it.each<[Architecture, readonly number[], RegExp]>([
    [convnet(), [64], /convnet takes images, but an example of this data has shape \[64\]/],
    [resnet20(), [64], /resnet20 takes images/],
    [convnet(), [3, 3, 9], /convnet needs images of at least 4x4 pixels, but these have 3x9/],
    [resnet56(), [3, 32, 7], /resnet56 needs images of at least 8x8 pixels, but these have 32x7/],
    [resnet18(), [3, 16, 32], /resnet18 needs images of at least 17x17 pixels, but these have 16x32/],
    [mobilenetV2(), [3, 8, 8], /mobilenetv2 needs images of at least 17x17/],
    [efficientnetB0(), [12], /efficientnet-b0 takes images/],
    [vitTiny(), [3, 3, 9], /vit-tiny needs images of at least 4x4/],
    [vitTiny({ patch: 16 }), [3, 32, 12], /vit-tiny needs images of at least 16x16 pixels/],
  ])("$name refuses %j", (made, shape, message) => {
    expect(() => build(made, shape)).toThrow(
      expect.objectContaining({ code: "ISO_MODEL_UNSUITABLE", message: expect.stringMatching(message) }),
    );
  });
});

it.each([
  [224, 16, 196],
  [96, 8, 144],
  [64, 8, 64],
  [32, 4, 64],
  [28, 2, 196],
  [8, 1, 64],
])("a vision transformer for %i pixels has patches of %i and %i tokens", (side, patch, tokens) => {
  const { initializers } = build(vitTiny({ dim: 3, depth: 1 }), [3, side, side]).graph;
  expect(initializers.get("patch.weight")!.shape).toEqual([3, 3, patch, patch]);
  expect(initializers.get("position.weight")!.shape).toEqual([1, tokens, 3]);
});

it("a vision transformer's linear weights have deviation 0.02 and are cut at two deviations", () => {
  const { initializers } = build(vitTiny({ depth: 1 }), [3, 32, 32]).graph;
  const values = initializers.get("block1.mlp.expand.weight")!.data as Float32Array;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
  // A normal distribution cut at 2 has 0.8796 of its deviation; of 147,456 values that is known to 0.2 %.
  expect(Math.abs(deviation / (0.8796 * 0.02) - 1)).toBeLessThan(0.01);
  expect(values.every((value) => Math.abs(value) <= 0.04)).toBe(true);
});

describe("by name", () => {
  it("with the options that it has", () => {
    for (const name of architectureNames) expect(architecture(name).name).toBe(name);
    expect(architecture("resnet32", { width: 8 }).settings).toEqual({ width: 8 });
    expect(architecture("mobilenetv2", { width: 0.35 }).settings).toEqual({ width: 0.35, dropout: 0.2 });
    expect(architecture("vit-tiny", { patch: 4, dropPath: 0, hidden: undefined }).settings).toEqual({
      patch: 4,
      dim: 192,
      depth: 12,
      heads: 3,
      dropout: 0,
      dropPath: 0,
    });
  });

  it.each<[string, Parameters<typeof architecture>[1], RegExp]>([
    ["mlp", { hidden: [3], width: 8 }, /mlp has no option width\. It has hidden/],
    ["resnet18", { patch: 4, heads: 2 }, /resnet18 has no option patch and no heads/],
    ["convnet", { width: 0.5 }, /width of convnet is 0\.5/],
    ["resnet20", { width: 0.5 }, /width of resnet20 is 0\.5/],
    ["resnet50", { width: 1.5 }, /width of resnet50 is 1\.5.*a whole number/],
    ["mobilenetv2", { width: 32 }, /width of mobilenetv2 is 32.*a multiplier/],
    ["mobilenetv2", { dropout: 1 }, /dropout of mobilenetv2 is 1/],
    ["efficientnet-b0", { dropPath: -0.1 }, /dropPath of efficientnet-b0 is -0\.1/],
    ["vit-tiny", { depth: 0 }, /depth of vit-tiny is 0/],
    ["vit-tiny", { dim: 64 }, /cannot split dim 64 among 3 heads/],
  ])("%s refuses %j", (name, options, message) => {
    expect(() => architecture(name, options)).toThrow(
      expect.objectContaining({ code: "ISO_ARGUMENT", message: expect.stringMatching(message) }),
    );
  });

  it.each(["resnet21", "", "constructor", "__proto__"])("%j is unknown", (name) => {
    expect(() => architecture(name)).toThrow(
      expect.objectContaining({ code: "ISO_MODEL_UNKNOWN", message: expect.stringContaining(`"${name}"`) }),
    );
  });
});

it.each<[readonly number[], string]>([
  [[64], "mlp"],
  [[3, 3, 40], "mlp"],
  [[1, 8, 8], "convnet"],
  [[3, 19, 64], "convnet"],
  [[1, 28, 28], "resnet20"],
  [[3, 224, 224], "resnet20"],
])("data of shape %j gets %s by default", (shape, name) => {
  expect(defaultArchitecture(shape).name).toBe(name);
  expect(() => build(defaultArchitecture(shape), shape)).not.toThrow();
});
