import type { Sizes } from "../operator.js";
import type { CostTable, MeasuredShape } from "./table.js";

/** What recipes cost; `lower` asks nothing else of a table. */
export interface Costs {
  /** Channels in a block on the machine that was measured; undefined where it has none. */
  readonly channelBlock: number | undefined;
  /** Milliseconds of those recipes that the costs are known of, by name. Those that are given together may be compared. */
  milliseconds(operator: string, sizes: Sizes, recipes: readonly string[]): ReadonlyMap<string, number>;
}

/** How many measured shapes an estimate is made of. */
const neighbours = 2;
/** Shapes further away in the logarithm of their sizes, in octaves, say nothing: an eightfold width and an eighth of the positions, say. */
const reach = 4.5;

/**
 * Costs from a table, for so many threads: those of the measured number that is nearest in ratio.
 *
 * A shape that was measured costs what it did. For another the two nearest of its kind are taken, by the Euclidean distance of the logarithms of their sizes. A recipe's time there, scaled by
 * the operator's work, counts with the inverse distance as its weight, in the geometric mean. A recipe that was not measured for both has no cost, so that all are compared on the same shapes; if that
 * leaves none, the nearest alone is asked.
 */
export function costsFor(table: CostTable, threads: number): Costs {
  const column = nearestIndex(table.threads, threads);
  return {
    channelBlock: table.channelBlock ?? undefined,
    milliseconds(operator, sizes, recipes) {
      const near = (table.operators[operator] ?? [])
        .filter(({ kind }) => kind === sizes.kind)
        .map((shape) => ({ shape, distance: distance(shape.sizes, sizes.sizes) }))
        .filter((one) => one.distance <= reach)
        .sort((a, b) => a.distance - b.distance)
        .slice(0, neighbours);
      if (near.length === 0) return new Map();
      const exact = near[0]!.distance === 0 ? near.slice(0, 1) : near;
      const all = estimate(exact, sizes.work, recipes, column);
      return all.size > 0 ? all : estimate(exact.slice(0, 1), sizes.work, recipes, column);
    },
  };
}

function estimate(
  near: readonly { readonly shape: MeasuredShape; readonly distance: number }[],
  work: number,
  recipes: readonly string[],
  column: number,
): ReadonlyMap<string, number> {
  const weights = near.map(({ distance }) => (distance === 0 ? 1 : 1 / distance));
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  const measured = recipes.filter((recipe) => near.every(({ shape }) => shape.ms[recipe] !== undefined));
  return new Map(
    measured.map((recipe) => {
      const logarithms = near.map(({ shape }) => Math.log((shape.ms[recipe]![column]! * work) / shape.work));
      const mean = logarithms.reduce((sum, value, index) => sum + (value * weights[index]!) / whole, 0);
      return [recipe, Math.exp(mean)] as const;
    }),
  );
}

/** In octaves. Sizes that only one of the two has do not belong to one kind. */
function distance(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): number {
  return Math.hypot(...Object.keys(a).map((name) => Math.log2(a[name]! / (b[name] ?? Number.POSITIVE_INFINITY))));
}

function nearestIndex(counts: readonly number[], wanted: number): number {
  const ratios = counts.map((count) => Math.abs(Math.log(count / wanted)));
  return ratios.indexOf(Math.min(...ratios));
}
