import { elementCount } from "../../onnx/types.js";
import type { Walked } from "./analyse.js";
import { axisAttribute, integers, type ScalingContext, scalesAt } from "./context.js";
import { sliceRange } from "./shapes.js";

/** Matrices that one tensor holds side by side along an axis, as the fused weight of queries, keys and values. */
export interface LogicalMatrices {
  readonly axis: number;
  /** The axis falls into so many equal parts: the number of the matrix, from 0 on, that each belongs to; `[0, 1, 2]` for three in a row. */
  readonly parts: readonly number[];
}

interface Candidate {
  readonly parts: readonly number[];
  /** The node that takes them apart. */
  readonly by: string;
}

/**
 * How the graph takes a weight apart along the axis whose slices were scaled one by one: by Split or Slice, or by Reshape, when
 * the axis becomes several of which one tells the matrices. Whether each of them is scale-invariant is then to be proved.
 */
export function possibleMatrices({ met }: Walked): readonly Candidate[] {
  const candidates: Candidate[] = [];
  const cuts = new Map<string, { length: number; at: Set<number>; by: string }>();
  for (const c of met) {
    const x = scalesAt(c, 0);
    const length = x?.axis === undefined ? undefined : c.dimensions(0)?.[x.axis];
    // Only slices that stand as in the weight can be told.
    if (!x || x.axis === undefined || length === undefined || x.slices !== "") continue;
    const at = c.node.op === "Split" || c.node.op === "Slice" ? cutsOf(c, x.axis, length) : [];
    if (at.length > 0) {
      const key = c.node.inputs[0]!;
      const cut = cuts.get(key) ?? { length, at: new Set<number>(), by: c.label };
      for (const position of at) cut.at.add(position);
      cuts.set(key, cut);
    }
    if (c.node.op === "Reshape") candidates.push(...factors(c, x.axis, length));
  }
  for (const { length, at, by } of cuts.values()) candidates.push({ parts: cutInto(length, [...at]), by });
  return candidates.filter(({ parts }) => parts.some((part) => part > 0));
}

/** Whether some node, after scaling some parts of a weight alone, hands on a value of which all or nothing scales. */
export function takesApart({ met, values }: Walked): boolean {
  return met.some((c) => {
    if (!scalesAt(c, 0)?.parts || !["Split", "Slice", "Gather"].includes(c.node.op)) return false;
    const y = values.get(c.node.outputs[0]!);
    return y?.kind === "scales" && y.axis === undefined;
  });
}

/** Where a Split or Slice cuts the axis: positions within it. */
function cutsOf(c: ScalingContext, axis: number, length: number): readonly number[] {
  const within = (position: number) => position > 0 && position < length;
  if (c.node.op === "Slice") {
    const range = sliceRange(c, axis);
    return range ? [range.start, range.end].filter(within) : [];
  }
  if (axisAttribute(c, 0) !== axis) return [];
  const sizes = c.node.outputs.map((_, output) => c.outputDimensions(output)?.[axis] ?? Number.NaN);
  const ends = sizes.map((_, output) => sizes.slice(0, output + 1).reduce((sum, size) => sum + size, 0));
  return ends.filter(within);
}

function cutInto(length: number, cuts: readonly number[]): readonly number[] {
  const unit = cuts.reduce(divisor, length);
  return Array.from({ length: length / unit }, (_, part) => cuts.filter((cut) => cut <= part * unit).length);
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

/**
 * The axes that a Reshape makes of one: of length d = f_1 f_2 ... f_k. The matrices that the i-th tells are the classes of
 * floor(position / (f_{i+1} ... f_k)) mod f_i.
 */
function factors(c: ScalingContext, axis: number, length: number): readonly Candidate[] {
  const [from, to] = [c.dimensions(0), c.outputDimensions(0)];
  if (!from || !to || !integers(c, 1)) return [];
  const before = elementCount(from.slice(0, axis));
  const first = to.findIndex((_, index) => elementCount(to.slice(0, index)) === before && to[index] !== 1);
  const candidates: Candidate[] = [];
  let made = 1;
  for (let index = first; index >= 0 && index < to.length && made < length; index++) {
    const size = to[index]!;
    made *= size;
    if (length % made !== 0) return [];
    const parts = Array.from({ length: made }, (_, part) => part % size);
    if (size > 1) candidates.push({ parts, by: c.label });
  }
  return candidates;
}
