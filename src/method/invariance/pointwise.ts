import { constantNumber, type ScalingContext, type ScalingRule, scalesAt } from "./context.js";
import {
  free,
  invariant,
  isInvariant,
  product,
  raised,
  type Scales,
  type Scaling,
  sameFactors,
  unknown,
} from "./scaling.js";

/** Operators that work element by element. */

/** f(c x) = c f(x) for c > 0. */
const homogeneous: ScalingRule = (c) => unshifted(c, c.inputs[0]!);

/** x^p: c^p x^p. */
const power =
  (exponent: (c: ScalingContext) => number | undefined): ScalingRule =>
  (c) => {
    const x = scalesAt(c, 0);
    const p = exponent(c);
    if (!x || p === undefined) return doesNotCommute(c);
    const plain = unshifted(c, x);
    return plain.kind === "scales" ? raised(plain, p) : plain;
  };

/** Sums, maxima, selections: a common factor can be taken out, and constants of 0 have every factor. */
const sum: ScalingRule = (c) =>
  together(
    c,
    c.inputs.map((_, index) => index),
  );

/** max(x, tiny), min as a sum; a tiny bound guards a division and is disregarded, as epsilons are. */
const maximum: ScalingRule = (c) => {
  const tiny = c.inputs.findIndex((_, index) => isTiny(constantNumber(c, index)));
  return tiny >= 0 && c.inputs.length === 2 ? unshifted(c, c.inputs[1 - tiny]!) : sum(c);
};

const add: ScalingRule = (c) => {
  const epsilon = c.inputs.findIndex((_, index) => isEpsilon(c, index));
  return epsilon >= 0 && c.inputs.length === 2 ? unshifted(c, c.inputs[1 - epsilon]!) : sum(c);
};

const multiply: ScalingRule = (c) => {
  const [a, b] = [aligned(c, 0), aligned(c, 1)];
  // A constant number keeps a summand per channel what it is; any other factor does not.
  const single = (index: number) => constantNumber(c, index) !== undefined && c.inputs[index]!.kind === "free";
  if (single(1)) return a;
  if (single(0) && c.node.op === "Mul") return b;
  const [x, y] = [unshifted(c, a), unshifted(c, b)];
  return product(x, c.node.op === "Div" && y.kind === "scales" ? raised(y, -1) : y, c.label);
};

/** Comparisons of values with a common factor, and of one value with 0, come out the same. */
const comparison: ScalingRule = (c) => {
  const joined = together(c, [0, 1]);
  return joined.kind === "scales" && joined.shift === undefined ? invariant(joined.through) : shiftRefused(c, joined);
};

const clip: ScalingRule = (c) => {
  const attribute = (name: string) => {
    const stored = c.node.attributes[name];
    return stored?.kind === "float" ? stored.value : undefined;
  };
  const low = c.has(1) ? constantNumber(c, 1) : (attribute("min") ?? Number.NEGATIVE_INFINITY);
  const high = c.has(2) ? constantNumber(c, 2) : (attribute("max") ?? Number.POSITIVE_INFINITY);
  // Without an upper bound, a lower bound of 0 is ReLU; a tiny one guards a division.
  const commutes = high !== undefined && high > 3e38 && low !== undefined && (low === 0 || low < -3e38 || isTiny(low));
  return commutes && isInvariant(c.inputs[1] ?? free) ? unshifted(c, c.inputs[0]!) : doesNotCommute(c);
};

export const pointwiseRules: Readonly<Record<string, ScalingRule>> = {
  Relu: homogeneous,
  LeakyRelu: homogeneous,
  Abs: homogeneous,
  Neg: (c) => c.inputs[0]!,
  Identity: (c) => c.inputs[0]!,
  Dropout: (c) => [unshifted(c, c.inputs[0]!), free],
  PRelu: (c) => (isInvariant(c.inputs[1]!) ? unshifted(c, c.inputs[0]!) : doesNotCommute(c)),
  Cast: (c) => {
    const to = c.node.attributes.to;
    if (to?.kind === "int" && [1, 10, 11, 16].includes(to.value)) return c.inputs[0]!;
    return to?.kind === "int" && to.value === 9 ? sign(c) : doesNotCommute(c);
  },
  CastLike: (c) => c.inputs[0]!,
  Sign: (c) => sign(c),
  Sqrt: power(() => 0.5),
  Reciprocal: power(() => -1),
  Pow: power((c) => (isInvariant(c.inputs[1]!) ? constantNumber(c, 1) : undefined)),
  Add: add,
  Sub: sum,
  Sum: add,
  Mean: sum,
  Max: maximum,
  Min: sum,
  Mul: multiply,
  Div: multiply,
  Clip: clip,
  Where: (c) => (isInvariant(c.inputs[0]!) ? together(c, [1, 2]) : doesNotCommute(c)),
  Equal: comparison,
  Greater: comparison,
  GreaterOrEqual: comparison,
  Less: comparison,
  LessOrEqual: comparison,
};

export function doesNotCommute(c: ScalingContext): Scaling {
  const shifted = c.inputs.find((scaling) => scaling.kind === "scales" && scaling.shift);
  return shifted ? shiftRefused(c, shifted) : unknown(`${c.label} does not commute with scaling`);
}

/** The scaling, unless it carries a summand per channel that this operator does not commute with. */
export function unshifted(c: ScalingContext, scaling: Scaling): Scaling {
  return scaling.kind === "scales" && scaling.shift ? shiftRefused(c, scaling) : scaling;
}

function shiftRefused(c: ScalingContext, scaling: Scaling): Scaling {
  if (scaling.kind !== "scales" || !scaling.shift) return scaling;
  return unknown(
    scaling.shift.alone
      ? `${scaling.shift.by} to values that do not scale with it`
      : `a bias follows (${scaling.shift.by}) and reaches ${c.label} before any normalisation takes it away`,
  );
}

function sign(c: ScalingContext): Scaling {
  const x = unshifted(c, c.inputs[0]!);
  return x.kind === "scales" ? invariant(x.through) : x;
}

interface Term {
  readonly index: number;
  readonly scaling: Scaling;
}

/** A sum of the inputs given: all must have the same factors, or all but one be a summand per channel. */
export function together(c: ScalingContext, indices: readonly number[]): Scaling {
  const terms = indices
    .filter((index) => c.has(index) && constantNumber(c, index) !== 0)
    .map((index) => ({ index, scaling: aligned(c, index) }));
  const broken = terms.find((term) => term.scaling.kind === "unknown");
  if (broken) return broken.scaling;
  const moving = terms.filter((term) => !isInvariant(term.scaling));
  const still = terms.filter((term) => isInvariant(term.scaling));
  const first = moving[0]?.scaling as Scales | undefined;
  if (!first) return invariant(terms.flatMap((term) => (term.scaling.kind === "scales" ? term.scaling.through : [])));
  const through = [...new Set(moving.flatMap((term) => (term.scaling as Scales).through))];
  for (const { scaling } of moving.slice(1))
    if (!sameFactors(first, scaling as Scales))
      return unknown(`${c.label} joins branches that scale with it to different degrees`);
  // Only a sum of summands per channel is one; the larger of two, say, is not.
  const shifts = moving.flatMap(({ scaling }) => ((scaling as Scales).shift ? [scaling as Scales] : []));
  const additive = c.node.op === "Add" || c.node.op === "Sub" || c.node.op === "Sum";
  if (shifts[0] && (!additive || shifts.some(({ shift }) => shift!.axis !== shifts[0]!.shift!.axis)))
    return shiftRefused(c, shifts[0]);
  const summed = { ...first, through, ...(shifts[0] ? { shift: shifts[0].shift! } : {}) };
  if (still.length === 0) return summed;
  return additive ? shiftedBy(c, summed, moving, still) : joins(c, still);
}

/** A sum of values that scale and values that do not: fine only where one side is constant along all axes but one. */
function shiftedBy(c: ScalingContext, moved: Scales, moving: readonly Term[], still: readonly Term[]): Scaling {
  const name = (term: Term) => c.node.inputs[term.index]!;
  // A summand that is all that depends on W stays one, whatever else is added.
  if (moved.shift) return moved.shift.alone ? moved : shiftRefused(c, moved);
  if (still.length === 1) {
    const axis = variesAlong(c, still[0]!.index);
    if (axis !== undefined)
      return { ...moved, shift: { axis, by: `${c.label} adds ${name(still[0]!)}`, alone: false } };
  }
  if (moving.length === 1) {
    const axis = variesAlong(c, moving[0]!.index);
    if (axis !== undefined)
      return { ...invariant(moved.through), shift: { axis, by: `added by ${c.label}`, alone: true } };
  }
  return joins(c, still);
}

function joins(c: ScalingContext, still: readonly Term[]): Scaling {
  const { index } = still[0]!;
  const name = c.node.inputs[index];
  return unknown(
    c.node.op === "Add" && c.shape(index)
      ? `a bias follows (${c.label} adds ${name})`
      : `${c.label} joins it with ${name}, which does not scale with it`,
  );
}

/** The only axis of the output along which a constant input varies; axis 1 for a single number. */
function variesAlong(c: ScalingContext, index: number): number | undefined {
  const shape = c.shape(index);
  const rank = c.outputRank;
  if (!shape || rank === undefined) return undefined;
  const long = shape.flatMap((dimension, axis) => (dimension === 1 ? [] : [axis + rank - shape.length]));
  return long.length === 0 ? 1 : long.length === 1 ? long[0] : undefined;
}

/** An input's scaling with axes counted in the output, to which broadcasting may add leading dimensions. */
function aligned(c: ScalingContext, index: number): Scaling {
  const scaling = c.inputs[index]!;
  if (scaling.kind !== "scales" || (scaling.axis === undefined && !scaling.shift)) return scaling;
  const rank = c.rank(index);
  if (rank === undefined || c.outputRank === undefined)
    return unknown(`the rank of ${c.node.inputs[index]}, an input of ${c.label}, is not known`);
  const added = c.outputRank - rank;
  return {
    ...scaling,
    ...(scaling.axis === undefined ? {} : { axis: scaling.axis + added }),
    ...(scaling.shift ? { shift: { ...scaling.shift, axis: scaling.shift.axis + added } } : {}),
  };
}

/** A positive bound of at most 1e-6 guards a division. */
function isTiny(number: number | undefined): boolean {
  return number !== undefined && number > 0 && number <= 1e-6;
}

/**
 * A small positive constant added before a root or to a divisor: the epsilon of a normalisation written out in operators.
 * It is disregarded, as the epsilon of BatchNormalization is: invariance then holds up to epsilon / variance.
 */
function isEpsilon(c: ScalingContext, index: number): boolean {
  const number = constantNumber(c, index);
  if (number === undefined || !(number > 0 && number <= 1e-3) || c.consumers.length === 0) return false;
  const output = c.node.outputs[0];
  return c.consumers.every(
    (node) =>
      ["Sqrt", "Pow", "Reciprocal"].includes(node.op) ||
      (node.op === "Div" && node.inputs[1] === output && node.inputs[0] !== output),
  );
}
