import { InferenceSession } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import type { ImageDescription, InputDescription, InputStatistics, TableDescription } from "../data/core.js";
import { GraphBuilder } from "../graph/index.js";
import { randomTensor, relativeDifference } from "../method/testing/run.js";
import { convnet, mlp } from "../models/index.js";
import { encode, type Model } from "../onnx/index.js";
import { exportClassifier, preprocessedShape, preprocessRecords, recordShape, servingFeeds } from "./index.js";

const image: ImageDescription = { kind: "image", height: 4, width: 5, channels: 3 };
const imageStatistics = { kind: "image", mean: [0.5, 0.2, 0.9], std: [0.25, 0.1, 1] } as const;

const table: TableDescription = {
  kind: "table",
  numeric: ["size", "rare", "constant"],
  categorical: [
    { name: "colour", categories: ["blue", "red"] },
    { name: "shape", categories: ["flat", "round", "tall"] },
  ],
};
const tableStatistics: InputStatistics = {
  kind: "table",
  numeric: [
    { mean: 10, std: 2, range: 5, missing: true },
    // Nearly always 0, once 90: a third of the range is more than the deviation.
    { mean: 1, std: 9, range: 90, missing: false },
    { mean: 7, std: 1, range: 0, missing: true },
  ],
};

/** What the training graph makes of packed records. */
async function fromRecords(
  description: InputDescription,
  statistics: InputStatistics,
  records: Uint8Array | Float32Array,
  count: number,
): Promise<{ data: Float32Array; dims: readonly number[] }> {
  const b = new GraphBuilder();
  const shape = [count, ...recordShape(description)];
  const dtype = description.kind === "image" ? "uint8" : "float32";
  b.output("x", preprocessRecords(b, b.constant({ dtype, shape, data: records } as never), description, statistics));
  const model: Model = {
    graph: b.finish("preprocess"),
    irVersion: 10,
    opsets: b.opsets,
    producerName: "test",
    producerVersion: "",
    metadata: new Map(),
  };
  const session = await InferenceSession.create(encode(model), { intraOpNumThreads: 1 });
  const { x } = await session.run({});
  return { data: x!.data as Float32Array, dims: x!.dims };
}

describe("images", () => {
  it("become planes of (pixel / 255 - mean) / std", async () => {
    const count = 2;
    const pixels = Uint8Array.from({ length: count * 4 * 5 * 3 }, (_, i) => (i * 37) % 256);
    const { data, dims } = await fromRecords(image, imageStatistics, pixels, count);
    expect(dims).toEqual([2, 3, 4, 5]);
    expect(preprocessedShape(image, imageStatistics)).toEqual([3, 4, 5]);
    const expected = Array.from(data, (_, index) => {
      const [example, channel, at] = [Math.floor(index / 60), Math.floor(index / 20) % 3, index % 20];
      const { mean, std } = imageStatistics;
      return (pixels[example * 60 + at * 3 + channel]! / 255 - mean[channel]!) / std[channel]!;
    });
    // Two float32 constants and a difference of numbers up to 9.
    expect(relativeDifference(data, expected)).toBeLessThan(1e-6);
  });
});

describe("tables", () => {
  const missing = Number.NaN;
  const rows = [
    // size, rare, constant, colour, shape
    [14, 0, 7, 0, 2],
    [missing, 91, missing, -1, 1],
    [9, missing, 8, 1, -1],
  ];
  const expected = [
    // standardised; size and constant missing; colour one-hot; shape one-hot
    [2, -1 / 30, 0, 0, 0, 1, 0, 0, 0, 1],
    [0, 3, 0, 1, 1, 0, 0, 0, 1, 0],
    [-0.5, 0, 1, 0, 0, 0, 1, 0, 0, 0],
  ];

  it("become scaled numbers, indicators of what may be missing, and one-hot categories", async () => {
    const { data, dims } = await fromRecords(table, tableStatistics, Float32Array.from(rows.flat()), 3);
    expect(dims).toEqual([3, 10]);
    expect(preprocessedShape(table, tableStatistics)).toEqual([10]);
    expect(relativeDifference(data, expected.flat())).toBeLessThan(1e-6);
  });

  it("may have numbers only, or categories only", async () => {
    const numbers: TableDescription = { ...table, categorical: [] };
    const complete: InputStatistics = {
      kind: "table",
      numeric: [1, 2, 3].map((mean) => ({ mean, std: 2, range: 6, missing: false })),
    };
    expect((await fromRecords(numbers, complete, Float32Array.of(3, 2, 1), 1)).data).toEqual(Float32Array.of(1, 0, -1));
    const texts: TableDescription = { ...table, numeric: [] };
    const none: InputStatistics = { kind: "table", numeric: [] };
    expect(preprocessedShape(texts, none)).toEqual([5]);
    expect((await fromRecords(texts, none, Float32Array.of(1, 0), 1)).data).toEqual(Float32Array.of(0, 1, 1, 0, 0));
  });
});

describe("what is served is what was trained", () => {
  const provenance = {
    version: "1.2.3",
    createdAt: "2026-01-01T00:00:00.000Z",
    model: "test",
    elr: 0.01,
    scale: 4,
    seed: 0,
    epochs: 1,
    dataHash: "abc",
  };
  const head = { scale: 4, norm: "tensor", features: "raw" } as const;

  it.each<[string, InputDescription, InputStatistics, Uint8Array | Float32Array, number]>([
    ["pixels", image, imageStatistics, Uint8Array.from({ length: 7 * 60 }, (_, i) => (i * 101) % 256), 7],
    [
      "columns",
      table,
      tableStatistics,
      Float32Array.from({ length: 7 * 5 }, (_, i) =>
        i % 5 < 3 ? (i % 4 === 1 ? Number.NaN : 3 * Math.sin(i)) : (i % (i % 5 === 3 ? 3 : 4)) - 1,
      ),
      7,
    ],
  ])("%s through the exported file's own preprocessing", async (_, description, statistics, records, count) => {
    const shape = preprocessedShape(description, statistics);
    const architecture = description.kind === "image" ? convnet({ width: 2 }) : mlp({ hidden: [3] });
    const model = architecture.build({ shape, classes: 2, seed: 1, head });
    const exported = exportClassifier(model, new Map(), statistics, {
      classes: ["no", "yes"],
      input: description,
      provenance,
    });
    // The network's input, in the exported file as an output of its own.
    const networkInput = model.graph.inputs[0]!.name;
    const graph = {
      ...exported.graph,
      outputs: [{ name: networkInput, dtype: "float32" as const, shape: ["batch", ...shape] }],
    };
    const session = await InferenceSession.create(encode({ ...exported, graph }), { intraOpNumThreads: 1 });
    const results = await session.run(servingFeeds(description, records, count));
    const { data } = await fromRecords(description, statistics, records, count);
    expect(results[networkInput]!.dims).toEqual([count, ...shape]);
    expect(results[networkInput]!.data).toEqual(data);
  });

  it("takes the trained weights, with the classifier's folded to norm S, and no others", () => {
    const model = mlp({ hidden: [3] }).build({ shape: [10], classes: 2, seed: 1, head });
    const weight = randomTensor([2, 3], 9);
    const description = { classes: ["no", "yes"], input: table, provenance };
    const exported = exportClassifier(model, new Map([["classifier.weight", weight]]), tableStatistics, description);
    const folded = exported.graph.initializers.get("classifier.weight")!.data as Float32Array;
    const norm = Math.hypot(...weight.data);
    expect(
      relativeDifference(
        folded,
        weight.data.map((value) => (4 * value) / norm),
      ),
    ).toBeLessThan(1e-6);
    expect([...exported.opsets]).toEqual([["", 21]]);
    expect(() => exportClassifier(model, new Map([["other", weight]]), tableStatistics, description)).toThrow(
      expect.objectContaining({ code: "ISO_INTERNAL", message: expect.stringContaining("other") }),
    );
  });
});
