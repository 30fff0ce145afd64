import { z } from "zod";
import type { Random } from "../../src/data/core.js";
import { drawCurve, gaussianProcess } from "./gaussianProcess.js";

/**
 * A table of trainings as an oracle: what a training at any place ends with, without training.
 *
 * Mean: ln(validation loss), averaged over the seeds of each table point, freed from their noise by a Gaussian process (`gaussianProcess.ts`), tabulated on a dense grid and interpolated
 * linearly on each axis in between. Axes are log2 of the rate and, for the plain baseline, log2 of the weight decay. Accuracy likewise.
 *
 * Noise: the deviation of one training from the mean of its table point, times sqrt(n / (n - 1)) because that mean is of n seeds, this one included. A lookup adds the deviation of one
 * training near by, loss and accuracy together, drawn with weights that are normal in the distance (`kernelWidth`). So the noise varies over the surface as in the table, and nothing is
 * assumed about its distribution.
 *
 * Divergence: the share of seeds that diverged at each table point, interpolated linearly; a lookup diverges with that probability. Diverged trainings say nothing about the mean.
 */

export const rowSchema = z.object({
  kind: z.enum(["elr", "plain"]),
  /** log2 of the ELR or of the learning rate. */
  log2Rate: z.number(),
  weightDecay: z.number(),
  epochs: z.number(),
  seed: z.number(),
  /** Validation; null where the training diverged. */
  loss: z.number().nullable(),
  accuracy: z.number().nullable(),
});
export type Row = z.output<typeof rowSchema>;

/** A place on the surface: [log2 ELR] or [log2 learning rate, log2 weight decay]. */
export type Place = readonly number[];

/** Plain data, so that it can be written to a file and read by others. */
export interface Surface {
  readonly kind: Row["kind"];
  readonly epochs: number;
  /** Places of the dense grid on each axis, ascending. */
  readonly axes: readonly (readonly number[])[];
  /** Mean ln loss, mean accuracy and probability of divergence on the grid, last axis fastest. */
  readonly lnLoss: readonly number[];
  readonly accuracy: readonly number[];
  readonly divergence: readonly number[];
  /** Noise between seeds: deviations of single trainings, and where they were made. */
  readonly deviations: readonly { readonly at: Place; readonly lnLoss: number; readonly accuracy: number }[];
  /** Best place of the dense grid at which no seed diverged, its loss, and the standard deviation of the loss between seeds there. */
  readonly best: { readonly at: Place; readonly loss: number; readonly noise: number };
  /** Table points, and trainings. */
  readonly points: number;
  readonly trainings: number;
}

/** Standard deviation, octaves of rate and of weight decay, of the distances from which deviations are drawn: about a step of the table. */
const kernelWidth = [1, 1.7] as const;
/** Cells of the dense grid on each axis, for one and for two axes. */
const cells = { elr: [320], plain: [64, 80] } as const;
/** Cells for a curve drawn from those that the table leaves possible: enough for a curve, and few enough for its covariance matrix. */
const cellsOfDrawn = 80;

interface TablePoint {
  readonly at: Place;
  readonly diverged: number;
  readonly finite: readonly { readonly lnLoss: number; readonly accuracy: number }[];
}

/**
 * @param drawn - instead of the likeliest curve, one drawn from all that the table's few seeds leave possible (over the ELR only)
 * @throws RangeError where the rows do not make a surface: a point of the grid is missing, or no point has two seeds
 */
export function makeSurface(rows: readonly Row[], kind: Row["kind"], epochs: number, drawn?: Random): Surface {
  const what = `the table of ${kind} trainings of ${epochs} epochs`;
  const points = tablePoints(rows.filter((row) => row.kind === kind && row.epochs === epochs));
  const finite = points.filter((point) => point.finite.length > 0);
  const deviations = finite.flatMap(({ at, finite }) => {
    const n = finite.length;
    if (n < 2) return [];
    const correction = Math.sqrt(n / (n - 1));
    const [lnLoss, accuracy] = [meanOf(finite, "lnLoss"), meanOf(finite, "accuracy")];
    return finite.map((one) => ({
      at,
      lnLoss: correction * (one.lnLoss - lnLoss),
      accuracy: correction * (one.accuracy - accuracy),
    }));
  });
  if (finite.length < 3 || deviations.length === 0)
    throw new RangeError(`${what} is too small: ${finite.length} points, ${deviations.length} of them repeated`);
  const knots = points[0]!.at.map((_, axis) => [...new Set(points.map(({ at }) => at[axis]!))].sort((a, b) => a - b));
  const size = knots.reduce((product, axis) => product * axis.length, 1);
  if (points.length !== size) throw new RangeError(`${what} has ${points.length} of the ${size} points of its grid`);
  const axes = knots.map((values, axis) =>
    spread(values[0]!, values.at(-1)!, drawn ? cellsOfDrawn : cells[kind][axis]!),
  );
  const grid = axes.reduce<number[][]>((all, axis) => all.flatMap((one) => axis.map((x) => [...one, x])), [[]]);

  const curve = (quantity: "lnLoss" | "accuracy"): number[] => {
    const at = finite.map((point) => point.at);
    const y = finite.map((point) => meanOf(point.finite, quantity));
    const variance = finite.map((point) => squaredNoise(deviations, point.at, quantity) / point.finite.length);
    const process = gaussianProcess({ at, y, variance });
    return drawn && quantity === "lnLoss" ? drawCurve(process, grid, drawn) : grid.map(process.mean);
  };
  const shares = points.map(({ diverged, finite }) => diverged / (diverged + finite.length));
  const divergence = grid.map((place) => interpolate(knots, shares, place));
  const lnLoss = curve("lnLoss");
  const least = lnLoss.reduce((best, y, i) => (divergence[i] === 0 && !(lnLoss[best]! <= y) ? i : best), -1);
  if (least < 0) throw new RangeError(`${what} has a divergence at every point`);
  const loss = Math.exp(lnLoss[least]!);
  const at = grid[least]!;
  return {
    kind,
    epochs,
    axes,
    lnLoss,
    accuracy: curve("accuracy"),
    divergence,
    deviations,
    best: { at, loss, noise: loss * Math.sqrt(squaredNoise(deviations, at, "lnLoss")) },
    points: points.length,
    trainings: points.reduce((sum, { diverged, finite }) => sum + diverged + finite.length, 0),
  };
}

/** In ascending order of place, the last axis fastest. */
function tablePoints(rows: readonly Row[]): TablePoint[] {
  const places = new Map<string, { at: Place; rows: Row[] }>();
  for (const row of rows) {
    const at = row.kind === "elr" ? [row.log2Rate] : [row.log2Rate, Math.log2(row.weightDecay)];
    const key = at.join(" ");
    places.set(key, { at, rows: [...(places.get(key)?.rows ?? []), row] });
  }
  return [...places.values()]
    .sort((a, b) => a.at[0]! - b.at[0]! || (a.at[1] ?? 0) - (b.at[1] ?? 0))
    .map(({ at, rows }) => {
      const finite = rows.flatMap(({ loss, accuracy }) =>
        loss === null || accuracy === null ? [] : [{ lnLoss: Math.log(loss), accuracy }],
      );
      return { at, finite, diverged: rows.length - finite.length };
    });
}

const meanOf = <K extends string>(values: readonly Record<K, number>[], key: K): number =>
  values.reduce((sum, value) => sum + value[key], 0) / values.length;

function spread(from: number, to: number, count: number): number[] {
  return Array.from({ length: count + 1 }, (_, i) => from + ((to - from) * i) / count);
}

/** Weights with which the deviations count at a place; they sum to 1. */
function nearby(deviations: Surface["deviations"], place: Place): number[] {
  const squares = deviations.map(({ at }) =>
    place.reduce((sum, x, axis) => sum + ((x - at[axis]!) / kernelWidth[axis]!) ** 2, 0),
  );
  // Counted from the nearest, or far from all of them every weight would underflow.
  const nearest = Math.min(...squares);
  const weights = squares.map((square) => Math.exp((nearest - square) / 2));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

function squaredNoise(deviations: Surface["deviations"], place: Place, quantity: "lnLoss" | "accuracy"): number {
  const weights = nearby(deviations, place);
  return deviations.reduce((sum, deviation, i) => sum + weights[i]! * deviation[quantity] ** 2, 0);
}

/**
 * Linear on each axis between grid values.
 *
 * @param values - on the grid, last axis fastest
 * @throws RangeError outside the grid
 */
export function interpolate(axes: readonly (readonly number[])[], values: readonly number[], place: Place): number {
  let corners = [{ index: 0, weight: 1 }];
  for (const [axis, knots] of axes.entries()) {
    const x = place[axis]!;
    const [first, last] = [knots[0]!, knots.at(-1)!];
    if (!(x >= first - 1e-9 && x <= last + 1e-9))
      throw new RangeError(`axis ${axis} has values from ${first} to ${last}, not ${x}`);
    const right = knots.findIndex((knot, i) => i > 0 && (x <= knot || i === knots.length - 1));
    const left = right - 1;
    const share = Math.min(1, Math.max(0, (x - knots[left]!) / (knots[right]! - knots[left]!)));
    corners = corners.flatMap(({ index, weight }) => [
      { index: index * knots.length + left, weight: weight * (1 - share) },
      { index: index * knots.length + right, weight: weight * share },
    ]);
  }
  return corners.reduce((sum, { index, weight }) => (weight === 0 ? sum : sum + weight * values[index]!), 0);
}

/** Validation loss expected of a training at that place that does not diverge: the geometric mean over seeds. */
export function expectedLoss({ axes, lnLoss }: Surface, place: Place): number {
  return Math.exp(interpolate(axes, lnLoss, place));
}

/** How much the expected loss of a place exceeds that of the dense grid's best. */
export function regretOf(surface: Surface, place: Place): number {
  return expectedLoss(surface, place) - surface.best.loss;
}

/** One training; undefined where it diverges. */
export function drawTraining(
  surface: Surface,
  place: Place,
  random: Random,
): { loss: number; accuracy: number } | undefined {
  const { axes, deviations } = surface;
  if (random.uniform() < interpolate(axes, surface.divergence, place)) return undefined;
  let left = random.uniform();
  const weights = nearby(deviations, place);
  const drawn = weights.findIndex((weight, i) => {
    left -= weight;
    return left < 0 || i === weights.length - 1;
  });
  const deviation = deviations[drawn]!;
  return {
    loss: Math.exp(interpolate(axes, surface.lnLoss, place) + deviation.lnLoss),
    accuracy: Math.min(1, Math.max(0, interpolate(axes, surface.accuracy, place) + deviation.accuracy)),
  };
}
