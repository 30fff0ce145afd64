/**
 * Replays searches on the tables' surfaces (`surface.ts`), where a training costs nothing: many seeds of each method.
 *
 *   npx tsx bench/search/replay.ts
 *
 * Writes into .cache/bench-search: `surfaces.json`, from which `replay_optuna.py` goes on, and `replays.json`.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deriveSeed, Random } from "../../src/data/core.js";
import { nextStep, openStrategy, sobol } from "../../src/search/index.js";
import type { Trial } from "../../src/search/study.js";
import { complete, ended } from "../../src/search/testing/simulate.js";
import { drawTraining, makeSurface, type Place, type Row, regretOf, rowSchema, type Surface } from "./surface.js";

/** Seeds of each method. */
export const replays = 200;
/** Trainings that a method without an end of its own may make. */
export const mostTrials = 40;
export const cacheFolder = fileURLToPath(new URL("../../.cache/bench-search/", import.meta.url));

/** A full training of a workload and what its searches know of it; the lengths are those of `networks.ts`, the counts those of its splits. */
export interface Setting {
  readonly workload: string;
  readonly epochs: number;
  readonly steps: number;
  readonly validationExamples: number;
}

const settings: readonly Setting[] = [
  { workload: "digits-mlp", epochs: 40, steps: 40 * 20, validationExamples: 539 },
  { workload: "fashion-convnet", epochs: 6, steps: 6 * 94, validationExamples: 4000 },
  { workload: "fashion-convnet", epochs: 18, steps: 18 * 94, validationExamples: 4000 },
];

/** The surfaces of one full training. */
export interface Surfaces extends Setting {
  /** Over the ELR: at full length, and at an eighth of it. */
  readonly elr: Surface;
  readonly low: Surface;
  /** Over learning rate and weight decay at full length, where the table has it. */
  readonly plain: Surface | undefined;
}

/**
 * After a training: full trainings paid for so far, and the regret, in units of one seed's noise at the surface's best, of the full training with the best observed validation loss;
 * null before there is one.
 */
export type Step = readonly [cost: number, regret: number | null];

export interface Replay {
  readonly workload: string;
  readonly epochs: number;
  readonly method: string;
  readonly space: "elr" | "plain";
  /** One list of steps for each seed. */
  readonly runs: readonly (readonly Step[])[];
}

/** What a replaying program leaves in the cache. */
export interface ReplayFile {
  /** SHA-256 of the surfaces.json that was searched. */
  readonly surfaces: string;
  readonly replays: readonly Replay[];
}

/** One search of one seed. `rows` is the table that the surfaces are made from. */
type Method = (surfaces: Surfaces, seed: number, rows: readonly Row[]) => Step[];

const inNoise = (surface: Surface, place: Place): number => regretOf(surface, place) / surface.best.noise;

/** log2 of the ELR that a search starts from when it is told nothing. */
export const defaultElr = -8.5;
/** What is often taken for SGD with momentum: learning rate 0.1, weight decay 5e-4. */
export const customary: Place = [Math.log2(0.1), Math.log2(5e-4)];

/**
 * The bracket as the command line runs it, driven as any caller would.
 *
 * @param choose - what the winner is chosen by
 * @param uncertain - each seed searches on surfaces of its own, drawn from those that the table leaves possible
 */
function bracketMethod(choose: "accuracy" | "loss", uncertain = false): Method {
  return (surfaces, seed, rows) => {
    const { epochs, steps, validationExamples } = surfaces;
    const drawn = (length: number): Surface => makeSurface(rows, "elr", length, new Random(seed, "surface", length));
    const full = uncertain ? drawn(epochs) : surfaces.elr;
    const low = uncertain ? drawn(epochs / 8) : surfaces.low;
    const axis = full.axes[0]!;
    const strategy = openStrategy("bracket", {
      space: { elr: { low: 2 ** axis[0]!, base: 2 ** defaultElr, high: 2 ** axis.at(-1)! } },
      seed,
      epochs,
      steps,
      validationExamples,
      choose,
    });
    const trials: Trial[] = [];
    const record: Step[] = [];
    let cost = 0;
    let best: { loss: number; regret: number } | undefined;
    for (;;) {
      const step = nextStep(strategy, trials);
      if (step.kind === "wait") throw new Error("a replayed round cannot be unfinished");
      if (step.kind === "done") {
        const chosen = trials.find(({ number }) => number === step.outcome.chosen);
        return [...record, [cost, chosen ? inNoise(full, [Math.log2(chosen.candidate.elr)]) : null]];
      }
      for (const { number, candidate } of step.trials) {
        const surface = [low, full].find(({ epochs: length }) => Math.abs(length - candidate.fraction * epochs) < 1e-9);
        if (!surface) throw new Error(`the tables have no trainings of ${candidate.fraction * epochs} epochs`);
        const place = [Math.log2(candidate.elr)];
        const training = drawTraining(surface, place, new Random(seed, "bracket", number));
        cost += candidate.fraction;
        // The table does not say when a training diverged, so its whole length is charged.
        const ending = training
          ? complete({ ...training, macroF1: training.accuracy }, candidate.fraction)
          : ({ state: "diverged", cost: candidate.fraction } as const);
        trials.push(ended(number, candidate, ending));
        if (training && surface === full && !(best && best.loss <= training.loss))
          best = { loss: training.loss, regret: inNoise(full, place) };
        record.push([cost, best?.regret ?? null]);
      }
    }
  };
}

/** Trains at the places in turn, in full. */
function inTurn(surface: Surface, places: readonly Place[], name: string, seed: number): Step[] {
  let best: { loss: number; regret: number } | undefined;
  return places.map((place, index): Step => {
    const training = drawTraining(surface, place, new Random(seed, name, index));
    if (training && !(best && best.loss <= training.loss))
      best = { loss: training.loss, regret: inNoise(surface, place) };
    return [index + 1, best?.regret ?? null];
  });
}

/** The place at those shares of the surface's axes. */
const placeAt = ({ axes }: Surface, shares: readonly number[]): Place =>
  axes.map((axis, i) => axis[0]! + (axis.at(-1)! - axis[0]!) * shares[i]!);

function randomRun(surface: Surface, seed: number): Step[] {
  const points = sobol(mostTrials, surface.axes.length, deriveSeed(seed, "random search"));
  return inTurn(
    surface,
    points.map((shares) => placeAt(surface, shares)),
    "random",
    seed,
  );
}

/**
 * A grid of its own for each budget: over two axes the squarest that the budget pays for, the rate the finer one. Its points lie at one share of all cells, another for each
 * seed and axis, so that no budget has the luck of a point on the optimum.
 */
function gridRun(surface: Surface, seed: number): Step[] {
  return Array.from({ length: mostTrials }, (_, index): Step => {
    const budget = index + 1;
    const random = new Random(seed, "grid", budget);
    const second = surface.axes.length === 1 ? 1 : Math.floor(Math.sqrt(budget));
    const counts = [Math.floor(budget / second), second].slice(0, surface.axes.length);
    const places = counts.reduce<number[][]>(
      (all, count) => {
        const offset = random.uniform();
        return all.flatMap((one) => Array.from({ length: count }, (_, i) => [...one, (i + offset) / count]));
      },
      [[]],
    );
    const last = inTurn(
      surface,
      places.map((shares) => placeAt(surface, shares)),
      `grid ${budget}`,
      seed,
    ).at(-1)!;
    return [budget, last[1]];
  });
}

const methods: readonly { readonly method: string; readonly space: "elr" | "plain"; readonly run: Method }[] = [
  { method: "bracket", space: "elr", run: bracketMethod("accuracy") },
  { method: "bracket, chosen by loss", space: "elr", run: bracketMethod("loss") },
  { method: "bracket, uncertain surface", space: "elr", run: bracketMethod("accuracy", true) },
  { method: "default", space: "elr", run: ({ elr }, seed) => inTurn(elr, [[defaultElr]], "default", seed) },
  { method: "random", space: "elr", run: ({ elr }, seed) => randomRun(elr, seed) },
  { method: "grid", space: "elr", run: ({ elr }, seed) => gridRun(elr, seed) },
  { method: "default", space: "plain", run: ({ plain }, seed) => inTurn(plain!, [customary], "default", seed) },
  { method: "random", space: "plain", run: ({ plain }, seed) => randomRun(plain!, seed) },
  { method: "grid", space: "plain", run: ({ plain }, seed) => gridRun(plain!, seed) },
];

/** All that the tables are complete enough for; says what is missing. */
function readTables(folder = "bench/search/tables"): { surfaces: Surfaces; rows: readonly Row[] }[] {
  return settings.flatMap((setting) => {
    const { workload, epochs } = setting;
    const file = join(folder, `${workload}.jsonl`);
    if (!existsSync(file)) {
      console.error(`${file} is missing: make it with npx tsx bench/search/makeTables.ts ${workload}`);
      return [];
    }
    const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
    const rows = lines.map((line) => rowSchema.parse(JSON.parse(line)));
    const made = <T>(make: () => T): T | undefined => {
      try {
        return make();
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        console.error(`${workload}: ${error.message}`);
        return undefined;
      }
    };
    const elr = made(() => makeSurface(rows, "elr", epochs));
    const low = made(() => makeSurface(rows, "elr", epochs / 8));
    if (!elr || !low) return [];
    const hasPlain = rows.some((row) => row.kind === "plain" && row.epochs === epochs);
    const plain = hasPlain ? made(() => makeSurface(rows, "plain", epochs)) : undefined;
    return [{ surfaces: { ...setting, elr, low, plain }, rows }];
  });
}

function replayAll(all: ReturnType<typeof readTables>): Replay[] {
  return all.flatMap(({ surfaces, rows }) => {
    const { workload, epochs } = surfaces;
    return methods.flatMap(({ method, space, run }): Replay[] => {
      if (space === "plain" && !surfaces.plain) return [];
      const started = performance.now();
      const runs = Array.from({ length: replays }, (_, seed) => run(surfaces, seed, rows));
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.error(`${workload}, ${epochs} epochs: ${method} over ${space}, ${replays} seeds in ${seconds} s`);
      return [{ workload, epochs, method, space, runs }];
    });
  });
}

function main(): void {
  const tables = readTables();
  mkdirSync(cacheFolder, { recursive: true });
  const text = JSON.stringify(tables.map(({ surfaces }) => surfaces));
  writeFileSync(join(cacheFolder, "surfaces.json"), text);
  const made: ReplayFile = { surfaces: createHash("sha256").update(text).digest("hex"), replays: replayAll(tables) };
  writeFileSync(join(cacheFolder, "replays.json"), JSON.stringify(made));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
