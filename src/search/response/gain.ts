import { rise } from "./curve.js";
import { normalCdf } from "./normal.js";
import { type Belief, nodeParameters, type Posterior } from "./posterior.js";

/**
 * What a training is worth. Regret is the expected height g of the chosen training's ELR above the optimum: how much its true ln loss exceeds the best possible.
 * Of several trainings the one with the lowest observed loss is chosen, so being misled by noise is part of the regret.
 */

/** A belief seen from the places where one could train. */
export interface Outlook {
  /** log2 ELR. [places] */
  readonly places: Float64Array;
  /** g at each place, under each possible curve. [places][curves] */
  readonly heights: readonly Float64Array[];
  /** Probability and noise factor k of each possible curve; those that make up the last hundredth of the probability are left out. [curves] */
  readonly weights: Float64Array;
  readonly noises: Float64Array;
  /** The belief's nodes that the curves are. [curves] */
  readonly nodes: Int32Array;
}

export function outlook(belief: Belief, places: Float64Array): Outlook {
  const { weights } = belief;
  const ascending = weights.slice().sort();
  let sum = 0;
  let least = ascending.length;
  while (least > 0 && sum < 0.99) sum += ascending[--least]!;
  const nodes = nodesFrom(weights, ascending[least]!);
  const kept = nodes.reduce((total, node) => total + weights[node]!, 0);
  const curves = Array.from(nodes, (node) => nodeParameters(belief, node));
  return {
    places,
    heights: Array.from(places, (place) =>
      Float64Array.from(
        curves,
        ({ optimum, below, above }) => (place < optimum ? below : above) * rise(place - optimum),
      ),
    ),
    weights: Float64Array.from(nodes, (node) => weights[node]! / kept),
    noises: Float64Array.from(curves, ({ noise }) => noise),
    nodes,
  };
}

/** Nodes of at least that weight. */
function nodesFrom(weights: Float64Array, least: number): Int32Array {
  const nodes = new Int32Array(weights.length);
  let count = 0;
  for (let node = 0; node < weights.length; node++) if (weights[node]! >= least) nodes[count++] = node;
  return nodes.slice(0, count);
}

/** Expected noise factor k. */
export function expectedNoise({ weights, noises }: Outlook): number {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += weights[i]! * noises[i]!;
  return sum;
}

/** The place with the least regret for a single training. */
export function bestOne({ places, heights, weights }: Outlook): { place: number; regret: number } {
  const regrets = heights.map((g) => {
    let regret = 0;
    for (let i = 0; i < g.length; i++) regret += weights[i]! * g[i]!;
    return regret;
  });
  const index = indexOfLeast(regrets);
  return { place: places[index]!, regret: regrets[index]! };
}

/**
 * The pair of places with the least regret, when both are trained and the one with the lower observed loss is kept. They come out astride the peak: for a
 * normal drift of variance t^2 on a quadratic curve without noise the best pair lies 0.8 t to either side and leaves 0.36 h t^2 of regret, the peak and the best
 * second place beside it 0.59 h t^2, the peak alone h t^2.
 *
 * @param noise - expected noise between seeds, of ln loss, before the factor k
 */
export function bestTwo(view: Outlook, noise: number): { pair: readonly [number, number]; regret: number } {
  const { places, heights, weights, noises } = view;
  const regret = (one: Float64Array, two: Float64Array): number => {
    let sum = 0;
    for (let i = 0; i < one.length; i++) {
      const difference = one[i]! - two[i]!;
      const twoIsKept = normalCdf(difference / (Math.SQRT2 * noise * noises[i]!));
      sum += weights[i]! * (one[i]! - twoIsKept * difference);
    }
    return sum;
  };
  // Moves one of the two at a time, from a start an octave to either side of the single best place, until neither move helps.
  const peak = places.indexOf(bestOne(view).place);
  const octave = Math.round(1 / (places[1]! - places[0]!)) || 1;
  let pair = [Math.max(0, peak - octave), Math.min(places.length - 1, peak + octave)];
  let least = Number.POSITIVE_INFINITY;
  for (;;) {
    for (const moved of [0, 1]) {
      const still = heights[pair[1 - moved]!]!;
      const best = indexOfLeast(heights.map((g) => regret(g, still)));
      pair = moved === 0 ? [best, pair[1]!] : [pair[0]!, best];
    }
    const now = regret(heights[pair[0]!]!, heights[pair[1]!]!);
    if (now >= least * (1 - 1e-9)) break;
    least = now;
  }
  const [low, high] = [Math.min(...pair), Math.max(...pair)];
  return { pair: [places[low]!, places[high]!], regret: least };
}

/**
 * The place whose training is expected to lower the regret most, when trainings at this rung have been seen: E[(g(kept) - g(place)) P(observed lower than kept)].
 *
 * @param kept - the training with the lowest observed ln loss y so far
 * @param noise - expected noise between seeds, of ln loss, before the factor k
 */
export function bestNext(
  { places, heights, weights, noises, nodes }: Outlook,
  posterior: Posterior,
  kept: { readonly x: number; readonly y: number },
  noise: number,
): { place: number; gain: number } {
  const keptHeights = Float64Array.from(nodes, (node) => {
    const { optimum, below, above } = nodeParameters(posterior, node);
    return (kept.x < optimum ? below : above) * rise(kept.x - optimum);
  });
  const losses = heights.map((g) => {
    let gain = 0;
    for (let i = 0; i < g.length; i++) {
      const deviation = Math.sqrt(posterior.levelVariance[nodes[i]!]! + (noise * noises[i]!) ** 2);
      const lower = normalCdf((kept.y - posterior.level[nodes[i]!]! - g[i]!) / deviation);
      gain += weights[i]! * (keptHeights[i]! - g[i]!) * lower;
    }
    return -gain;
  });
  const index = indexOfLeast(losses);
  return { place: places[index]!, gain: -losses[index]! };
}

/** The first of the smallest. */
function indexOfLeast(values: readonly number[]): number {
  let least = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! < values[least]!) least = i;
  return least;
}
