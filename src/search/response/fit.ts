import { expectedNoise, outlook } from "./gain.js";
import { marginalOptimum, type Posterior } from "./posterior.js";

/** What a rung's trainings taught about the response curve, as plain data for tables and charts. */
export interface CurveFit {
  /** log2 of the best ELR: mean, standard deviation, and the 10%, 50% and 90% quantiles. */
  readonly optimum: {
    readonly mean: number;
    readonly deviation: number;
    readonly quantiles: readonly [number, number, number];
  };
  /** Factor by which the noise between seeds differs from what the loss and the number of validation examples let expect. */
  readonly noiseFactor: number;
  /** Expected validation loss with a band of one standard deviation, without the noise between seeds; empty where nothing finite was seen. */
  readonly curve: readonly {
    readonly log2Elr: number;
    readonly loss: number;
    readonly lower: number;
    readonly upper: number;
  }[];
}

/** @param places - where the curve is wanted, log2 ELR */
export function describeFit(posterior: Posterior, places: Float64Array): CurveFit {
  const view = outlook(posterior, places);
  const curve = view.nodes.some((node) => Number.isFinite(posterior.levelVariance[node]!))
    ? Array.from(places, (log2Elr, at) => {
        const g = view.heights[at]!;
        let mean = 0;
        let square = 0;
        for (let i = 0; i < g.length; i++) {
          const node = view.nodes[i]!;
          const y = posterior.level[node]! + g[i]!;
          mean += view.weights[i]! * y;
          square += view.weights[i]! * (y * y + posterior.levelVariance[node]!);
        }
        const deviation = Math.sqrt(Math.max(0, square - mean * mean));
        return { log2Elr, loss: Math.exp(mean), lower: Math.exp(mean - deviation), upper: Math.exp(mean + deviation) };
      })
    : [];
  return { optimum: describeOptimum(posterior), noiseFactor: expectedNoise(view), curve };
}

export function describeOptimum(posterior: Pick<Posterior, "optima" | "weights">): CurveFit["optimum"] {
  const { optima } = posterior;
  const probabilities = marginalOptimum(posterior);
  const moment = (of: (optimum: number) => number): number =>
    probabilities.reduce((sum, p, i) => sum + p * of(optima[i]!), 0);
  const mean = moment((optimum) => optimum);
  const quantile = (share: number): number => {
    let sum = 0;
    const index = probabilities.findIndex((p) => {
      sum += p;
      return sum >= share;
    });
    return optima.at(index)!;
  };
  return {
    mean,
    deviation: Math.sqrt(moment((optimum) => (optimum - mean) ** 2)),
    quantiles: [quantile(0.1), quantile(0.5), quantile(0.9)],
  };
}

/** Probability that the optimum lies above that log2 ELR. */
export function probabilityAbove(posterior: Pick<Posterior, "optima" | "weights">, place: number): number {
  return marginalOptimum(posterior).reduce((sum, p, i) => (posterior.optima[i]! > place ? sum + p : sum), 0);
}
