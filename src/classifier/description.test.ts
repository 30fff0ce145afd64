import { describe, expect, it } from "vitest";
import { mlp } from "../models/index.js";
import type { Model } from "../onnx/types.js";
import { describeInMetadata } from "./description.js";
import { type ClassifierDescription, readDescription } from "./index.js";

const description: ClassifierDescription = {
  classes: ["grün", 'with "quotes"', ""],
  input: {
    kind: "table",
    numeric: ["a, b"],
    categorical: [{ name: "c", categories: ["x", "\u2028"] }],
  },
  provenance: {
    version: "0.1.0",
    createdAt: "2026-01-01T00:00:00.000Z",
    model: "mlp",
    elr: 2 ** -8.5,
    scale: 2.5 * Math.sqrt(3),
    seed: 7,
    splitSeed: 9,
    epochs: 12.5,
    dataHash: "0123",
  },
  statistics: { kind: "table", numeric: [{ mean: 1 / 3, std: 2, range: 5e-7, missing: true }] },
};

function withMetadata(metadata: ReadonlyMap<string, string>): Model {
  const head = { scale: 1, norm: "tensor", features: "raw" } as const;
  return { ...mlp({ hidden: [2] }).build({ shape: [2], classes: 3, seed: 0, head }), metadata };
}

describe("a classifier's description", () => {
  it("comes back from the metadata as it was written", () => {
    expect(readDescription(withMetadata(describeInMetadata(description)))).toEqual(description);
    const image: ClassifierDescription = {
      ...description,
      input: { kind: "image", height: 28, width: 28, channels: 1 },
      statistics: { kind: "image", mean: [0.1], std: [1 / 3] },
    };
    expect(readDescription(withMetadata(describeInMetadata(image)))).toEqual(image);
  });

  it.each<[string, string | undefined]>([
    ["isonorm.classes", undefined],
    ["isonorm.classes", '["a", 1]'],
    ["isonorm.input", "{"],
    ["isonorm.input", '{"kind":"sound"}'],
    ["isonorm.input", '{"kind":"image","height":0,"width":4,"channels":3}'],
    ["isonorm.input", '{"kind":"image","height":4,"width":4,"channels":2}'],
    ["isonorm.provenance", "{}"],
    ["isonorm.statistics", '{"kind":"image"}'],
  ])("is refused where %s is %j, by the entry's name", (key, text) => {
    const metadata = new Map(describeInMetadata(description));
    metadata.delete(key);
    if (text !== undefined) metadata.set(key, text);
    expect(() => readDescription(withMetadata(metadata))).toThrow(
      expect.objectContaining({
        code: "ISO_MODEL_UNSUITABLE",
        message: expect.stringMatching(`${key}.*${text === undefined ? "is missing" : "cannot be read"}`),
      }),
    );
  });
});
