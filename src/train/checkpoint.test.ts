import { describe, expect, it } from "vitest";
import type { Tensor } from "../onnx/types.js";
import { encodeSafetensors } from "../safetensors/index.js";
import { type Checkpoint, decodeCheckpoint, type EpochRecord, encodeCheckpoint, freshProgress } from "./index.js";

const tensor = (shape: readonly number[], ...values: number[]): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(values),
});

const epoch: EpochRecord = {
  epoch: 1,
  step: 20,
  elr: 2 ** -8.5,
  trainLoss: 0.1 + 0.2,
  trainAccuracy: 0.9,
  validationLoss: 1 / 3,
  validationAccuracy: 0.875,
  validationMacroF1: 0.87,
  examplesPerSecond: 1234.5,
  seconds: 0.25,
  skipped: 0,
};

const checkpoint: Checkpoint = {
  progress: {
    ...freshProgress("digest"),
    step: 27,
    epoch: { loss: 12.5, correct: 200, examples: 224, skipped: 1, seconds: 0.1 },
    history: [epoch],
    best: { epoch: 1, validationLoss: 1 / 3, validationAccuracy: 0.875 },
  },
  state: new Map([
    ["w", tensor([2, 2], 1, -0, 1e-45, 3.4e38)],
    ["w#momentum", tensor([2, 2], 0, 0, 0, 0)],
    ["w#norm0", tensor([], 2)],
    ["empty", tensor([0, 3])],
  ]),
  best: new Map([["w", tensor([2, 2], 4, 3, 2, 1)]]),
};

describe("a checkpoint read back", () => {
  it("is what was written, bit for bit", () => {
    const back = decodeCheckpoint(encodeCheckpoint(checkpoint));
    expect(back).toEqual(checkpoint);
    expect(Object.is((back.state.get("w")!.data as Float32Array)[1], -0)).toBe(true);
  });

  it("keeps the losses of a diverging run, which JSON has no words for", () => {
    const history = [
      { ...epoch, trainLoss: Number.NaN, validationLoss: Number.POSITIVE_INFINITY },
      { ...epoch, trainLoss: Number.NEGATIVE_INFINITY, validationAccuracy: Number.NaN },
    ];
    const progress = {
      ...checkpoint.progress,
      history,
      epoch: { ...checkpoint.progress.epoch, loss: Number.NaN },
      best: null,
    };
    expect(decodeCheckpoint(encodeCheckpoint({ ...checkpoint, progress })).progress).toEqual(progress);
  });

  it("has no best tensors where none were written", () => {
    const without = { ...checkpoint, best: new Map() };
    expect(decodeCheckpoint(encodeCheckpoint(without)).best.size).toBe(0);
  });
});

describe("refused as no checkpoint", () => {
  const refused = (bytes: Uint8Array) =>
    expect(() => decodeCheckpoint(bytes)).toThrow(expect.objectContaining({ code: "ISO_CHECKPOINT_MALFORMED" }));

  it("a file cut off anywhere", () => {
    const bytes = encodeCheckpoint(checkpoint);
    for (const length of [0, 7, 8, 100, bytes.length - 1]) refused(bytes.subarray(0, length));
  });

  it.each<[string, Record<string, string>]>([
    ["tensors of another program", {}],
    ["progress that is no JSON", { isonorm: "{" }],
    ["progress of another version", { isonorm: JSON.stringify({ ...checkpoint.progress, format: 2 }) }],
    ["progress with a negative step", { isonorm: JSON.stringify({ ...checkpoint.progress, step: -1 }) }],
    ["progress with a history that is none", { isonorm: JSON.stringify({ ...checkpoint.progress, history: [{}] }) }],
  ])("%s", (_, metadata) => {
    refused(encodeSafetensors(checkpoint.state, metadata));
  });
});
