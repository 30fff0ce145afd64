import { describe, expect, it } from "vitest";
import { rise } from "./curve.js";
import { bestNext, bestOne, bestTwo, expectedNoise, type Outlook, outlook } from "./gain.js";
import { normalCdf } from "./normal.js";
import { nodeParameters, observe, priorBelief } from "./posterior.js";

const places = Float64Array.from({ length: 81 }, (_, i) => (i - 40) / 20);

/** Curves of height h with a normally distributed optimum. */
function quadratic(deviation: number, h: number): Outlook {
  const optima = Float64Array.from({ length: 201 }, (_, i) => ((i - 100) / 20) * deviation);
  const bell = optima.map((x) => Math.exp(-0.5 * (x / deviation) ** 2));
  const total = bell.reduce((a, b) => a + b);
  return {
    places,
    heights: Array.from(places, (place) => optima.map((optimum) => h * (place - optimum) ** 2)),
    weights: bell.map((w) => w / total),
    noises: new Float64Array(optima.length).fill(1),
    nodes: new Int32Array(optima.length),
  };
}

describe("where to train", () => {
  const [t, h] = [0.5, 0.04];
  const view = quadratic(t, h);

  it("once: at the mean, with the regret h t^2", () => {
    const { place, regret } = bestOne(view);
    expect(place).toBeCloseTo(0, 12);
    // the optima end at five standard deviations, beyond which lies under 1e-5 of the variance
    expect(regret / (h * t * t)).toBeCloseTo(1, 4);
  });

  it("twice: astride it at sqrt(2 / pi) t, leaving (1 - 2 / pi) h t^2, where there is no noise", () => {
    const { pair, regret } = bestTwo(view, 1e-6);
    // places are a twentieth of an octave apart, and the regret is flat around its least
    expect(pair[0]).toBeCloseTo(-Math.sqrt(2 / Math.PI) * t, 1);
    expect(pair[1]).toBeCloseTo(Math.sqrt(2 / Math.PI) * t, 1);
    expect(regret / (h * t * t)).toBeCloseTo(1 - 2 / Math.PI, 2);
  });

  it("twice is worth nothing in pure noise, for then either is kept by chance", () => {
    const { regret } = bestTwo(view, 1e6);
    expect(regret).toBeGreaterThan(bestOne(view).regret * 0.999);
  });
});

describe("the outlook of a belief", () => {
  const belief = observe(
    priorBelief(-8.5, [-15.5, -1.5]),
    [-10.5, -9.5, -8.5, -7.5, -6.5].map((x) => ({ x, y: 0.05 * rise(x + 8), noise: 0.02 })),
  );
  const view = outlook(belief, Float64Array.of(-9, -8, -7));

  it("keeps the likeliest curves, all but a hundredth of the probability, and their heights", () => {
    const kept = view.nodes.reduce((sum, node) => sum + belief.weights[node]!, 0);
    expect(kept).toBeGreaterThanOrEqual(0.99);
    expect(view.nodes.length).toBeLessThan(belief.weights.length / 3);
    expect(view.weights.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    const { optimum, below, above } = nodeParameters(belief, view.nodes[7]!);
    expect(view.heights[2]![7]).toBe((-7 < optimum ? below : above) * rise(-7 - optimum));
  });

  it("values a further training as its advantage times the probability that it is seen", () => {
    const kept = { x: -9.5, y: 0.11 };
    const direct = Array.from(view.places, (place) =>
      view.nodes.reduce((sum, node, i) => {
        const { optimum, below, above, noise } = nodeParameters(belief, node);
        const g = (x: number): number => (x < optimum ? below : above) * rise(x - optimum);
        const seen = normalCdf(
          (kept.y - belief.level[node]! - g(place)) / Math.hypot(Math.sqrt(belief.levelVariance[node]!), 0.02 * noise),
        );
        return sum + view.weights[i]! * (g(kept.x) - g(place)) * seen;
      }, 0),
    );
    const { place, gain } = bestNext(view, belief, kept, 0.02);
    expect(gain).toBeCloseTo(Math.max(...direct), 12);
    expect(place).toBe(-8);
  });

  it("expects the noise that the prior expects where the curve fits", () => {
    expect(expectedNoise(view)).toBeGreaterThan(0.4);
    expect(expectedNoise(view)).toBeLessThan(1.2);
  });
});
