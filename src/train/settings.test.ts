import { describe, expect, it } from "vitest";
import { schedules, warmUp } from "../optim/index.js";
import {
  defaultBatchSize,
  defaultEpochs,
  defaultLabelSmoothing,
  parseTrainSettings,
  resolvedTrainSettings,
  totalSteps,
} from "./index.js";

type Input = Parameters<typeof parseTrainSettings>[0];

describe("defaults", () => {
  it("are the method's", () => {
    expect(parseTrainSettings({})).toEqual({
      model: "auto",
      epochs: "auto",
      batchSize: "auto",
      seed: 0,
      train: "all",
      foldedBatchNorm: "insert",
      pretrainedRate: 1,
      normalize: "auto",
      lr: 0.05,
      headNorm: "tensor",
      headFeatures: "raw",
      fixedNorm: "tensor",
      baseRule: "sgd",
      optimizer: "sgd",
      momentum: 0.9,
      nesterov: false,
      beta2: 0.999,
      weightDecay: 0,
      schedule: "cosine",
      warmup: 0,
      classWeights: "none",
      augmentation: "auto",
      keep: "last",
    });
  });

  it("follow the optimizer: Adam's direction does not grow with the gradient, so its rule is angular", () => {
    expect(parseTrainSettings({ optimizer: "adam" })).toMatchObject({ baseRule: "angular", lr: 0.002 });
    expect(parseTrainSettings({ baseRule: "angular" })).toMatchObject({ lr: 0.05 });
    expect(parseTrainSettings({ optimizer: "adam", elr: 0.1, lr: 0.01 })).toMatchObject({ elr: 0.1, lr: 0.01 });
  });

  it("come back from JSON as they are, as run.json has them", () => {
    const settings = parseTrainSettings({
      elr: 0.01,
      labelSmoothing: 0.1,
      classWeights: { cat: 2 },
      augmentation: { flip: true },
      clip: 1,
      hidden: [8],
    });
    expect(resolvedTrainSettings.parse(JSON.parse(JSON.stringify(settings)))).toEqual(settings);
  });
});

describe("refused", () => {
  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])("an effective learning rate of %s", (elr) => {
    expect(() => parseTrainSettings({ elr })).toThrow(
      expect.objectContaining({ code: "ISO_ELR_INVALID", message: expect.stringContaining(`is ${elr}`) }),
    );
  });

  it.each<[string, unknown]>([
    ["model", ""],
    ["width", 0],
    ["width", 5000],
    ["hidden", []],
    ["hidden.1", [8, -1]],
    ["epochs", 0],
    ["epochs", "many"],
    ["batchSize", 0],
    ["batchSize", 70_000],
    ["seed", -1],
    ["seed", 2 ** 32],
    ["lr", -0.1],
    ["scale", 0],
    ["headNorm", "column"],
    ["headFeatures", "cosine"],
    ["fixedNorm", "row"],
    ["baseRule", "adam"],
    ["optimizer", "lion"],
    ["momentum", 1],
    ["nesterov", 1],
    ["beta2", 1],
    ["weightDecay", -1],
    ["schedule", "step"],
    ["warmup", 1],
    ["clip", 0],
    ["ema", 1],
    ["ema", 0],
    ["labelSmoothing", 1],
    ["classWeights", "some"],
    ["augmentation", "much"],
    ["keep", "first"],
    ["patience", 0],
  ])("%s %j, by its name", (name, value) => {
    const [key, index] = name.split(".");
    expect(() => parseTrainSettings({ [key!]: value } as Input)).toThrow(
      expect.objectContaining({
        code: "ISO_ARGUMENT",
        message: expect.stringMatching(`^setting ${key}\\.?${index ?? ""}`),
      }),
    );
  });

  it("a setting that does not exist", () => {
    expect(() => parseTrainSettings({ learningRate: 1 } as Input)).toThrow(/learningRate/);
  });

  it("weight decay beside the fixed norm, which takes over its effect", () => {
    expect(() => parseTrainSettings({ weightDecay: 1e-4 })).toThrow(
      expect.objectContaining({ code: "ISO_ARGUMENT", message: expect.stringContaining("0.0001") }),
    );
    expect(parseTrainSettings({ weightDecay: 1e-4, fixedNorm: "none" }).weightDecay).toBe(1e-4);
  });
});

describe("steps", () => {
  it("are those of the epochs, of fractions too, and at least one", () => {
    expect(totalSteps(3, 20)).toBe(60);
    expect(totalSteps(0.125, 20)).toBe(3);
    expect(totalSteps(0.001, 20)).toBe(1);
  });

  it("carry the whole schedule, however few they are", () => {
    const schedule = warmUp(0.25, schedules.linear);
    const rates = Array.from({ length: 8 }, (_, step) => schedule(step, 8));
    expect(Math.max(...rates)).toBe(1);
    expect(rates.at(-1)).toBeCloseTo(1 / 6, 12);
  });
});

it("small data gets small batches and more epochs", () => {
  expect([10, 60, 100, 300, 499, 500, 5000, 1e6].map(defaultBatchSize)).toEqual([4, 4, 8, 16, 32, 64, 64, 64]);
  expect([100, 5000, 49_999, 50_000].map(defaultEpochs)).toEqual([40, 20, 20, 10]);
  expect([8, 1000, 27_000].map(defaultLabelSmoothing)).toEqual([
    0.2,
    expect.closeTo(0.045, 12),
    expect.closeTo(0.015, 12),
  ]);
});
