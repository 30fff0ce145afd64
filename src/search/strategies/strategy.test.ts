import { describe, expect, it } from "vitest";
import { Random } from "../../data/core.js";
import { defaultSpace } from "../space.js";
import { sampleStudy } from "../storage/conformance.js";
import { MemoryStorage } from "../storage/index.js";
import type { Trial } from "../study.js";
import { complete, ended, landscape, simulate } from "../testing/simulate.js";
import { nextStep, openStrategy, type Strategy } from "./index.js";

const base = { scale: 8, momentum: 0.9, batchSize: 64, labelSmoothing: 0, lr: 0.05 };
const problem = { space: defaultSpace(base), seed: 3, epochs: 10, steps: 4000, validationExamples: 2000 };
const { train } = landscape({});
const code = (expected: string) => expect.objectContaining({ code: expected });

/** Drives a search through a storage, that many trials at once, ending them in random order, and forgetting all it knew at random. */
async function driveDisturbed(
  strategy: () => Strategy,
  jobs: number,
  disturbance: Random,
): Promise<{ trials: Trial[]; chosen: number | undefined }> {
  const storage = new MemoryStorage();
  await storage.createStudy(sampleStudy);
  for (let now = 1; ; now++) {
    const step = nextStep(strategy(), await storage.trials("flowers"));
    if (step.kind === "done") return { trials: await storage.trials("flowers"), chosen: step.outcome.chosen };
    if (step.kind === "run")
      await storage.addTrials("flowers", disturbance.uniform() < 0.3 ? step.trials.slice(0, 1) : step.trials);
    const claims: Trial[] = [];
    for (let job = 0; job < jobs; job++)
      claims.push(...[await storage.claimTrial("flowers", `w${job}`, now)].flatMap((trial) => trial ?? []));
    for (const claim of disturbance.shuffle(claims))
      if (disturbance.uniform() < 0.7) await storage.endTrial(claim, train(claim.candidate, claim.seed), now);
    await storage.loseTrials("flowers", Number.POSITIVE_INFINITY);
  }
}

describe("a strategy", () => {
  it.each([
    ["bracket", {}],
    ["grid", { points: { elr: 7 } }],
    ["random", { points: 7 }],
  ])(
    "%s asks for the same trials however many run at once, in whatever order they end, and wherever the search is killed",
    async (name, settings) => {
      const strategy = () => openStrategy(name, problem, settings);
      const kept = ({ trials, chosen }: Awaited<ReturnType<typeof driveDisturbed>>) => ({
        chosen,
        trials: trials.map(({ number, candidate, seed, state, result }) => ({
          number,
          candidate,
          seed,
          state,
          result,
        })),
      });
      const calm = kept(await driveDisturbed(strategy, 1, new Random(0)));
      for (const [jobs, seed] of [
        [1, 1],
        [2, 2],
        [5, 3],
      ] as const)
        expect(kept(await driveDisturbed(strategy, jobs, new Random(seed)))).toEqual(calm);
    },
  );

  it("waits while a round runs, and asks for what is missing from it", () => {
    const strategy = openStrategy("bracket", problem);
    const first = nextStep(strategy, []);
    if (first.kind !== "run") throw new Error("expected a round");
    expect(first.trials.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4]);
    const trials = first.trials.map(({ number, candidate }) => ended(number, candidate, train(candidate, number)));
    const running = trials.map(
      (trial, i): Trial => (i === 2 ? { ...trial, state: "running", result: undefined } : trial),
    );
    expect(nextStep(strategy, running).kind).toBe("wait");
    const partly = nextStep(strategy, [trials[0]!, trials[3]!]);
    expect(partly.kind === "run" && partly.trials.map(({ number }) => number)).toEqual([1, 2, 4]);
    expect(nextStep(strategy, trials)).toMatchObject({ kind: "run", round: 1 });
  });

  it("refuses stored trials that are not its own", () => {
    const strategy = openStrategy("bracket", problem);
    const foreign = ended(2, { elr: 0.5, fraction: 1 / 8, replicate: 0 }, complete({ loss: 1 }, 1 / 8));
    expect(() => nextStep(strategy, [foreign])).toThrow(code("ISO_RESUME_MISMATCH"));
  });

  it.each([
    ["an unknown strategy", "annealing", {}],
    ["an unknown setting", "bracket", { budgets: 3 }],
    ["a budget of 0", "bracket", { budget: 0 }],
    ["a grid without points", "grid", { points: { elr: 0 } }],
  ])("refuses %s", (_, name, settings) => {
    expect(() => openStrategy(name, problem, settings)).toThrow(code("ISO_ARGUMENT"));
  });

  it("refuses budgets that its points exceed", () => {
    expect(() => openStrategy("grid", problem, { budget: 14 })).toThrow(code("ISO_BUDGET_TOO_SMALL"));
    expect(() => openStrategy("random", problem, { budget: 2, points: 3 })).toThrow(code("ISO_BUDGET_TOO_SMALL"));
  });
});

describe("grid", () => {
  it("has 15 ELRs from end to end of the range, in full, and takes the best", () => {
    const { trials, chosen, cost } = simulate(
      openStrategy("grid", { ...problem, choose: "loss" }),
      landscape({ noise: 0 }).train,
    );
    const places = trials.map(({ candidate }) => Math.log2(candidate.elr));
    for (const [i, place] of places.entries()) expect(place).toBeCloseTo(-15.5 + i, 10);
    expect(Math.log2(chosen!.candidate.elr)).toBeCloseTo(-8.5, 10);
    expect(cost).toBe(15);
  });

  it("crosses all parameters", () => {
    const space = defaultSpace(base, ["scale", "labelSmoothing"]);
    const { trials } = simulate(
      openStrategy("grid", { ...problem, space }, { points: { elr: 2, scale: 3, labelSmoothing: 2 } }),
      train,
    );
    expect(trials).toHaveLength(12);
    expect(new Set(trials.map(({ candidate }) => JSON.stringify(candidate))).size).toBe(12);
  });

  it("shows the response curve, and when all diverge says so", () => {
    const { outcome } = simulate(openStrategy("grid", problem), landscape({ noise: 0.005 }).train);
    // a full training's curve of `landscape` has its optimum at the default
    expect(Math.abs(outcome.rungs[0]!.fit.optimum.mean + 8.5)).toBeLessThan(0.3);
    const none = simulate(openStrategy("grid", problem), () => ({ state: "diverged", cost: 0.1 }));
    expect(none.outcome).toMatchObject({ end: "all-diverged", chosen: undefined, rungs: [] });
  });
});

describe("random", () => {
  it("spreads points evenly over the whole range, others for another seed", () => {
    const places = (seed: number) =>
      simulate(openStrategy("random", { ...problem, seed }, { points: 14 }), train).trials.map(({ candidate }) =>
        Math.log2(candidate.elr),
      );
    // of 16 scrambled Sobol points each sixteenth of the range has one; 14 of them leave at most two empty
    const cells = new Set(places(1).map((place) => Math.floor(((place + 15.5) / 14) * 16)));
    expect(cells.size).toBe(14);
    expect(places(1)).not.toEqual(places(2));
  });

  it("spends its budget", () => {
    expect(simulate(openStrategy("random", problem, { budget: 4, fraction: 0.5 }), train).trials).toHaveLength(8);
  });
});
