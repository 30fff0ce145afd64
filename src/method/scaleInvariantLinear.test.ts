import { describe, expect, it } from "vitest";
import { differentiate } from "../autodiff/index.js";
import { GraphBuilder } from "../graph/index.js";
import type { Graph } from "../onnx/types.js";
import {
  defaultScale,
  expandScaleInvariantLinear,
  foldedLinear,
  foldedWeight,
  foldScaleInvariantLinear,
  radialComponent,
  type ScaleInvariantLinearOptions,
  scaleInvariantLinear,
  scaleInvariantLinearAttributes,
} from "./index.js";
import { compile, type FloatTensor, randomTensor, relativeDifference, run, scaled, tensor } from "./testing/run.js";

const forms: readonly Required<ScaleInvariantLinearOptions>[] = (["tensor", "row"] as const).flatMap((norm) =>
  (["raw", "unit"] as const).map((features) => ({ scale: 7.5, norm, features })),
);
const [batch, features, classes] = [4, 6, 3];
const x = randomTensor([batch, features], 1);
const weight = randomTensor([classes, features], 2);

/** The equation in float64. */
function closedForm(
  x: FloatTensor,
  weight: FloatTensor,
  { scale, norm, features: kind }: Required<ScaleInvariantLinearOptions>,
) {
  const [rows, width] = weight.shape as [number, number];
  const row = (data: Float32Array, index: number) => Array.from(data.subarray(index * width, (index + 1) * width));
  const length = (numbers: readonly number[]) => Math.sqrt(numbers.reduce((sum, number) => sum + number * number, 0));
  return Array.from({ length: x.shape[0]! }, (_, n) =>
    Array.from({ length: rows }, (_, k) => {
      const [features, w] = [row(x.data, n), row(weight.data, k)];
      const product = features.reduce((sum, feature, j) => sum + feature * w[j]!, 0);
      const size = norm === "row" ? length(w) : length(Array.from(weight.data));
      return (scale * product) / size / (kind === "unit" ? length(features) : 1);
    }),
  ).flat();
}

async function logits(
  x: FloatTensor,
  weight: FloatTensor,
  options: ScaleInvariantLinearOptions,
): Promise<Float32Array> {
  const b = new GraphBuilder();
  const y = scaleInvariantLinear(b, b.input("x", "float32", x.shape), b.input("w", "float32", weight.shape), options);
  b.output("logits", y);
  return (await run(b, { x, w: weight })).logits!;
}

/** A model's graph with the abstract layer and an open batch size. */
function modelGraph(options: ScaleInvariantLinearOptions): Graph {
  const b = new GraphBuilder();
  const layer = b.op(
    "ScaleInvariantLinear",
    [b.relu(b.input("x", "float32", [1, features])), b.initializer("classifier.weight", weight)],
    scaleInvariantLinearAttributes(options),
    { domain: "isonorm", name: "classifier" },
  );
  b.output("logits", layer);
  const open = (name: string, width: number) => [{ name, dtype: "float32" as const, shape: ["batch", width] }];
  return { ...b.finish("model"), inputs: open("x", features), outputs: open("logits", classes) };
}

describe.each(forms)("scale-invariant linear layer, norm $norm, features $features", (options) => {
  it("computes S (x W^T) / ||W||", async () => {
    // A handful of float32 roundings, 6e-8 each.
    expect(relativeDifference(await logits(x, weight, options), closedForm(x, weight, options))).toBeLessThan(1e-6);
  });

  it("gives the same logits for c W", async () => {
    const plain = await logits(x, weight, options);
    // The bar of the issue; only rounding differs.
    for (const c of [1e-3, 0.1, 7, 1e3])
      expect(relativeDifference(await logits(x, scaled(weight, c), options), plain)).toBeLessThan(1e-5);
  });

  it("has a gradient orthogonal to the weight, and to unit features", async () => {
    const b = new GraphBuilder();
    const [xIn, w] = [b.input("x", "float32", x.shape), b.input("w", "float32", weight.shape)];
    const y = scaleInvariantLinear(b, xIn, w, options);
    const loss = b.sum(b.times(y, b.times(y, b.constant(randomTensor([batch, classes], 3)))));
    const [dw, dx] = differentiate(b, loss, [w, xIn]);
    b.output("dw", dw!);
    b.output("dx", dx!);
    const gradients = await run(b, { x, w: weight });
    // <W, dL/dW> = 0 exactly; in float32 a sum of 18 products of rounding errors remains.
    expect(Math.abs(radialComponent(weight.data, gradients.dw!))).toBeLessThan(1e-6);
    const example = (data: Float32Array, n: number) => data.subarray(n * features, (n + 1) * features);
    const radial = Math.abs(radialComponent(example(x.data, 0), example(gradients.dx!, 0)));
    if (options.features === "unit") expect(radial).toBeLessThan(1e-6);
    else expect(radial).toBeGreaterThan(1e-3);
  });

  it("folds into one matrix product with the same logits", async () => {
    const b = new GraphBuilder();
    b.output("logits", foldedLinear(b, b.input("x", "float32", x.shape), weight, options));
    const served = (await run(b, { x })).logits!;
    expect(relativeDifference(served, closedForm(x, weight, options))).toBeLessThan(1e-6);
    expect(b.nodes.filter((node) => node.op === "Gemm")).toHaveLength(1);
    expect(b.nodes).toHaveLength(options.features === "raw" ? 2 : 7); // with the Identity that names the output
  });

  it("is written out or folded in a model's graph with an open batch size", async () => {
    const graph = modelGraph(options);
    const positive = tensor(
      x.shape,
      x.data.map((element) => Math.max(0, element)),
    );
    const expected = closedForm(positive, weight, options);
    const expanded = expandScaleInvariantLinear(graph);
    const folded = foldScaleInvariantLinear(graph);
    for (const rewritten of [expanded, folded]) {
      expect(rewritten.nodes.some((node) => node.domain === "isonorm")).toBe(false);
      const { logits } = await (await compile(rewritten))({ x });
      expect(relativeDifference(logits!, expected)).toBeLessThan(1e-6);
    }
    expect(expanded.initializers.get("classifier.weight")).toBe(weight);
    expect(folded.initializers.get("classifier.weight")).toEqual(foldedWeight(weight, options));
  });
});

describe("folded weight", () => {
  it.each([1e-37, 1e-3, 1e3, 1e37])("does not depend on the weight's size (times %s)", (c) => {
    for (const options of forms) {
      const folded = foldedWeight(scaled(weight, c), options);
      // Float32 keeps 1e-37 times values down to 0.01 as subnormals, with a relative error of up to 1e-6.
      expect(
        relativeDifference(folded.data as Float32Array, foldedWeight(weight, options).data as Float32Array),
      ).toBeLessThan(1e-5);
    }
  });

  it("has norm S, or S in each row", () => {
    const length = (data: Float32Array) => Math.sqrt(data.reduce((sum, element) => sum + element * element, 0));
    expect(length(foldedWeight(weight, { scale: 5 }).data as Float32Array)).toBeCloseTo(5, 5);
    const rows = foldedWeight(weight, { scale: 5, norm: "row" }).data as Float32Array;
    for (let k = 0; k < classes; k++) expect(length(rows.subarray(k * features, (k + 1) * features))).toBeCloseTo(5, 5);
  });

  it("refuses a weight without a direction, by name", () => {
    const zero = tensor([2, 3], [0, 0, 0, 0, 0, 0]);
    expect(() => foldedWeight(zero, { scale: 1 }, "fc.weight")).toThrow(
      expect.objectContaining({ code: "ISO_NORM_ZERO" }),
    );
    expect(() => foldedWeight(zero, { scale: 1 }, "fc.weight")).toThrow("fc.weight has norm 0");
    const oneRow = tensor([2, 2], [1, 2, 0, 0]);
    expect(() => foldedWeight(oneRow, { scale: 1, norm: "row" }, "fc.weight")).toThrow("channel 1 of weight fc.weight");
    expect(() => foldedWeight(tensor([1, 2], [1, Number.NaN]), { scale: 1 })).toThrow("norm NaN");
  });
});

it("gives an example without features logits 0 and no NaN in its gradient", async () => {
  const b = new GraphBuilder();
  const input = b.input("x", "float32", [1, 3]);
  const y = scaleInvariantLinear(b, input, b.constant(randomTensor([2, 3], 1)), { scale: 4, features: "unit" });
  const [dx] = differentiate(b, b.sum(y), [input]);
  b.output("y", y);
  b.output("dx", dx!);
  const results = await run(b, { x: tensor([1, 3], [0, 0, 0]) });
  expect([...results.y!]).toEqual([0, 0]);
  expect([...results.dx!].every(Number.isFinite)).toBe(true);
});

describe("default scale", () => {
  it("gives each row scale 2.5 whatever the number of classes", () => {
    expect(defaultScale(10)).toBe(2.5 * Math.sqrt(10));
    for (const classes of [2, 10, 1000]) {
      expect(defaultScale(classes) / Math.sqrt(classes)).toBeCloseTo(2.5, 12);
      expect(defaultScale(classes, { norm: "row" })).toBe(2.5);
    }
  });

  it("grows with the examples of a classifier alone, whose logits then have the same size whatever the number of features", () => {
    const of = (features: number, examples: number) => defaultScale(4, { frozen: { features, examples } });
    expect(of(64, 1000)).toBeCloseTo((2 * 45) / 8, 12);
    expect(of(64, 8000) / of(64, 1000)).toBeCloseTo(2, 12);
    expect(of(256, 1000) / of(64, 1000)).toBeCloseTo(0.5, 12);
    const frozen = { features: 64, examples: 1000 };
    expect(defaultScale(4, { frozen, norm: "row" })).toBe(of(64, 1000) / 2);
    expect(defaultScale(4, { frozen, features: "unit" })).toBe(defaultScale(4, { features: "unit" }));
  });

  it("lets a cosine classifier reach probability 0.9 at 45 degrees from its class, the others at 90", () => {
    for (const classes of [2, 10, 1000]) {
      const own = Math.exp(defaultScale(classes, { norm: "row", features: "unit" }) * Math.SQRT1_2);
      expect(own / (own + classes - 1)).toBeCloseTo(0.9, 12);
    }
  });

  it("refuses fewer than two classes", () => {
    expect(() => defaultScale(1)).toThrow(expect.objectContaining({ code: "ISO_ARGUMENT" }));
  });
});

describe("a wrong layer", () => {
  const build = (attributes: object, shape: readonly number[] = [3, 6]) => {
    const b = new GraphBuilder();
    const inputs = [b.input("x", "float32", [4, 6]), b.input("w", "float32", shape)];
    return () =>
      b.op(
        "ScaleInvariantLinear",
        inputs,
        { ...scaleInvariantLinearAttributes({ scale: 2 }), ...attributes },
        { domain: "isonorm" },
      );
  };

  it("is refused where it is built", () => {
    expect(build({ scale: { kind: "float", value: 0 } })).toThrow(
      expect.objectContaining({ code: "ISO_GRAPH_INVALID" }),
    );
    expect(build({ norm: { kind: "string", value: "column" } })).toThrow('norm "column"');
    expect(build({ features: { kind: "string", value: "big" } })).toThrow('features "big"');
    expect(build({}, [3, 5])).toThrow(expect.objectContaining({ code: "ISO_GRAPH_SHAPE" }));
    expect(build({})().shape).toEqual([4, 3]);
  });

  it("is refused for export where its weight is computed", () => {
    const graph = modelGraph({ scale: 2 });
    const computed = { ...graph, initializers: new Map() };
    expect(() => foldScaleInvariantLinear(computed)).toThrow(expect.objectContaining({ code: "ISO_GRAPH_INVALID" }));
  });
});

it("takes the axes as operator sets before 13 do", () => {
  const axes = (opset: number) =>
    expandScaleInvariantLinear(modelGraph({ scale: 2, norm: "row" }), { opset }).nodes.find(
      (node) => node.op === "ReduceSum",
    )!;
  expect(axes(12).attributes.axes).toEqual({ kind: "ints", value: [1] });
  expect(axes(12).inputs).toHaveLength(1);
  expect(axes(13).inputs).toHaveLength(2);
});
