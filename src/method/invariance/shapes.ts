import { attributeInt, attributeInts, attributeString } from "../../graph/index.js";
import { elementCount } from "../../onnx/types.js";
import {
  axisAttribute,
  constantNumber,
  fromFront,
  integers,
  type ScalingContext,
  type ScalingRule,
  scalesAt,
} from "./context.js";
import { unpadded } from "./linear.js";
import { doesNotCommute, together, unshifted } from "./pointwise.js";
import {
  free,
  invariant,
  isInvariant,
  raised,
  reordered,
  type Scales,
  type Scaling,
  unknown,
  withParts,
} from "./scaling.js";

/** Operators that move, select, pool or reduce elements. */

/** Where an axis of the input goes; `undefined`: its slices are mixed, or where they go cannot be told. */
type AxisMap = (c: ScalingContext, axis: number) => number | undefined;

interface Movement {
  readonly map?: AxisMap;
  /** Whether slices may be reordered, dropped or repeated along the axis. */
  readonly reorders?: boolean;
  /** Whether a summand per channel stays one. */
  readonly keepsShift?: boolean;
  readonly power?: number;
  /** Inputs from this one on must not scale with W. */
  readonly others?: number;
}

/** An operator that is homogeneous of degree `power` in its first input. */
function moves({
  map = (_, axis) => axis,
  reorders = false,
  keepsShift = false,
  power = 1,
  others = 1,
}: Movement): ScalingRule {
  return (c) => {
    if (c.inputs.slice(others).some((scaling) => !isInvariant(scaling))) return doesNotCommute(c);
    const x = keepsShift ? c.inputs[0]! : unshifted(c, c.inputs[0]!);
    if (x.kind !== "scales") return x;
    let moved: Scales = raised(reorders ? reordered(x, c.label) : x, power);
    if (moved.axis !== undefined) {
      const axis = map(c, moved.axis);
      if (axis === undefined)
        return unknown(`${c.label} mixes slices that scale apart, or where they go cannot be told`);
      moved = { ...moved, axis };
    }
    if (moved.shift) {
      const axis = map(c, moved.shift.axis);
      if (axis === undefined) return doesNotCommute(c);
      moved = { ...moved, shift: { ...moved.shift, axis } };
    }
    return moved;
  };
}

/** The operator's first output as given, its second (indices) unchanged by any common factor. */
const withIndices =
  (rule: ScalingRule): ScalingRule =>
  (c) => {
    const y = rule(c) as Scaling;
    return [y, y.kind === "scales" ? invariant(y.through) : y];
  };

/** Pools over the spatial axes: batch and channels stay. */
const channels: AxisMap = (_, axis) => (axis <= 1 ? axis : undefined);

const transposed: AxisMap = (c, axis) => {
  const rank = c.rank(0);
  const permutation =
    attributeInts(c.node.attributes, "perm") ?? (rank === undefined ? undefined : [...Array(rank).keys()].reverse());
  const target = permutation?.indexOf(axis) ?? -1;
  return target < 0 ? undefined : target;
};

/** Flatten to [before the axis, from the axis on]: every slice of either part still has one factor. */
const flattened: AxisMap = (c, axis) => {
  const split = axisAttribute(c, 1);
  return split === undefined ? undefined : axis >= split ? 1 : 0;
};

/**
 * Reshape. Where the shapes are known: an axis of length d, before q elements, goes to that output axis of length t, before q' elements, of which
 * the position tells the position on the old one. With f the number of an element, those are floor(f / q') mod t and floor(f / q) mod d; the one
 * gives the other where q' divides q and d q / q' divides t, so where the new axis is the old one, or the old one merged with others.
 * Else by a constant shape that keeps the leading dimensions, as [0, 0, -1], or all but flattens, as [0, -1].
 */
const reshaped: AxisMap = (c, axis) => {
  const [from, to] = [c.dimensions(0), c.outputDimensions(0)];
  if (from && to) {
    const found = axisHolding(to, from[axis]!, elementCount(from.slice(axis + 1)));
    return found < 0 ? undefined : found;
  }
  const target = integers(c, 1, "shape");
  if (!target) return undefined;
  if (target.length === 2 && axis >= 1 && target[0] === 0 && target[1] === -1) return 1;
  return target.length > axis && target.slice(0, axis + 1).every((dimension) => dimension === 0) ? axis : undefined;
};

const squeezed: AxisMap = (c, axis) => {
  const rank = c.rank(0);
  const axes = integers(c, 1, "axes")?.map((removed) => fromFront(removed, rank));
  if (!axes || axes.some((removed) => removed === undefined || removed === axis)) return undefined;
  return axis - axes.filter((removed) => removed! < axis).length;
};

const unsqueezed: AxisMap = (c, axis) => {
  const rank = c.rank(0);
  const given = integers(c, 1, "axes");
  const axes = given?.map((added) => fromFront(added, rank === undefined ? undefined : rank + given.length));
  if (!axes || axes.some((added) => added === undefined)) return undefined;
  let target = axis;
  for (const added of (axes as number[]).sort((a, b) => a - b)) if (added <= target) target++;
  return target;
};

const broadcast: AxisMap = (c, axis) => {
  const rank = c.rank(0);
  const target = integers(c, 1)?.length ?? c.outputRank;
  return rank === undefined || target === undefined ? undefined : axis + Math.max(0, target - rank);
};

const gathered: AxisMap = (c, axis) => {
  const along = axisAttribute(c, 0);
  const indexRank = c.rank(1);
  if (along === undefined || indexRank === undefined) return undefined;
  if (axis < along) return axis;
  if (axis > along) return axis + indexRank - 1;
  return indexRank === 1 ? axis : undefined;
};

const reduced: AxisMap = (c, axis) => {
  const rank = c.rank(0);
  const axes = integers(c, 1, "axes")?.map((removed) => fromFront(removed, rank));
  if (!axes || axes.length === 0 || axes.some((removed) => removed === undefined || removed === axis)) return undefined;
  if (attributeInt(c.node.attributes, "keepdims", 1) !== 0) return axis;
  return axis - axes.filter((removed) => removed! < axis).length;
};

const reduction = (power = 1) => moves({ map: reduced, power });

/** The axis of `shape` whose position p of an element tells floor(f / block) mod length for the element's number f. */
function axisHolding(shape: readonly number[], length: number, block: number): number {
  return shape.findIndex((size, axis) => {
    const after = elementCount(shape.slice(axis + 1));
    return block % after === 0 && size % ((length * block) / after) === 0;
  });
}

/**
 * The same for the parts along the axis, of which fewer must be told apart: those that one period of their pattern has, as when queries, keys and
 * values lie one after another, or so for each head.
 */
function reshapedParts(c: ScalingContext, x: Scales): Scales | undefined {
  const [from, to] = [c.dimensions(0), c.outputDimensions(0)];
  if (!x.parts || x.axis === undefined || !from || !to) return undefined;
  const { scaled } = x.parts;
  const period = scaled.findIndex(
    (_, length) => length > 0 && scaled.length % length === 0 && scaled.every((is, i) => is === scaled[i % length]),
  );
  const pattern = period < 0 ? scaled : scaled.slice(0, period);
  const block = (from[x.axis]! / scaled.length) * elementCount(from.slice(x.axis + 1));
  const axis = axisHolding(to, pattern.length, block);
  if (axis < 0) return undefined;
  const parts = (to[axis]! * elementCount(to.slice(axis + 1))) / block;
  return withParts(
    { ...x, axis },
    Array.from({ length: parts }, (_, part) => pattern[part % pattern.length]!),
    c.label,
  );
}

/** The positions from `start` to before `end` on the axis that has parts; undefined where they cut one, or it is another axis. */
function selectedParts(
  c: ScalingContext,
  x: Scales,
  axis: number | undefined,
  start: number,
  end: number,
): Scales | undefined {
  const size = axis === undefined ? undefined : c.dimensions(0)?.[axis];
  if (!x.parts || x.axis !== axis || size === undefined) return undefined;
  const { scaled } = x.parts;
  const unit = size / scaled.length;
  const touched = scaled.slice(Math.floor(start / unit), Math.ceil(end / unit));
  const whole = start % unit === 0 && end % unit === 0;
  return whole || touched.every((is) => is === touched[0]) ? withParts(x, touched, `${c.label} ${start}`) : undefined;
}

/** The largest element stays the largest under one common factor. */
const argument: ScalingRule = (c) => {
  const x = unshifted(c, c.inputs[0]!);
  if (x.kind !== "scales") return x;
  return x.axis === undefined ? invariant(x.through) : unknown(`${c.label} compares slices that scale apart`);
};

const padding: ScalingRule = (c) => {
  const constant = attributeString(c.node.attributes, "mode", "constant") === "constant";
  const stored = c.node.attributes.value;
  const value = c.has(2) ? constantNumber(c, 2) : stored?.kind === "float" ? stored.value : 0;
  return constant && value !== 0 ? doesNotCommute(c) : moves({ reorders: true })(c);
};

/** Slices along the concatenated axis may scale each in its own way: a normalisation per channel takes each back by itself. */
const concatenation: ScalingRule = (c) => {
  const joined = together(
    c,
    c.inputs.map((_, index) => index),
  );
  const along = axisAttribute(c, 1, c.outputRank);
  if (joined.kind === "scales" && !joined.shift && joined.axis !== along) return joined;
  const parts = c.inputs.map((scaling) => unshifted(c, scaling));
  const broken = parts.find((part) => part.kind === "unknown");
  if (broken) return broken;
  if (along === undefined) return unknown(`the rank of the inputs of ${c.label} is not known`);
  if (parts.some((part) => part.kind === "scales" && part.axis !== undefined && part.axis !== along))
    return unknown(`${c.label} joins values that scale along different axes`);
  const through = [...new Set(parts.flatMap((part) => (part.kind === "scales" ? part.through : [])))];
  return { kind: "scales", degree: "mixed", axis: along, slices: c.label, through };
};

const splitting: ScalingRule = (c) => {
  const axis = axisAttribute(c, 0);
  const x = unshifted(c, c.inputs[0]!);
  let end = 0;
  return c.node.outputs.map((_, index) => {
    const start = end;
    end += (axis === undefined ? undefined : c.outputDimensions(index)?.[axis]) ?? Number.NaN;
    const part = x.kind === "scales" && !Number.isNaN(end) && selectedParts(c, x, axis, start, end);
    return part || (moves({ reorders: true })({ ...c, label: `${c.label} (${index})` }) as Scaling);
  });
};

/** Slice with step 1 along one axis: where it begins and ends. */
export function sliceRange(c: ScalingContext, axis: number): { start: number; end: number } | undefined {
  const size = c.dimensions(0)?.[axis];
  const [starts, ends] = [integers(c, 1), integers(c, 2)];
  const axes = c.has(3) ? integers(c, 3) : starts?.map((_, index) => index);
  const steps = c.has(4) ? integers(c, 4) : [];
  const at = axes?.findIndex((given) => fromFront(given, c.rank(0)) === axis) ?? -1;
  if (size === undefined || !starts || !ends || !steps || at < 0 || (steps[at] ?? 1) !== 1) return undefined;
  const clamped = (position: number) => Math.min(size, Math.max(0, position < 0 ? position + size : position));
  return { start: clamped(starts[at]!), end: clamped(ends[at]!) };
}

const slicing: ScalingRule = (c) => {
  const x = scalesAt(c, 0);
  const range = x?.axis === undefined ? undefined : sliceRange(c, x.axis);
  return (range && !x!.shift && selectedParts(c, x!, x!.axis, range.start, range.end)) || moves({ reorders: true })(c);
};

/** Takes rows; of those with a common factor, as one matrix of several that were stacked, the axis no longer matters. */
const gathering: ScalingRule = (c) => {
  const x = scalesAt(c, 0);
  const along = axisAttribute(c, 0);
  const size = along === undefined ? undefined : c.dimensions(0)?.[along];
  const rows = integers(c, 1)?.map((row) => fromFront(row, size) ?? Number.NaN);
  if (x && !x.shift && rows && rows.length > 0 && isInvariant(c.inputs[1]!)) {
    const taken = rows.map((row) => selectedParts(c, x, along, row, row + 1));
    const first = taken[0];
    if (first && first.axis === undefined && taken.every((part) => part?.degree === first.degree)) return first;
  }
  return moves({ map: gathered, reorders: true })(c);
};

const reshaping: ScalingRule = (c) => {
  const x = scalesAt(c, 0);
  return (
    (x && !x.shift && isInvariant(c.inputs[1]!) && reshapedParts(c, x)) || moves({ map: reshaped, reorders: true })(c)
  );
};

export const shapeRules: Readonly<Record<string, ScalingRule>> = {
  Transpose: moves({ map: transposed, keepsShift: true }),
  Reshape: reshaping,
  Flatten: moves({ map: flattened, reorders: true }),
  Squeeze: moves({ map: squeezed, keepsShift: true }),
  Unsqueeze: moves({ map: unsqueezed, keepsShift: true }),
  Slice: slicing,
  Split: splitting,
  Gather: gathering,
  GatherElements: moves({ map: () => undefined }),
  GatherND: moves({ map: () => undefined }),
  Expand: moves({ map: broadcast }),
  Tile: moves({ reorders: true }),
  Pad: padding,
  Concat: concatenation,
  DepthToSpace: moves({ map: () => undefined }),
  SpaceToDepth: moves({ map: () => undefined }),
  Resize: (c) =>
    attributeString(c.node.attributes, "coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize"
      ? doesNotCommute(c)
      : moves({ map: channels })(c),
  Upsample: moves({ map: channels }),
  MaxPool: withIndices(moves({ map: channels, keepsShift: true })),
  AveragePool: (c) =>
    moves({ map: channels, keepsShift: unpadded(c) || attributeInt(c.node.attributes, "count_include_pad", 0) === 0 })(
      c,
    ),
  LpPool: moves({ map: channels }),
  GlobalAveragePool: moves({ map: channels, keepsShift: true }),
  GlobalMaxPool: moves({ map: channels, keepsShift: true }),
  GlobalLpPool: moves({ map: channels }),
  CumSum: moves({ map: () => undefined }),
  ReduceMean: reduction(),
  ReduceSum: reduction(),
  ReduceMax: reduction(),
  ReduceMin: reduction(),
  ReduceL1: reduction(),
  ReduceL2: reduction(),
  ReduceSumSquare: reduction(2),
  ArgMax: argument,
  ArgMin: argument,
  Hardmax: argument,
  TopK: withIndices(moves({ map: () => undefined })),
  // What depends on a value's shape alone does not depend on W.
  Shape: () => free,
  Size: () => free,
};
