import { attributeInt, attributeInts, attributeString } from "../../graph/index.js";
import type { ScalingContext, ScalingRule } from "./context.js";
import { unshifted } from "./pointwise.js";
import { invariant, isInvariant, product, type Scales, type Scaling, sameFactors, unknown } from "./scaling.js";

/**
 * Linear maps: homogeneous of degree 1 in the input and in the weight. They sum over the input's channels, so of factors that
 * differ by slice only those survive that the sum does not mix: the weight's output channels, and the channels of a depthwise
 * convolution's input.
 */

/** What an operand's slices become. `undefined`: the operator sums over that axis. */
type AxisMap = (axis: number) => number | undefined;

/** One operand's factors, seen in the output. */
function operand(c: ScalingContext, index: number, map: AxisMap, scaling = c.inputs[index]!): Scaling {
  const plain = unshifted(c, scaling);
  if (plain.kind !== "scales" || plain.axis === undefined) return plain;
  const axis = map(plain.axis);
  if (axis === undefined) return unknown(`${c.label} mixes the slices of ${c.node.inputs[index]} that scale apart`);
  return { ...plain, axis };
}

/**
 * Adds a bias that is constant along all axes but `axis`.
 * W may scale the map and not the bias (a shift), the bias and not the map (W is the bias), or both alike.
 */
export function withBias(c: ScalingContext, mapped: Scaling, bias: number, axis: number | undefined): Scaling {
  if (!c.has(bias)) return mapped;
  const added = c.inputs[bias]!;
  if (mapped.kind === "unknown") return mapped;
  if (added.kind === "unknown") return added;
  if (isInvariant(mapped) && isInvariant(added)) return mapped.kind === "scales" ? mapped : added;
  const name = c.node.inputs[bias]!;
  if (isInvariant(added)) {
    if (axis === undefined) return unknown(`a bias follows (${c.label} adds ${name})`);
    return { ...(mapped as Scales), shift: { axis, by: `${c.label} adds ${name}`, alone: false } };
  }
  if (isInvariant(mapped)) {
    if (axis === undefined) return unknown(`added by ${c.label} to values that do not scale with it`);
    return { ...invariant(), shift: { axis, by: `added by ${c.label}`, alone: true } };
  }
  const moved: Scales = {
    ...(added as Scales),
    ...((added as Scales).axis === undefined || axis === undefined ? {} : { axis }),
  };
  return sameFactors(mapped as Scales, moved)
    ? mapped
    : unknown(`${c.label} adds ${name}, which scales with it to another degree`);
}

/**
 * A summand s that is constant along all axes but the one that the map f sums over, `axis`: f(x + s) = f(x) + f(s), and where f treats all positions
 * alike, f(s) is constant along all axes but the one of the output's channels, `to`. The map must not scale itself.
 */
function throughShift(
  c: ScalingContext,
  axis: number | undefined,
  to: number | undefined,
  map: (x: Scaling) => Scaling,
): Scaling {
  const x = c.inputs[0]!;
  if (x.kind !== "scales" || !x.shift || x.shift.axis !== axis || to === undefined || !isInvariant(c.inputs[1]!))
    return map(x);
  const { shift, ...plain } = x;
  const y = map(plain);
  if (y.kind === "unknown") return y;
  const through = [...new Set([...x.through, ...(y.kind === "scales" ? y.through : [])])];
  return { ...(y.kind === "scales" ? y : invariant()), through, shift: { ...shift, axis: to } };
}

/** Whether a window never reaches over the edge, where it would meet zeros instead of the values around. */
export function unpadded({ node }: ScalingContext): boolean {
  const automatic = attributeString(node.attributes, "auto_pad", "NOTSET");
  return (
    automatic === "VALID" ||
    (automatic === "NOTSET" && (attributeInts(node.attributes, "pads") ?? []).every((pad) => pad === 0))
  );
}

const convolution: ScalingRule = (c) => {
  const shape = c.shape(1);
  const group = attributeInt(c.node.attributes, "group", 1);
  const transposed = c.node.op === "ConvTranspose";
  const depthwise = group > 1 && (transposed ? shape?.[0] === group : shape?.[1] === 1);
  // Conv's weight is [out, in / group, ...], ConvTranspose's [in, out / group, ...].
  const outputAxis = transposed ? 1 : 0;
  const kept: AxisMap = (axis) => (axis === 0 ? 0 : axis === 1 && depthwise ? 1 : undefined);
  const weight = operand(c, 1, (axis) => (axis === outputAxis ? 1 : undefined));
  return throughShift(c, !transposed && unpadded(c) ? 1 : undefined, 1, (x) =>
    withBias(c, product(operand(c, 0, kept, x), weight, c.label), 2, 1),
  );
};

const gemm: ScalingRule = (c) => {
  const transposedA = attributeInt(c.node.attributes, "transA", 0) !== 0;
  const transposedB = attributeInt(c.node.attributes, "transB", 0) !== 0;
  const rows: AxisMap = (axis) => (axis === (transposedA ? 1 : 0) ? 0 : undefined);
  const b = operand(c, 1, (axis) => (axis === (transposedB ? 0 : 1) ? 1 : undefined));
  const shape = c.shape(2);
  const perColumn = shape?.slice(0, -1).every((dimension) => dimension === 1);
  return throughShift(c, transposedA ? 0 : 1, 1, (x) =>
    withBias(c, product(operand(c, 0, rows, x), b, c.label), 2, perColumn ? 1 : undefined),
  );
};

const matrixProduct: ScalingRule = (c) => {
  const rank = c.outputRank;
  const fromEnd = (input: number, kept: 1 | 2): AxisMap => {
    const inner = c.rank(input);
    return (axis) => {
      if (inner === undefined || rank === undefined || inner < 2) return undefined;
      const position = inner - axis;
      return position === kept || position > 2 ? rank - position : undefined;
    };
  };
  const last = (of: number | undefined) => (of === undefined ? undefined : of - 1);
  const perColumn = c.rank(1) === 2 && (c.rank(0) ?? 0) >= 2;
  return throughShift(c, perColumn ? last(c.rank(0)) : undefined, last(rank), (x) =>
    product(operand(c, 0, fromEnd(0, 2), x), operand(c, 1, fromEnd(1, 1)), c.label),
  );
};

/** Each term is a product of one element of every operand. */
const einsum: ScalingRule = (c) =>
  c.inputs.map((_, index) => operand(c, index, () => undefined)).reduce((left, right) => product(left, right, c.label));

/** The scale-invariant linear layer: divides by its weight's norm, and with unit features by its input's. */
const scaleInvariantLinear: ScalingRule = (c) => {
  const text = (name: string) => {
    const stored = c.node.attributes[name];
    return stored?.kind === "string" ? stored.value : undefined;
  };
  const perRow = text("norm") === "row";
  const unit = text("features") === "unit";
  const x = operand(c, 0, (axis) => (axis === 0 ? 0 : undefined));
  const weight = operand(c, 1, (axis) => (axis === 0 && perRow ? 1 : undefined));
  const normalised = (scaling: Scaling): Scaling => (scaling.kind === "scales" ? invariant(scaling.through) : scaling);
  return product(unit ? normalised(x) : x, normalised(weight), c.label);
};

export const linearRules: Readonly<Record<string, ScalingRule>> = {
  Conv: convolution,
  ConvTranspose: convolution,
  Gemm: gemm,
  MatMul: matrixProduct,
  Einsum: einsum,
  "isonorm:ScaleInvariantLinear": scaleInvariantLinear,
};
