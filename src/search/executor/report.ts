import type { ReportedTrial, SearchReport, Setting, TrainingReport, TrialEpoch } from "../../report/index.js";
import { packageVersion } from "../../run/index.js";
import { searchedParameters } from "../space.js";
import type { Outcome } from "../strategies/index.js";
import { type EpochMetrics, studyCost, type Trial } from "../study.js";
import { type Optimum, type SearchDone, workOf } from "./events.js";
import type { OpenSearch } from "./open.js";

export interface ReportInput {
  readonly search: OpenSearch;
  readonly trials: readonly Trial[];
  readonly outcome: Outcome;
  readonly winner: TrainingReport | null;
  readonly seconds: number;
}

/** Gathers what a search's report shows. */
export async function searchReport({ search, trials, outcome, winner, seconds }: ReportInput): Promise<SearchReport> {
  const { study, settings, data, model, storage, warnings } = search;
  const epochs = settings.training.epochs as number;
  const fractions = [...new Set(trials.map(({ candidate }) => candidate.fraction))].sort((a, b) => a - b);
  const reported = await Promise.all(
    trials.map(async (trial) => reportedTrial(search, trial, await storage.epochs(study.id, trial.number))),
  );
  const fit = fitOf(outcome);
  const optima = new Map(optimaOf(outcome).map((optimum) => [optimum.fraction, optimum]));
  return {
    title: `Search: ${model.name} on ${data.path}`,
    createdAt: new Date(study.createdAt).toISOString(),
    status: outcome.chosen === undefined ? "failed" : "done",
    data,
    model,
    settings: studyTable(search, outcome),
    rungs: fractions.map((fraction) => ({
      name: rungName(fraction),
      epochs: fraction * epochs,
      optimum: optima.get(fraction) ?? null,
    })),
    trials: reported,
    fit: fit && { rung: rungName(fit.fraction), points: fit.points },
    chosen: trials.find(({ number }) => number === outcome.chosen)?.candidate.elr ?? null,
    cost: {
      fullRuns: studyCost(trials),
      byRung: Object.fromEntries(
        fractions.map((fraction) => [
          rungName(fraction),
          trials
            .filter(({ candidate }) => candidate.fraction === fraction)
            .reduce((sum, trial) => sum + workOf(trial), 0),
        ]),
      ),
      seconds,
    },
    winner,
    versions: { ...study.versions, isonorm: packageVersion },
    // The winner's own report repeats those of the data.
    warnings: warnings.filter((warning) => !winner?.warnings.includes(warning)),
  };
}

/** The fit at the longest rung that has one. */
export function fitOf({ rungs }: Outcome): SearchDone["fit"] {
  const rung = rungs.findLast(({ fit }) => fit.curve.length > 0);
  if (!rung) return null;
  const points = rung.fit.curve.map(({ log2Elr, loss, lower, upper }) => ({
    elr: 2 ** (log2Elr + rung.shift),
    loss,
    low: lower,
    high: upper,
  }));
  return { fraction: rung.fraction, points };
}

/** The best ELR at each rung that was fitted. */
export function optimaOf({ rungs }: Outcome): Optimum[] {
  return rungs
    .filter(({ fit }) => fit.curve.length > 0)
    .map(({ fraction, epochs, fit, shift }) => {
      const [low, elr, high] = fit.optimum.quantiles.map((log2Elr) => 2 ** (log2Elr + shift));
      return { fraction, epochs, elr: elr!, low: low!, high: high! };
    });
}

/** "full", "1/8", "40%". */
export function rungName(fraction: number): string {
  if (fraction === 1) return "full";
  const parts = Math.round(1 / fraction);
  return Math.abs(1 / fraction - parts) < 1e-9 ? `1/${parts}` : `${Number((100 * fraction).toPrecision(3))}%`;
}

function reportedTrial({ scale }: OpenSearch, trial: Trial, epochs: readonly EpochMetrics[]): ReportedTrial {
  const { number, candidate, state, result, error, startedAt, endedAt } = trial;
  const { elr, fraction, replicate: _, scale: own, ...others } = candidate;
  return {
    id: number,
    rung: rungName(fraction),
    elr,
    scale: own ?? scale,
    settings: others,
    state,
    validationLoss: result?.validation.loss ?? null,
    validationAccuracy: result?.validation.accuracy ?? null,
    epochs: epochs.map(reportedEpoch),
    cost: workOf(trial),
    seconds: startedAt === undefined || endedAt === undefined ? 0 : (endedAt - startedAt) / 1000,
    ...(error && { error: `${error.code}: ${error.message}` }),
  };
}

function reportedEpoch({ epoch, trainLoss, trainAccuracy, validation }: EpochMetrics): TrialEpoch {
  return {
    epoch,
    trainLoss,
    trainAccuracy,
    validationLoss: validation.loss,
    validationAccuracy: validation.accuracy,
  };
}

/** What was searched and how, and what came of it in words. */
function studyTable({ study, settings }: OpenSearch, outcome: Outcome): Record<string, Setting> {
  const ranges = searchedParameters(study.space).map((name): [string, Setting] => {
    const { low, base, high } = study.space[name]!;
    return [`range of ${name}`, `${short(low)} to ${short(high)}, starting at ${short(base)}`];
  });
  return {
    outcome: outcome.why,
    strategy: study.strategy.name,
    ...plainSettings(study.strategy.settings as object),
    "chosen by validation": settings.choose,
    ...Object.fromEntries(ranges),
    seed: study.seed,
    threads: settings.threads,
  };
}

const short = (value: number): string => String(Number(value.toPrecision(4)));

function plainSettings(settings: object): Record<string, Setting> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : value]),
  );
}
