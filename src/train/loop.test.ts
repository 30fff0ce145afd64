import { describe, expect, it } from "vitest";
import type { Tensor } from "../onnx/types.js";
import { constant, linear } from "../optim/index.js";
import {
  type Checkpoint,
  type CompiledStep,
  type EpochRecord,
  freshProgress,
  type StepRunner,
  type TrainingHooks,
  type TrainingPlan,
  train,
} from "./index.js";

const scalar = (value: number): Tensor => ({ dtype: "float32", shape: [], data: Float32Array.of(value) });

/** What the fake validation says after an epoch: accuracy, loss. */
type Score = readonly [accuracy: number, loss: number];

interface Fake {
  readonly scores: readonly Score[];
  readonly stepsPerEpoch?: number;
  readonly totalSteps?: number;
  /** Steps whose results are not finite. */
  readonly bad?: (step: number) => boolean;
  readonly plan?: Partial<TrainingPlan>;
  readonly hooks?: TrainingHooks;
  readonly from?: Checkpoint;
}

/** A training whose only weight counts its good steps; batches of 4 of which 3 are right, with loss 0.5. */
async function run({ scores, stepsPerEpoch = 3, bad = () => false, from, ...rest }: Fake) {
  const totalSteps = rest.totalSteps ?? scores.length * stepsPerEpoch;
  let weight = from ? (from.state.get("w")!.data as Float32Array)[0]! : 0;
  const seen: { elr: number; lr: number; batch: readonly [number, number] }[] = [];
  let drawn: readonly [number, number] = [0, 0];
  const step = {
    state: [
      { name: "w", role: "weight", weight: "w", updated: true, initial: scalar(0) },
      { name: "w#momentum", role: "slot", weight: "w", updated: true, initial: scalar(0) },
      { name: "mean", role: "statistic", weight: "mean", updated: true, initial: scalar(0) },
    ],
    scalars: (index: number) => ({ index }),
    masks: () => ({}),
  } as unknown as CompiledStep;
  const state = () =>
    new Map([
      ["w", scalar(weight)],
      ["w#momentum", scalar(-weight)],
      ["mean", scalar(10 * weight)],
    ]);
  const runner = {
    run: async (_records: unknown, _targets: unknown, scalars: Record<string, number>) => {
      seen.push({ elr: scalars.elr!, lr: scalars.lr!, batch: drawn });
      const finite = !bad(scalars.index!);
      if (finite) weight++;
      return { loss: finite ? 0.5 : Number.NaN, correct: 3, finite };
    },
    snapshot: state,
    present: state,
  } as unknown as StepRunner;
  let validations = from?.progress.history.length ?? 0;
  const evaluated: unknown[] = [];
  const evaluator = {
    evaluate: async (_: unknown, tensors: ReadonlyMap<string, Tensor>) => {
      evaluated.push([...tensors.keys()]);
      const [accuracy, loss] = scores[validations++]!;
      return { accuracy, loss: Number.isFinite(loss) ? loss : null, macro: { f1: accuracy } };
    },
  } as unknown as TrainingPlan["evaluator"];
  const saved: Checkpoint[] = [];
  const epochs: EpochRecord[] = [];
  const batches = {
    batchSize: 4,
    batchesPerEpoch: stepsPerEpoch,
    warnings: [],
    batch: (epoch: number, index: number) => {
      drawn = [epoch, index];
      return { records: new Float32Array(4), targets: new Float32Array(8), count: 4 };
    },
  };
  const plan: TrainingPlan = {
    step,
    runner,
    evaluator,
    batches,
    validation: {} as TrainingPlan["validation"],
    totalSteps,
    stepsPerEpoch,
    schedule: constant,
    elr: 0.5,
    lr: 0.1,
    keep: "last",
    patience: undefined,
    digest: "digest",
    ...rest.plan,
  };
  const outcome = await train(
    plan,
    from ? { progress: from.progress, best: from.best } : { progress: freshProgress("digest"), best: new Map() },
    {
      save: (checkpoint) => void saved.push(checkpoint),
      onEpoch: (record) => void epochs.push(record),
      ...rest.hooks,
    },
  );
  const kept = (outcome.kept.get("w")!.data as Float32Array)[0];
  return { outcome, kept, saved, epochs, seen, evaluated };
}

const rising: readonly Score[] = [
  [0.5, 1],
  [0.6, 0.9],
  [0.7, 0.8],
];

describe("epochs", () => {
  it("end with a validation, a checkpoint and then the news of it", async () => {
    const order: string[] = [];
    const { outcome, epochs, evaluated } = await run({
      scores: rising,
      hooks: {
        onStep: ({ step }) => order.push(`step ${step}`),
        save: ({ progress }) => void order.push(`save ${progress.step}`),
        onEpoch: ({ epoch }) => order.push(`epoch ${epoch}`),
      },
    });
    expect(epochs).toEqual([]);
    expect(order.slice(0, 6)).toEqual(["step 1", "step 2", "step 3", "save 3", "epoch 1", "step 4"]);
    expect(outcome).toMatchObject({ status: "done", keptEpoch: 3 });
    expect(outcome.progress.history.map(({ validationAccuracy }) => validationAccuracy)).toEqual([0.5, 0.6, 0.7]);
    // Weights and statistics are evaluated, the optimizer's memory is not.
    expect(evaluated[0]).toEqual(["w", "mean"]);
  });

  it("report the mean loss and accuracy of their own batches, and the rate of their last step", async () => {
    const { epochs, seen } = await run({ scores: rising, plan: { schedule: linear } });
    expect(epochs[1]).toMatchObject({ epoch: 2, step: 6, trainLoss: 0.5, trainAccuracy: 0.75, skipped: 0 });
    expect(epochs[1]!.elr).toBeCloseTo(0.5 * (1 - 5 / 9), 12);
    expect(seen.map(({ elr }) => elr / 0.5)).toEqual(seen.map(({ lr }) => expect.closeTo(lr / 0.1, 12)));
    expect(seen.map(({ batch }) => batch)).toEqual(
      [0, 1, 2].flatMap((epoch) => [0, 1, 2].map((index) => [epoch, index])),
    );
  });

  it("may be cut short: the last, partial one is validated too", async () => {
    const { outcome, epochs } = await run({ scores: rising, totalSteps: 7 });
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 7 / 3]);
    expect(outcome.keptEpoch).toBeCloseTo(7 / 3, 12);
  });
});

describe("keep", () => {
  const uneven: readonly Score[] = [
    [0.6, 1],
    [0.8, 0.9],
    [0.8, 0.7],
    [0.8, 0.8],
    [0.7, 0.1],
  ];

  it("best: the highest accuracy, where equal the lowest loss", async () => {
    const { outcome, kept, saved } = await run({ scores: uneven, plan: { keep: "best" } });
    expect(outcome).toMatchObject({ keptEpoch: 3, progress: { best: { epoch: 3, validationLoss: 0.7 } } });
    expect(kept).toBe(9);
    expect([...outcome.kept.keys()]).toEqual(["w", "mean"]);
    expect(saved.map(({ best }) => (best.get("w")!.data as Float32Array)[0])).toEqual([3, 6, 9, 9, 9]);
  });

  it("last: the last epoch's, whatever it is worth", async () => {
    const { outcome, kept, saved } = await run({ scores: uneven });
    expect([outcome.keptEpoch, kept, outcome.progress.best]).toEqual([5, 15, null]);
    expect(saved.every(({ best }) => best.size === 0)).toBe(true);
  });

  it("best never takes an epoch whose loss is not finite", async () => {
    const scores: readonly Score[] = [
      [0.2, 3],
      [0.9, Number.NaN],
    ];
    expect(await run({ scores, plan: { keep: "best" } })).toMatchObject({ kept: 3, outcome: { keptEpoch: 1 } });
    const never: readonly Score[] = [[0.9, Number.NaN]];
    expect(await run({ scores: never, plan: { keep: "best" } })).toMatchObject({ kept: 3, outcome: { keptEpoch: 1 } });
  });
});

describe("patience", () => {
  it("ends a training whose accuracy and loss both stand still", async () => {
    const scores: readonly Score[] = [
      [0.5, 1],
      [0.4, 0.9],
      [0.5, 0.95],
      [0.3, 1.2],
      [0.9, 0.1],
    ];
    // The second epoch gained in loss; then two without gain.
    const { outcome } = await run({ scores, plan: { patience: 2 } });
    expect(outcome.status).toBe("stopped early");
    expect(outcome.progress.history).toHaveLength(4);
  });

  it("does not end one that gains in the end, nor one that is complete", async () => {
    expect((await run({ scores: rising, plan: { patience: 1 } })).outcome.status).toBe("done");
    const flat: readonly Score[] = [
      [0.5, 1],
      [0.5, 1],
    ];
    expect((await run({ scores: flat, plan: { patience: 1 } })).outcome.status).toBe("done");
  });
});

describe("steps that are not finite", () => {
  it("are left out of the means and counted", async () => {
    const { outcome, epochs, kept } = await run({ scores: rising, bad: (step) => step === 1 || step === 5 });
    expect(outcome.status).toBe("done");
    expect(epochs.map(({ skipped }) => skipped)).toEqual([1, 1, 0]);
    expect(epochs[0]).toMatchObject({ trainLoss: 0.5, trainAccuracy: 0.75 });
    expect(kept).toBe(7);
  });

  it("end the run as diverged after ten in a row, in the middle of an epoch, with a validation of what is left", async () => {
    const { outcome, epochs, seen, kept, saved } = await run({
      scores: [[0.4, 2]],
      stepsPerEpoch: 100,
      bad: (step) => step >= 7,
    });
    expect(outcome.status).toBe("diverged");
    expect(seen).toHaveLength(17);
    expect(epochs).toHaveLength(1);
    expect(epochs[0]).toMatchObject({ step: 17, skipped: 10, trainLoss: 0.5 });
    expect(kept).toBe(7);
    expect(saved.at(-1)!.progress.skippedInARow).toBe(10);
  });

  it("do not end it while a good one comes in between", async () => {
    const { outcome, epochs } = await run({
      scores: [[0.4, 2]],
      stepsPerEpoch: 100,
      bad: (step) => step % 10 !== 9,
    });
    expect(outcome.status).toBe("done");
    expect(epochs[0]!.skipped).toBe(90);
  });

  it("all of them leave the epoch's means undefined", async () => {
    const { outcome, epochs } = await run({ scores: [[0.1, 5]], stepsPerEpoch: 5, bad: () => true });
    expect(outcome.status).toBe("done");
    expect(epochs[0]).toMatchObject({ trainLoss: Number.NaN, trainAccuracy: Number.NaN, skipped: 5 });
  });

  it("still count after a resumption", async () => {
    const first = await run({
      scores: [[0.4, 2]],
      stepsPerEpoch: 100,
      bad: (step) => step >= 3,
      hooks: { stopRequested: stopAfter(9), save: undefined },
    });
    expect(first.outcome.progress.skippedInARow).toBe(6);
    const from: Checkpoint = {
      progress: first.outcome.progress,
      state: new Map([["w", scalar(first.kept!)]]),
      best: new Map(),
    };
    const second = await run({ scores: [[0.4, 2]], stepsPerEpoch: 100, bad: (step) => step >= 3, from });
    expect([second.outcome.status, second.seen.length]).toEqual(["diverged", 4]);
  });
});

/** Answers that many times that nothing was asked for. */
function stopAfter(steps: number): () => boolean {
  let asked = 0;
  return () => asked++ >= steps;
}

describe("a request between steps", () => {
  it("to stop saves a checkpoint from which the rest of the run follows", async () => {
    const first = await run({ scores: rising, hooks: { stopRequested: stopAfter(4) } });
    expect(first.outcome).toMatchObject({ status: "interrupted", progress: { step: 4 } });
    const from = first.saved.at(-1)!;
    expect(from.progress).toMatchObject({ step: 4, epoch: { examples: 4, loss: 2, correct: 3 } });
    const second = await run({ scores: rising, from });
    const whole = await run({ scores: rising });
    expect([...first.seen, ...second.seen]).toEqual(whole.seen);
    expect(second.kept).toBe(whole.kept);
    const timeless = ({ history }: { history: readonly EpochRecord[] }) =>
      history.map(({ seconds: _, examplesPerSecond: __, ...rest }) => rest);
    expect(timeless(second.outcome.progress)).toEqual(timeless(whole.outcome.progress));
  });

  it("to stop before the first step saves a checkpoint too", async () => {
    const { outcome, saved, seen } = await run({ scores: rising, hooks: { stopRequested: () => true } });
    expect([outcome.status, seen.length, saved.length]).toEqual(["interrupted", 0, 1]);
  });

  it("to save does so in the middle of an epoch and goes on", async () => {
    const wanted = new Set([2]);
    let step = 0;
    const { outcome, saved } = await run({ scores: rising, hooks: { saveRequested: () => wanted.has(step++) } });
    expect(outcome.status).toBe("done");
    expect(saved.map(({ progress }) => progress.step)).toEqual([2, 3, 6, 9]);
  });

  it("finds nothing left to do in a complete run", async () => {
    const whole = await run({ scores: rising });
    const again = await run({ scores: rising, from: whole.saved.at(-1)! });
    expect([again.outcome.status, again.seen.length, again.saved.length]).toEqual(["done", 0, 0]);
  });
});
