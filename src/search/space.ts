import { z } from "zod";
import { IsonormError } from "../errors.js";

/**
 * The search space: the effective learning rate always, further parameters on request. A parameter is searched on an axis on which equal steps matter equally:
 * factors for rates, scale and batch size; factors of 1 - momentum, because a step's influence lasts 1 / (1 - momentum) steps; differences for label smoothing.
 */

/** In the order in which tables show them and in which Sobol dimensions are given out. */
export const parameterNames = ["elr", "scale", "momentum", "batchSize", "labelSmoothing", "lr"] as const;
export type ParameterName = (typeof parameterNames)[number];

const parameter = z
  .strictObject({ low: z.number(), base: z.number(), high: z.number() })
  .refine(({ low, base, high }) => low <= base && base <= high, "expected low <= base <= high");
const above = (least: number) => parameter.refine(({ low }) => low > least, `expected low > ${least}`);

export const spaceSchema = z.strictObject({
  elr: above(0),
  scale: above(0).optional(),
  momentum: parameter.refine(({ low, high }) => low >= 0 && high < 1, "expected 0 <= low and high < 1").optional(),
  batchSize: parameter
    .refine(({ low, base }) => low >= 1 && Number.isInteger(base), "expected low >= 1, base whole")
    .optional(),
  labelSmoothing: parameter
    .refine(({ low, high }) => low >= 0 && high < 1, "expected 0 <= low and high < 1")
    .optional(),
  lr: above(0).optional(),
});

/** For each parameter to be searched its range, and the value that it has unless the search says otherwise. */
export type Space = z.output<typeof spaceSchema>;

export const candidateSchema = z.strictObject({
  /** Effective learning rate. */
  elr: z.number().positive(),
  scale: z.number().positive().optional(),
  momentum: z.number().min(0).lt(1).optional(),
  batchSize: z.int().positive().optional(),
  labelSmoothing: z.number().min(0).lt(1).optional(),
  /** Learning rate of the weights that are not scale-invariant. */
  lr: z.number().positive().optional(),
  /** The rung: share of the full epochs, with the whole schedule compressed into it. */
  fraction: z.number().gt(0).max(1),
  /** Counts trainings that differ in the seed alone, from 0. */
  replicate: z.int().nonnegative(),
});

/** What one trial trains. A parameter that is absent has the value of the training's settings. */
export type Candidate = z.output<typeof candidateSchema>;

/** A candidate's searched values, without its rung. */
export type Point = Omit<Candidate, "fraction" | "replicate">;

/** Base values for a space: those of the training's settings. */
export interface BaseValues {
  /** Where the search begins; 2^-8.5 if not given. */
  readonly elr?: number;
  readonly scale: number;
  readonly momentum: number;
  readonly batchSize: number;
  readonly labelSmoothing: number;
  readonly lr: number;
}

/**
 * A sensible range around the base values, for the ELR and the parameters asked for:
 * ELR seven octaves to either side (the best of every measured network lies within three), scale and batch size three, the plain learning rate four,
 * momentum from 0.5 to 0.99, label smoothing from 0 to 0.2.
 */
export function defaultSpace(base: BaseValues, searched: readonly Exclude<ParameterName, "elr">[] = []): Space {
  const octaves = (value: number, n: number) => ({ low: value / 2 ** n, base: value, high: value * 2 ** n });
  const within = (value: number, low: number, high: number) => ({
    low: Math.min(low, value),
    base: value,
    high: Math.max(high, value),
  });
  const ranges: Required<Space> = {
    elr: octaves(base.elr ?? 2 ** -8.5, 7),
    scale: octaves(base.scale, 3),
    momentum: within(base.momentum, 0.5, 0.99),
    batchSize: { low: Math.max(1, Math.ceil(base.batchSize / 8)), base: base.batchSize, high: base.batchSize * 8 },
    labelSmoothing: within(base.labelSmoothing, 0, 0.2),
    lr: octaves(base.lr, 4),
  };
  const names = parameterNames.filter((name) => name === "elr" || searched.includes(name));
  return parseSpace(Object.fromEntries(names.map((name) => [name, ranges[name]])));
}

/** Throws ISO_ARGUMENT naming the parameter. */
export function parseSpace(input: unknown): Space {
  const parsed = spaceSchema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new IsonormError(
    "ISO_ARGUMENT",
    `the search space's ${issue.path.join(".") || "shape"} is wrong: ${issue.message}`,
    "Give each parameter a range {low, base, high}",
  );
}

/** The parameters that a space searches. */
export function searchedParameters(space: Space): ParameterName[] {
  return parameterNames.filter((name) => space[name] !== undefined);
}

/** A parameter's place on its axis; for the ELR log2. */
export function toAxis(name: ParameterName, value: number): number {
  if (name === "labelSmoothing") return value;
  return name === "momentum" ? -Math.log2(1 - value) : Math.log2(value);
}

/** The inverse of `toAxis`; a batch size is rounded. */
export function fromAxis(name: ParameterName, place: number): number {
  if (name === "labelSmoothing") return place;
  if (name === "momentum") return 1 - 2 ** -place;
  return name === "batchSize" ? Math.max(1, Math.round(2 ** place)) : 2 ** place;
}

/** The point at those shares of each parameter's range, in the space's order: 0 is `low`, 1 is `high`. */
export function pointAt(space: Space, shares: ArrayLike<number>): Point {
  const values = searchedParameters(space).map((name, i) => {
    const { low, high } = space[name]!;
    const [from, to] = [toAxis(name, low), toAxis(name, high)];
    return [name, fromAxis(name, from + (to - from) * shares[i]!)] as const;
  });
  return Object.fromEntries(values) as unknown as Point;
}

export type BaseRule = "sgd" | "angular";

/**
 * How far the optimal log2 ELR is expected to move when other parameters leave their base values.
 *
 * `sgd`, plain or with momentum: the layer turns by ELR |gradient| / (1 - momentum) a step, and the gradient on the direction is proportional to S. So ELR S / (1 - momentum) stays
 * (measured: S four times larger, ELR four times smaller; design, section 5). With B examples a batch there are 1/B as many steps: ELR / B stays (Goyal et al. 2017, 1706.02677).
 * `angular`: the update has its length from the ELR alone, so S and momentum move nothing; a normalised update follows the square-root rule in B (Malladi et al. 2022, 2205.10287).
 * Label smoothing and the plain learning rate are taken to move nothing.
 */
export function elrShift(space: Space, point: Omit<Point, "elr">, rule: BaseRule): number {
  const moved = (name: "scale" | "momentum" | "batchSize"): number => {
    const value = point[name];
    const base = space[name]?.base;
    return value === undefined || base === undefined ? 0 : toAxis(name, value) - toAxis(name, base);
  };
  return rule === "sgd" ? moved("batchSize") - moved("scale") - moved("momentum") : moved("batchSize") / 2;
}
