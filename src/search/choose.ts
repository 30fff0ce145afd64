import type { FinishedTrial } from "./strategies/strategy.js";
import type { ChooseMetric, Metrics } from "./study.js";

/**
 * The best of the trials that are complete, among those of the longest rung.
 *
 * By accuracy or macro-F1, trials within one standard error of the best are tied, and of them the one with the lowest loss is taken. Two trainings of error rates e1, e2 judge
 * the same n validation examples and share about half of their mistakes, so they disagree on a share (e1 + e2) / 2, and the difference of their accuracies has the
 * standard error sqrt((e1 + e2) / 2 / n) (McNemar). Macro-F1 is treated alike with e = 1 - F1, which is low where a class is rare. By loss, the lowest is taken.
 *
 * @param examples - validation examples
 * @returns undefined where no trial is complete
 */
export function chooseTrial<T extends FinishedTrial>(
  trials: readonly T[],
  by: ChooseMetric,
  examples: number,
): T | undefined {
  const complete = trials.flatMap((trial) => {
    const metrics = trial.state === "complete" ? trial.result?.validation : undefined;
    return metrics && Number.isFinite(metrics.loss) ? [{ trial, metrics }] : [];
  });
  const longest = Math.max(...complete.map(({ trial }) => trial.candidate.fraction));
  let best = complete.filter(({ trial }) => trial.candidate.fraction === longest);
  if (by !== "loss") {
    const error = (metrics: Metrics): number => 1 - metrics[by];
    const least = Math.min(...best.map(({ metrics }) => error(metrics)));
    best = best.filter(({ metrics }) => {
      const e = error(metrics);
      return e - least <= Math.sqrt((e + least) / 2 / examples);
    });
  }
  best.sort((a, b) => a.metrics.loss - b.metrics.loss || a.trial.number - b.trial.number);
  return best[0]?.trial;
}
