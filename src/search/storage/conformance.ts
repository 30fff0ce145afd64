import assert from "node:assert/strict";
import type { Candidate } from "../space.js";
import { type Ending, type EpochMetrics, type Study, trialSeed } from "../study.js";
import type { Claim, StudyStorage } from "./storage.js";

/** The test runner's functions, for instance vitest's or node:test's. */
export interface TestRunner {
  describe(name: string, suite: () => void): unknown;
  it(name: string, test: () => Promise<void>): unknown;
}

/** A fresh, empty store for one test. */
export interface StoreUnderTest {
  /** Another connection to the same store; for a backend of one process, the same object. */
  connect(): Promise<StudyStorage>;
  /** Called at the test's end, when all connections are closed. */
  dispose(): Promise<void>;
}

export const sampleStudy: Study = {
  id: "flowers",
  seed: 7,
  space: { elr: { low: 2 ** -15, base: 2 ** -8.5, high: 2 ** -2 } },
  strategy: { name: "bracket", settings: { budget: 3 } },
  settings: { model: "resnet20", epochs: 10, nested: { list: [1, 2.5, null, "x"], yes: true } },
  dataHash: "0f".repeat(32),
  versions: { isonorm: "0.1.0" },
  createdAt: 1_760_000_000_000.25,
};

export const sampleEnding: Ending = {
  state: "complete",
  result: {
    validation: { loss: 0.1 + 0.2, accuracy: 1 / 3, macroF1: 5e-324 },
    steps: 2 ** 40,
    examplesPerSecond: 1e21 / 3,
    cost: 1 / 8,
  },
};

const epoch = (steps: number, trainLoss = 1 / steps): EpochMetrics => ({
  epoch: steps / 100,
  steps,
  trainLoss,
  trainAccuracy: 0.5,
  validation: { loss: 0.7, accuracy: 0.6, macroF1: 0.55 },
});

const candidates = (count: number): { number: number; candidate: Candidate }[] =>
  Array.from({ length: count }, (_, number) => ({
    number,
    candidate: { elr: 2 ** (-9.3 - number), scale: 7.9, fraction: 1 / 8, replicate: 0 },
  }));

const hasCode = (code: string) => (error: unknown) => (error as { code?: string }).code === code;

/**
 * Tests a backend against the contract in `storage.ts`.
 *
 * @example
 * import { describe, it } from "vitest";
 * storageConformance("memory", async () => {
 *   const storage = new MemoryStorage();
 *   return { connect: async () => storage, dispose: async () => {} };
 * }, { describe, it });
 */
export function storageConformance(
  name: string,
  open: () => Promise<StoreUnderTest>,
  { describe, it }: TestRunner,
): void {
  /** A test with a study of that many trials and two connections. */
  const test = (what: string, trials: number, body: (one: StudyStorage, two: StudyStorage) => Promise<void>): void => {
    it(what, async () => {
      const store = await open();
      const [one, two] = [await store.connect(), await store.connect()];
      try {
        await one.createStudy(sampleStudy);
        await one.addTrials("flowers", candidates(trials));
        await body(one, two);
      } finally {
        await one.close();
        await two.close();
        await store.dispose();
      }
    });
  };

  describe(`${name} keeps the contract of StudyStorage`, () => {
    test("a study reads back as it was written, through every connection", 0, async (one, two) => {
      assert.deepEqual(await one.study("flowers"), sampleStudy);
      assert.deepEqual(await two.studies(), [sampleStudy]);
    });

    test("studies are listed oldest first", 0, async (one) => {
      await one.createStudy({ ...sampleStudy, id: "older", createdAt: 1 });
      assert.deepEqual(
        (await one.studies()).map(({ id }) => id),
        ["older", "flowers"],
      );
    });

    test("adding the same study again changes nothing, another of its name is refused", 1, async (one, two) => {
      await two.createStudy(structuredClone(sampleStudy));
      await assert.rejects(two.createStudy({ ...sampleStudy, seed: 8 }), hasCode("ISO_RESUME_MISMATCH"));
      assert.equal((await one.study("flowers")).seed, 7);
      assert.equal((await one.trials("flowers")).length, 1);
    });

    test("what is not there is reported as missing", 1, async (one) => {
      const claim = { studyId: "flowers", number: 9, attempt: 1 };
      const calls = [
        () => one.study("trees"),
        () => one.trials("trees"),
        () => one.addTrials("trees", candidates(1)),
        () => one.claimTrial("trees", "w", 1),
        () => one.loseTrials("trees", 1),
        () => one.epochs("flowers", 9),
        () => one.heartbeat(claim, 1),
        () => one.recordEpoch(claim, epoch(1)),
        () => one.endTrial(claim, sampleEnding, 1),
      ];
      for (const call of calls) await assert.rejects(call(), hasCode("ISO_STUDY_MISSING"));
    });

    test("new trials wait, with seeds that depend on study and number alone", 3, async (_, two) => {
      const trials = await two.trials("flowers");
      assert.deepEqual(
        trials.map(({ number, state, attempt }) => [number, state, attempt]),
        [0, 1, 2].map((n) => [n, "waiting", 0]),
      );
      assert.deepEqual(
        trials.map(({ candidate }) => candidate),
        candidates(3).map(({ candidate }) => candidate),
      );
      assert.deepEqual(
        trials.map(({ seed }) => seed),
        [0, 1, 2].map((n) => trialSeed(7, n)),
      );
    });

    test("trials are added once, all of them or none", 2, async (one) => {
      const claim = (await one.claimTrial("flowers", "w", 10))!;
      await one.addTrials("flowers", candidates(3));
      assert.equal((await one.trials("flowers"))[0]!.attempt, claim.attempt);
      const changed = [
        { number: 5, candidate: candidates(1)[0]!.candidate },
        { number: 1, candidate: { ...candidates(2)[1]!.candidate, elr: 1 } },
      ];
      await assert.rejects(one.addTrials("flowers", changed), hasCode("ISO_RESUME_MISMATCH"));
      assert.deepEqual(
        (await one.trials("flowers")).map(({ number }) => number),
        [0, 1, 2],
      );
    });

    test("workers get different trials, lowest number first, then nothing", 2, async (one, two) => {
      const first = (await one.claimTrial("flowers", "a", 10))!;
      const second = (await two.claimTrial("flowers", "b", 11))!;
      assert.deepEqual([first.number, first.worker, first.attempt, first.state], [0, "a", 1, "running"]);
      assert.deepEqual([second.number, second.worker, second.startedAt, second.heartbeatAt], [1, "b", 11, 11]);
      assert.equal(await one.claimTrial("flowers", "c", 12), undefined);
    });

    test("of many claims at once each gets its own trial", 8, async (one, two) => {
      const claims = await Promise.all(
        Array.from({ length: 12 }, (_, i) => [one, two][i % 2]!.claimTrial("flowers", `w${i}`, i)),
      );
      const numbers = claims.flatMap((trial) => (trial ? [trial.number] : []));
      assert.deepEqual(
        numbers.sort((a, b) => a - b),
        [0, 1, 2, 3, 4, 5, 6, 7],
      );
    });

    test("a result is kept to the last bit, and its trial is over", 1, async (one, two) => {
      const claim = (await one.claimTrial("flowers", "w", 10))!;
      assert.equal(await one.endTrial(claim, sampleEnding, 20.5), true);
      const [trial] = await two.trials("flowers");
      assert.equal(trial!.state, "complete");
      assert.deepEqual(trial!.result, sampleEnding.state === "complete" && sampleEnding.result);
      assert.deepEqual([trial!.cost, trial!.startedAt, trial!.endedAt], [1 / 8, 10, 20.5]);
      assert.equal(await two.claimTrial("flowers", "v", 30), undefined);
    });

    test("failed, diverged and pruned trials keep why and what they cost", 3, async (one, two) => {
      const endings: Ending[] = [
        { state: "failed", cost: 0.01, error: { code: "ISO_DATA_FORMAT", message: "row 3" } },
        { state: "diverged", cost: 0.02 },
        { state: "pruned", cost: 0.03 },
      ];
      for (const ending of endings) await one.endTrial((await one.claimTrial("flowers", "w", 1))!, ending, 2);
      const trials = await two.trials("flowers");
      assert.deepEqual(
        trials.map(({ state, cost }) => [state, cost]),
        endings.map(({ state }, i) => [state, (i + 1) / 100]),
      );
      assert.deepEqual(trials[0]!.error, { code: "ISO_DATA_FORMAT", message: "row 3" });
    });

    test("a trial ends once: the same call again is confirmed, any other refused", 1, async (one, two) => {
      const claim = (await one.claimTrial("flowers", "w", 1))!;
      await one.endTrial(claim, sampleEnding, 2);
      const before = await one.trials("flowers");
      assert.equal(await two.endTrial(claim, sampleEnding, 2), true);
      assert.equal(await two.endTrial(claim, { state: "diverged", cost: 0.1 }, 2), false);
      assert.equal(await two.endTrial(claim, sampleEnding, 3), false);
      assert.equal(await two.heartbeat(claim, 4), false);
      assert.equal(await two.recordEpoch(claim, epoch(100)), false);
      assert.deepEqual(await one.trials("flowers"), before);
    });

    test("of two endings at once one is kept", 1, async (one, two) => {
      const claim = (await one.claimTrial("flowers", "w", 1))!;
      const kept = await Promise.all([
        one.endTrial(claim, sampleEnding, 2),
        two.endTrial(claim, { state: "pruned", cost: 1 }, 2),
      ]);
      assert.deepEqual(kept.filter(Boolean).length, 1);
      assert.equal((await one.trials("flowers"))[0]!.state, kept[0] ? "complete" : "pruned");
    });

    test("trials without a sign of life are lost, and come back to the next worker", 2, async (one, two) => {
      const silent = (await one.claimTrial("flowers", "a", 10))!;
      const lively = (await one.claimTrial("flowers", "b", 10))!;
      assert.equal(await one.heartbeat(lively, 50), true);
      const lost = await two.loseTrials("flowers", 40);
      assert.deepEqual(
        lost.map(({ number, state }) => [number, state]),
        [[silent.number, "lost"]],
      );
      const again = (await two.claimTrial("flowers", "c", 60))!;
      assert.deepEqual([again.number, again.attempt, again.startedAt, again.seed], [silent.number, 2, 10, silent.seed]);
      assert.deepEqual(
        (await one.loseTrials("flowers", Number.POSITIVE_INFINITY)).map(({ number }) => number),
        [0, 1],
      );
    });

    test("a stale attempt cannot report, record or end", 1, async (one, two) => {
      const stale: Claim = (await one.claimTrial("flowers", "a", 1))!;
      await two.loseTrials("flowers", Number.POSITIVE_INFINITY);
      for (const present of [false, true]) {
        const successor = present ? await two.claimTrial("flowers", "b", 2) : undefined;
        const before = await two.trials("flowers");
        assert.equal(await one.heartbeat(stale, 3, { done: 9, kept: 9 }), false);
        assert.equal(await one.recordEpoch(stale, epoch(100)), false);
        assert.equal(await one.endTrial(stale, sampleEnding, 3), false);
        assert.deepEqual(await two.trials("flowers"), before);
        assert.deepEqual(await two.epochs("flowers", 0), []);
        if (successor) assert.equal(await two.endTrial(successor, sampleEnding, 4), true);
      }
    });

    test("work beyond the last checkpoint is charged as wasted when a trial is lost", 1, async (one) => {
      const claim = (await one.claimTrial("flowers", "a", 1))!;
      await one.heartbeat(claim, 2, { done: 0.75, kept: 0.5 });
      await one.loseTrials("flowers", 3);
      const second = (await one.claimTrial("flowers", "b", 4))!;
      assert.deepEqual([second.done, second.kept, second.wasted], [0.5, 0.5, 0.25]);
      await one.heartbeat(second, 5, { done: 0.625, kept: 0.5 });
      await one.loseTrials("flowers", 6);
      const third = (await one.claimTrial("flowers", "c", 7))!;
      await one.endTrial(third, sampleEnding, 8);
      const [trial] = await one.trials("flowers");
      assert.deepEqual([trial!.wasted, trial!.cost], [0.375, 1 / 8]);
    });

    test("a learning curve is kept by steps; a repeated epoch replaces its first record", 2, async (one, two) => {
      const claim = (await one.claimTrial("flowers", "a", 1))!;
      for (const steps of [200, 100, 300]) await one.recordEpoch(claim, epoch(steps));
      assert.equal(await two.recordEpoch(claim, epoch(200, 0.125)), true);
      assert.deepEqual(await two.epochs("flowers", 0), [epoch(100), epoch(200, 0.125), epoch(300)]);
      assert.deepEqual(await two.epochs("flowers", 1), []);
    });

    test("numbers that are not finite are refused, and nothing changes", 1, async (one) => {
      const claim = (await one.claimTrial("flowers", "a", 1))!;
      assert.ok(sampleEnding.state === "complete");
      const { result } = sampleEnding;
      const broken: Ending = {
        state: "complete",
        result: { ...result, validation: { ...result.validation, loss: Number.NaN } },
      };
      await assert.rejects(one.endTrial(claim, broken, 2), hasCode("ISO_INTERNAL"));
      await assert.rejects(one.recordEpoch(claim, epoch(100, Number.POSITIVE_INFINITY)), hasCode("ISO_INTERNAL"));
      assert.equal(await one.endTrial(claim, sampleEnding, 3), true);
    });

    test("what is returned belongs to the caller", 1, async (one) => {
      const [trial] = await one.trials("flowers");
      trial!.candidate.elr = 99;
      (await one.study("flowers")).versions.isonorm = "changed";
      assert.deepEqual((await one.trials("flowers"))[0]!.candidate, candidates(1)[0]!.candidate);
      assert.deepEqual(await one.study("flowers"), sampleStudy);
    });
  });
}
