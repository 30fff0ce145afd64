import { rise } from "./curve.js";
import { normalCdf } from "./normal.js";
import { prior } from "./prior.js";

/**
 * Bayes' rule by enumeration, for the response curve of one rung (one training length):
 *
 *     ln loss(x) = m + g(x - optimum; below, above) + error,   error ~ N(0, (k s)^2 + (shapeError g)^2)
 *
 * x is log2 ELR, s the noise between seeds that `seedNoise` expects, k how far that expectation is off. (optimum, below, above, k) live on a grid of some
 * thousands of nodes; the level m has a flat prior and is integrated out in closed form. A diverged training says only that its ELR was too high. Nothing is sampled
 * and nothing is optimised: the result is the same everywhere, and there is no local minimum to get stuck in.
 *
 * The next longer rung starts from this one's posterior, blurred by what may change with the training's length (`lengthen`).
 */

/** One finished training as the curve sees it: ln validation loss `y` with the expected noise between seeds, or a divergence. */
export type Observation =
  | { readonly x: number; readonly y: number; readonly noise: number }
  | { readonly x: number; readonly diverged: true };

/** Probabilities over the grid, in the order [optimum][below][above][k]; they sum to 1. */
export interface Belief {
  /** log2 ELR, evenly spaced. */
  readonly optima: Float64Array;
  readonly weights: Float64Array;
}

/** A belief after a rung's trainings. */
export interface Posterior extends Belief {
  /** Mean and variance of the level m at each node; variance Infinity where nothing finite was seen. */
  readonly level: Float64Array;
  readonly levelVariance: Float64Array;
}

/** Spacing of the optima, octaves. Being an eighth of an octave off costs g(1/8) < h/60, far below any noise. */
export const spacing = 0.25;
/** How far the grid reaches beyond the tried range, octaves. */
const margin = 5;

interface Lattice {
  readonly values: Float64Array;
  readonly weights: Float64Array;
}

/** `count` values of a log-normal, evenly spaced in the logarithm up to `width` standard deviations, with their probabilities. */
function lattice(median: number, spread: number, count: number, width: number): Lattice {
  const at = (i: number): number => width * ((2 * i) / (count - 1) - 1);
  return {
    values: Float64Array.from({ length: count }, (_, i) => median * Math.exp(spread * at(i))),
    weights: normalised(Float64Array.from({ length: count }, (_, i) => Math.exp(-0.5 * at(i) ** 2))),
  };
}

function normalised(weights: Float64Array): Float64Array {
  let sum = 0;
  for (const weight of weights) sum += weight;
  return weights.map((weight) => weight / sum);
}

/** Rise at one octave, of either side: five values, a factor e apart. Seven or eleven place full trainings no better (simulated), at two to five times the work. */
const sides = lattice(prior.rise, prior.riseSpread, 5, 2);
/** k */
const noises = lattice(1, prior.noiseSpread, 3, 1.5);
const blockSize = sides.values.length * sides.values.length * noises.values.length;

/** The curve that a node of the grid stands for. */
export function nodeParameters(
  belief: Belief,
  node: number,
): { optimum: number; below: number; above: number; noise: number } {
  const ks = noises.values.length;
  const hs = sides.values.length;
  return {
    optimum: belief.optima[Math.floor(node / blockSize)]!,
    below: sides.values[Math.floor(node / (hs * ks)) % hs]!,
    above: sides.values[Math.floor(node / ks) % hs]!,
    noise: noises.values[node % ks]!,
  };
}

/** Probability of each optimum, whatever the curve's other parameters. [optima] */
export function marginalOptimum({ optima, weights }: Belief): Float64Array {
  const probabilities = new Float64Array(optima.length);
  for (let node = 0; node < weights.length; node++) probabilities[Math.floor(node / blockSize)]! += weights[node]!;
  return probabilities;
}

/**
 * The belief before any training.
 *
 * @param centre - log2 of the default ELR
 * @param range - lowest and highest log2 ELR that may be tried
 */
export function priorBelief(centre: number, range: readonly [number, number]): Belief {
  const first = Math.min(centre, range[0]) - margin;
  const count = Math.ceil((Math.max(centre, range[1]) + margin - first) / spacing) + 1;
  const optima = Float64Array.from({ length: count }, (_, i) => first + i * spacing);
  const weights = new Float64Array(count * blockSize);
  let node = 0;
  for (const optimum of optima) {
    const weight = Math.exp(-0.5 * ((optimum - centre) / prior.optimumSpread) ** 2);
    for (const below of sides.weights)
      for (const above of sides.weights)
        for (const noise of noises.weights) weights[node++] = weight * below * above * noise;
  }
  return { optima, weights: normalised(weights) };
}

/** The belief after a rung's trainings; `before` must not have seen them. */
export function observe(before: Belief, observations: readonly Observation[]): Posterior {
  const { optima } = before;
  const seen = observations.filter((o): o is Extract<Observation, { y: number }> => "y" in o);
  const tooHigh = observations.filter((o) => "diverged" in o).map((o) => o.x);
  const n = before.weights.length;
  const log = new Float64Array(n);
  const level = new Float64Array(n);
  const levelVariance = new Float64Array(n).fill(Number.POSITIVE_INFINITY);
  const q = new Float64Array(seen.length);
  const ys = seen.map((o) => o.y);
  const squaredNoise = seen.map((o) => o.noise ** 2);
  let node = 0;
  let best = Number.NEGATIVE_INFINITY;
  for (const optimum of optima) {
    for (let i = 0; i < seen.length; i++) q[i] = rise(seen[i]!.x - optimum);
    const censored = tooHigh.reduce((sum, x) => sum + Math.log(tooHighLikelihood(x - optimum)), 0);
    for (const below of sides.values) {
      for (const above of sides.values) {
        for (const k of noises.values) {
          let precision = 0;
          let weighted = 0;
          let squares = 0;
          let variances = 1;
          for (let i = 0; i < seen.length; i++) {
            const g = q[i]! * (seen[i]!.x < optimum ? below : above);
            const variance = k * k * squaredNoise[i]! + (prior.shapeError * g) ** 2;
            const rest = ys[i]! - g;
            precision += 1 / variance;
            weighted += rest / variance;
            squares += (rest * rest) / variance;
            variances *= variance;
          }
          let logLikelihood = censored;
          if (seen.length > 0) {
            // integral over m of prod N(y_i; m + g_i, v_i)
            const mean = weighted / precision;
            logLikelihood -= 0.5 * (Math.log(variances * precision) + squares - weighted * mean);
            level[node] = mean;
            levelVariance[node] = 1 / precision;
          }
          log[node] = logLikelihood + Math.log(before.weights[node]!);
          if (log[node]! > best) best = log[node]!;
          node++;
        }
      }
    }
  }
  return { optima, weights: normalised(log.map((value) => Math.exp(value - best))), level, levelVariance };
}

/**
 * Probability of a divergence `octaves` above the optimum, up to a constant: training falls apart above a threshold that lies half an octave or more above the optimum.
 */
function tooHighLikelihood(octaves: number): number {
  return Math.max(1e-12, normalCdf((octaves - 0.5) / 0.5));
}

/**
 * The belief about a longer rung: the optimum may have drifted, and the curve is flatter by a factor that is only roughly known; the noise's factor k stays.
 *
 * @param from, to - passes over the data of the two rungs
 */
export function lengthen(belief: Belief, from: number, to: number): Belief {
  const doublings = Math.log2(to / from);
  if (doublings <= 0) return { optima: belief.optima, weights: belief.weights };
  const repeated = Math.max(0, Math.log2(to / Math.max(from, prior.passesBeforeMemorising)));
  const ks = noises.values.length;
  const hs = sides.values.length;
  const spread = Math.sqrt(prior.drift ** 2 * (doublings - repeated) + prior.driftMemorising ** 2 * repeated);
  const drift = kernel(belief.optima, prior.driftMean * repeated, spread);
  const flattened = kernel(sides.values.map(Math.log), -prior.flattening * Math.log(to / from), prior.flatteningSpread);
  let weights = blur(belief.weights, drift, blockSize);
  weights = blur(weights, flattened, hs * ks);
  weights = blur(weights, flattened, ks);
  return { optima: belief.optima, weights: normalised(weights) };
}

/** kernel[from][to]: probability of moving between grid points by a normal step of that mean and standard deviation; what would leave the grid stays at its edge. */
function kernel(points: Float64Array, mean: number, deviation: number): Float64Array[] {
  const last = points.length - 1;
  return Array.from(points, (from) =>
    Float64Array.from(points, (to, j) => {
      const edge = (other: number): number => ((to + points[other]!) / 2 - from - mean) / deviation;
      return (j === last ? 1 : normalCdf(edge(j + 1))) - (j === 0 ? 0 : normalCdf(edge(j - 1)));
    }),
  );
}

/** Applies a kernel along the axis with that stride. */
function blur(weights: Float64Array, along: readonly Float64Array[], stride: number): Float64Array {
  const length = along.length;
  const result = new Float64Array(weights.length);
  for (let outer = 0; outer < weights.length; outer += length * stride) {
    for (let from = 0; from < length; from++) {
      const row = along[from]!;
      for (let to = 0; to < length; to++) {
        const p = row[to]!;
        if (p < 1e-9) continue;
        const source = outer + from * stride;
        const target = outer + to * stride;
        for (let i = 0; i < stride; i++) result[target + i]! += p * weights[source + i]!;
      }
    }
  }
  return result;
}
