import { z } from "zod";
import type { InputDescription, InputStatistics } from "../data/core.js";
import { IsonormError } from "../errors.js";
import type { Model } from "../onnx/types.js";

const inputDescription = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("image"),
    height: z.int().positive(),
    width: z.int().positive(),
    channels: z.union([z.literal(1), z.literal(3)]),
  }),
  z.object({
    kind: z.literal("table"),
    numeric: z.array(z.string()),
    categorical: z.array(z.object({ name: z.string(), categories: z.array(z.string()) })),
  }),
]);

const provenance = z.object({
  /** Version of isonorm. */
  version: z.string(),
  createdAt: z.string(),
  /** Name of the model's architecture. */
  model: z.string(),
  elr: z.number(),
  scale: z.number(),
  seed: z.number(),
  /** Of the splits, where it is not the training's own. */
  splitSeed: z.number().optional(),
  epochs: z.number(),
  /** SHA-256 of the data it was trained on. */
  dataHash: z.string(),
});

export type Provenance = z.output<typeof provenance>;

const statistics = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("image"), mean: z.array(z.number()), std: z.array(z.number()) }),
  z.object({
    kind: z.literal("table"),
    numeric: z.array(z.object({ mean: z.number(), std: z.number(), range: z.number(), missing: z.boolean() })),
  }),
]);

/** What stands in an exported classifier's metadata. */
export interface ClassifierDescription {
  /** Class names; a class's index is its column in logits and probabilities. */
  readonly classes: readonly string[];
  readonly input: InputDescription;
  readonly provenance: Provenance;
  /** What the preprocessing in the graph normalises by; a training that goes on from the model does so too. */
  readonly statistics: InputStatistics;
}

const keys = {
  classes: "isonorm.classes",
  input: "isonorm.input",
  provenance: "isonorm.provenance",
  statistics: "isonorm.statistics",
} as const;

export function describeInMetadata(description: ClassifierDescription): ReadonlyMap<string, string> {
  return new Map([
    [keys.classes, JSON.stringify(description.classes)],
    [keys.input, JSON.stringify(description.input)],
    [keys.provenance, JSON.stringify(description.provenance)],
    [keys.statistics, JSON.stringify(description.statistics)],
  ]);
}

/** Throws ISO_MODEL_UNSUITABLE where the model was not exported by isonorm or its metadata was damaged. */
export function readDescription(model: Model): ClassifierDescription {
  const parse = <T>(key: string, schema: z.ZodType<T>): T => {
    const text = model.metadata.get(key);
    try {
      if (text === undefined) throw new Error("it is missing");
      return schema.parse(JSON.parse(text));
    } catch (cause) {
      const reason = text === undefined ? "is missing" : "cannot be read";
      throw new IsonormError(
        "ISO_MODEL_UNSUITABLE",
        `the model's metadata entry ${key}, which isonorm writes into every classifier, ${reason}`,
        "Use a model.onnx from a run folder",
        { cause },
      );
    }
  };
  return {
    classes: parse(keys.classes, z.array(z.string())),
    input: parse(keys.input, inputDescription),
    provenance: parse(keys.provenance, provenance),
    statistics: parse(keys.statistics, statistics),
  };
}
