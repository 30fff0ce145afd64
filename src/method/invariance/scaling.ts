/**
 * How a value of the graph answers when a weight W is scaled: the lattice that the proof of scale-invariance walks.
 *
 * The hypothesis `tensor` multiplies W by one c > 0; the hypothesis `channel` multiplies each slice of W along an axis by a
 * c_j > 0 of its own; the hypothesis `part` multiplies some slices by one c, those of a logical matrix that W holds beside others.
 * A value v then
 *
 * - does not depend on W (`free`);
 * - scales (`scales`): v -> c^degree v, or, where `axis` is set, each slice of v along that axis by a factor of its own.
 *   `degree` is "mixed" where those factors are different powers. Degree 0 without an axis is what the proof is after: v does
 *   not change;
 * - or its answer is not known to be so simple (`unknown`), for the reason given in words.
 *
 * A value may also carry a `shift`: a summand that is constant along all axes but one, and that does not scale with the rest,
 * as a bias per channel. Batch normalisation subtracts it again; most other operators do not commute with it.
 */
export type Scaling = Free | Scales | Unknown;

export interface Free {
  readonly kind: "free";
}

export interface Scales {
  readonly kind: "scales";
  readonly degree: number | "mixed";
  /** The axis whose slices have factors of their own; undefined where one factor holds for all. */
  readonly axis?: number;
  /** Which factor belongs to which slice: equal text and equal degree mean equal factors. */
  readonly slices: string;
  /** Along `axis`, where it is known: which slices scale at all. */
  readonly parts?: Parts;
  readonly shift?: Shift;
  /** The operators that it came through since the weight was used or last normalised, as `Relu relu1`. */
  readonly through: readonly string[];
}

/** The slices along an axis fall into parts of equal length. `scaled`: those that scale, to the value's degree, by one factor; the others do not change. */
export interface Parts {
  readonly scaled: readonly boolean[];
}

export interface Shift {
  /** The one axis along which the summand varies. */
  readonly axis: number;
  /** Who added it, in words. */
  readonly by: string;
  /** Whether the summand is all of the value that depends on W. */
  readonly alone: boolean;
}

export interface Unknown {
  readonly kind: "unknown";
  readonly reason: string;
}

export const free: Free = { kind: "free" };

export const unknown = (reason: string): Unknown => ({ kind: "unknown", reason });

/** The value does not change when W is scaled. */
export function isInvariant(scaling: Scaling): boolean {
  return (
    scaling.kind === "free" ||
    (scaling.kind === "scales" && scaling.degree === 0 && scaling.axis === undefined && scaling.shift === undefined)
  );
}

export function invariant(through: readonly string[] = []): Scales {
  return { kind: "scales", degree: 0, slices: "", through };
}

/** The same with its factors raised to a power: x^power, or a product of `power` such factors. */
export function raised(scaling: Scales, power: number): Scales {
  if (scaling.degree === "mixed") return power === 1 ? scaling : { ...scaling, slices: `(${scaling.slices})^${power}` };
  return { ...scaling, degree: scaling.degree * power };
}

/** The same after a step that may reorder, drop or repeat slices: each slice still has one factor, but which is another matter. */
export function reordered(scaling: Scales, by: string): Scales {
  if (scaling.axis === undefined) return scaling;
  const { parts: _, ...rest } = scaling;
  return { ...rest, slices: `${scaling.slices}>${by}` };
}

/**
 * The slices of a value whose parts along its axis are `scaled`, some of the former ones: those that scale share one factor, so where all
 * do or none does, the axis no longer matters.
 */
export function withParts(scaling: Scales, scaled: readonly boolean[], by: string): Scales {
  if (!scaled.includes(true)) return invariant(scaling.through);
  if (!scaled.includes(false)) {
    const { axis: _, parts: __, ...rest } = scaling;
    return { ...rest, slices: partSlices };
  }
  return { ...scaling, parts: { scaled }, slices: `${scaling.slices}>${by}` };
}

/** A value that came of scaled slices alone: the hypothesis `part` has but one factor. */
const partSlices = "part";

/** The scaling of a product of two values that broadcast to one rank; `by` names the node. */
export function product(a: Scaling, b: Scaling, by: string): Scaling {
  if (a.kind === "unknown") return a;
  if (b.kind === "unknown") return b;
  if (a.kind === "free") return b;
  if (b.kind === "free") return a;
  const through = [...new Set([...a.through, ...b.through])];
  if (isInvariant(a)) return { ...b, through };
  if (isInvariant(b)) return { ...a, through };
  if (a.axis !== undefined && b.axis !== undefined && a.axis !== b.axis)
    return unknown(`${by} multiplies values that scale along different axes`);
  const axis = a.axis ?? b.axis;
  const alike = a.axis === b.axis && a.slices === b.slices;
  if (alike && a.degree !== "mixed" && b.degree !== "mixed") {
    const degree = a.degree + b.degree;
    return degree === 0
      ? invariant(through)
      : { kind: "scales", degree, slices: a.slices, through, ...(axis === undefined ? {} : { axis }) };
  }
  return { kind: "scales", degree: "mixed", slices: by, through, ...(axis === undefined ? {} : { axis }) };
}

/** Whether two values have the very same factors, so that their sum has them too. */
export function sameFactors(a: Scales, b: Scales): boolean {
  return a.degree === b.degree && a.axis === b.axis && a.slices === b.slices;
}
