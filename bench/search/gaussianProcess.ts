import type { Random } from "../../src/data/core.js";

/**
 * Gaussian-process regression, which takes the noise of three seeds out of a table of mean losses: Rasmussen and Williams, "Gaussian Processes for Machine Learning"
 * (2006), equations 2.25 and 2.26 (mean, covariance), 5.8 (marginal likelihood), 2.41 and 2.42 (constant mean with a flat prior, integrated out).
 *
 * Kernel: a^2 (1 + r + r^2 / 3) exp(-r) with r = sqrt(5) |(x - x') / lengths|, Matern's of smoothness 5/2: twice differentiable, yet able to follow a cliff. The amplitude a and one
 * length per axis are those of the greatest marginal likelihood on a grid, so the data decide how much is smoothed.
 */
export interface Samples {
  /** [samples][axes] */
  readonly at: readonly (readonly number[])[];
  readonly y: readonly number[];
  /** Variance of each y about the curve. */
  readonly variance: readonly number[];
}

const amplitudes = [0.5, 1, 2, 4, 8];
/** In units of each axis's extent. */
const lengthShares = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6];

/** What is believed about the curve after the samples. A place is [axes]. */
export interface Process {
  mean(place: readonly number[]): number;
  /** [places][places] */
  covariance(places: readonly (readonly number[])[]): number[][];
}

export function gaussianProcess({ at, y, variance }: Samples): Process {
  const n = y.length;
  if (n < 3) throw new RangeError(`a Gaussian process needs at least 3 samples, not ${n}`);
  const average = y.reduce((a, b) => a + b) / n;
  const deviation = Math.sqrt(y.reduce((sum, value) => sum + (value - average) ** 2, 0) / n) || 1;
  const extents = at[0]!.map((_, axis) => {
    const values = at.map((place) => place[axis]!);
    return Math.max(...values) - Math.min(...values);
  });
  const lengths = extents.reduce<number[][]>(
    (all, extent) => all.flatMap((one) => lengthShares.map((share) => [...one, share * extent])),
    [[]],
  );
  let best = { likelihood: Number.NEGATIVE_INFINITY, process: undefined as Process | undefined };
  for (const length of lengths) {
    const correlations = at.map((one) => at.map((two) => matern(one, two, length)));
    for (const amplitude of amplitudes) {
      const a2 = (amplitude * deviation) ** 2;
      const L = cholesky(
        correlations.map((row, i) => row.map((c, j) => a2 * c + (i === j ? variance[i]! + 1e-10 * a2 : 0))),
      );
      const inverseOnes = solve(L, new Array<number>(n).fill(1));
      const inverseY = solve(L, y);
      const ones = total(inverseOnes);
      const level = total(inverseY) / ones;
      const weights = inverseY.map((value, i) => value - level * inverseOnes[i]!);
      const squares = weights.reduce((sum, value, i) => sum + value * (y[i]! - level), 0);
      const logDeterminant = L.reduce((sum, row, i) => sum + 2 * Math.log(row[i]!), 0);
      const likelihood = -0.5 * (squares + logDeterminant + Math.log(ones));
      if (likelihood <= best.likelihood) continue;
      const kernel = (one: readonly number[], two: readonly number[]): number => a2 * matern(one, two, length);
      const process: Process = {
        mean: (place) =>
          level +
          dot(
            weights,
            at.map((sample) => kernel(place, sample)),
          ),
        covariance(places) {
          const seen = places.map((place) => at.map((sample) => kernel(place, sample)));
          const explained = seen.map((row) => solveLower(L, row));
          const missed = seen.map((row) => 1 - dot(inverseOnes, row));
          return places.map((one, i) =>
            places.map(
              (two, j) => kernel(one, two) - dot(explained[i]!, explained[j]!) + (missed[i]! * missed[j]!) / ones,
            ),
          );
        },
      };
      best = { likelihood, process };
    }
  }
  return best.process!;
}

/** One curve of those that the samples leave possible, at the places. */
export function drawCurve(process: Process, places: readonly (readonly number[])[], random: Random): number[] {
  const covariance = process.covariance(places);
  // Neighbours are so alike that rounding would make the matrix indefinite; a millionth of the variance is no visible jitter.
  const jitter = 1e-6 * Math.max(...covariance.map((row, i) => row[i]!));
  const L = cholesky(covariance.map((row, i) => row.map((value, j) => (i === j ? value + jitter : value))));
  const z = places.map(() => random.normal());
  return places.map((place, i) => process.mean(place) + dot(L[i]!, z));
}

const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const dot = (one: readonly number[], two: readonly number[]): number =>
  one.reduce((sum, value, i) => sum + value * two[i]!, 0);

function matern(one: readonly number[], two: readonly number[], lengths: readonly number[]): number {
  const r = Math.sqrt(5 * one.reduce((sum, value, axis) => sum + ((value - two[axis]!) / lengths[axis]!) ** 2, 0));
  return (1 + r + (r * r) / 3) * Math.exp(-r);
}

/** Lower triangular L with L L^T = matrix, which is symmetric and positive definite. */
function cholesky(matrix: readonly (readonly number[])[]): number[][] {
  const L = matrix.map((row) => row.map(() => 0));
  for (let i = 0; i < matrix.length; i++)
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i]![j]!;
      for (let k = 0; k < j; k++) sum -= L[i]![k]! * L[j]![k]!;
      L[i]![j] = i === j ? Math.sqrt(sum) : sum / L[j]![j]!;
    }
  return L;
}

/** L^-1 b */
function solveLower(L: readonly (readonly number[])[], b: readonly number[]): number[] {
  const x = [...b];
  for (let i = 0; i < x.length; i++) {
    for (let k = 0; k < i; k++) x[i]! -= L[i]![k]! * x[k]!;
    x[i]! /= L[i]![i]!;
  }
  return x;
}

/** (L L^T)^-1 b */
function solve(L: readonly (readonly number[])[], b: readonly number[]): number[] {
  const x = solveLower(L, b);
  for (let i = x.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < x.length; k++) x[i]! -= L[k]![i]! * x[k]!;
    x[i]! /= L[i]![i]!;
  }
  return x;
}
