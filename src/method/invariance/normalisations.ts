import { attributeInts } from "../../graph/index.js";
import { axisAttribute, fromFront, type ScalingContext, type ScalingRule } from "./context.js";
import { withBias } from "./linear.js";
import { doesNotCommute, unshifted } from "./pointwise.js";
import { free, invariant, isInvariant, product, type Scaling, unknown } from "./scaling.js";

/**
 * Normalisations divide by a standard deviation, or a root mean square, of the very values that they get: a common factor of the
 * values of one group cancels, and where they subtract the group's mean, so does a common summand.
 *
 * Each adds an epsilon to the variance. Invariance is exact for epsilon 0; with it, scaling W by c changes the output by about
 * epsilon / (2 variance) * |1 - 1 / c^2| of its size. The proof disregards it, as the papers do.
 */

/** x normalised per channel (axis 1): batch statistics, or each example's own. Factors and summands per channel cancel. */
function normalisedPerChannel(c: ScalingContext): Scaling {
  const x = c.inputs[0]!;
  if (x.kind !== "scales") return x;
  if (x.shift && x.shift.axis !== 1) return doesNotCommute(c);
  if (x.shift?.alone) return free;
  if (x.axis !== undefined && x.axis !== 1) return mixes(c);
  return invariant(x.through);
}

/** x normalised over several channels at once: one common factor cancels. `outer`: axes with statistics of their own. */
function normalisedTogether(c: ScalingContext, own: (axis: number) => boolean): Scaling {
  const x = unshifted(c, c.inputs[0]!);
  if (x.kind !== "scales") return x;
  return x.axis === undefined || own(x.axis) ? invariant(x.through) : mixes(c);
}

/** normalised * gain + bias. `axis`: the one along which gain and bias vary in the output; undefined where there are several. */
function withGainAndBias(c: ScalingContext, normalised: Scaling, axis: number | undefined): Scaling {
  let gain = c.inputs[1] ?? free;
  if (gain.kind === "scales" && gain.axis !== undefined)
    gain = axis === undefined ? unknown(`${c.label} applies its gain along several axes`) : { ...gain, axis };
  return withBias(c, product(normalised, gain, c.label), 2, axis);
}

const batchNormalization: ScalingRule = (c) => {
  // With running statistics it is an affine map like any other: x gets an offset that does not scale.
  if (c.batchNormalization === "inference" && !isInvariant(c.inputs[0]!))
    return unknown(`${c.label} uses its running statistics, which do not scale with it`);
  // The running statistics that it puts out are state, not part of what the network computes.
  return [withGainAndBias(c, normalisedPerChannel(c), 1), free, free, free, free];
};

const instanceNormalization: ScalingRule = (c) => withGainAndBias(c, normalisedPerChannel(c), 1);

const groupNormalization: ScalingRule = (c) =>
  withGainAndBias(
    c,
    normalisedTogether(c, (axis) => axis === 0),
    1,
  );

/** LayerNormalization and RMSNormalization: over the axes from `axis` on. */
const layerNormalization: ScalingRule = (c) => {
  const rank = c.rank(0);
  const first = axisAttribute(c, -1, rank);
  const normalised = normalisedTogether(c, (axis) => first !== undefined && axis < first);
  const single = rank !== undefined && first === rank - 1 ? first : undefined;
  const y = withGainAndBias(c, normalised, single);
  // Mean and inverse deviation, where asked for, scale to degree 1 and -1; nobody reads them in a network's forward pass.
  const statistic = unknown(`a statistic that ${c.label} puts out is used`);
  return [y, statistic, statistic];
};

const meanVarianceNormalization: ScalingRule = (c) => {
  const rank = c.rank(0);
  const axes = (attributeInts(c.node.attributes, "axes") ?? [0, 2, 3]).map((axis) => fromFront(axis, rank));
  return normalisedTogether(c, (axis) => axes.every((over) => over !== undefined && over !== axis));
};

const lpNormalization: ScalingRule = (c) => {
  const over = axisAttribute(c, -1);
  return normalisedTogether(c, (axis) => over !== undefined && axis !== over);
};

function mixes(c: ScalingContext): Scaling {
  return unknown(`${c.label} normalises slices together that scale apart`);
}

export const normalisationRules: Readonly<Record<string, ScalingRule>> = {
  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  GroupNormalization: groupNormalization,
  LayerNormalization: layerNormalization,
  RMSNormalization: layerNormalization,
  SimplifiedLayerNormalization: layerNormalization,
  "com.microsoft:SimplifiedLayerNormalization": layerNormalization,
  MeanVarianceNormalization: meanVarianceNormalization,
  LpNormalization: lpNormalization,
};
