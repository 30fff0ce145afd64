import { attributeInts, attributeString } from "../attributes.js";
import type { Value } from "../value.js";
import { constantIntegers, frontAxes, required, shapeError } from "./context.js";
import { type InferContext, registerInference } from "./registry.js";

/** The elements taken from one axis: start, start + step, ..., `count` in all. */
export interface AxisRange {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/**
 * What a Slice node takes from each axis of x. Starts, ends and axes are attributes before opset 10 (steps then are 1), inputs since.
 * Negative starts and ends count from the back; what lies outside is clamped.
 */
export function sliceRanges(context: InferContext, x: Value): readonly AxisRange[] {
  const numbers = (index: number, label: string) =>
    attributeInts(context.attributes, label) ?? constantIntegers(context, index, label);
  const starts = numbers(1, "starts");
  const ends = numbers(2, "ends");
  if (!starts || !ends) throw shapeError(context, "starts and ends are required");
  const axes = frontAxes(context, numbers(3, "axes") ?? starts.map((_, axis) => axis), x.shape.length);
  const steps = (context.opset < 10 ? undefined : constantIntegers(context, 4, "steps")) ?? starts.map(() => 1);
  if (ends.length !== starts.length || axes.length !== starts.length || steps.length !== starts.length)
    throw shapeError(
      context,
      `starts [${starts.join(", ")}], ends [${ends.join(", ")}], axes [${axes.join(", ")}] and steps [${steps.join(", ")}] differ in length`,
    );
  const ranges: AxisRange[] = x.shape.map((count) => ({ start: 0, step: 1, count }));
  axes.forEach((axis, index) => {
    const size = x.shape[axis]!;
    const step = steps[index]!;
    if (step === 0) throw shapeError(context, `the step on axis ${axis} is 0`);
    // Backwards the last start is size - 1, and the end before the first element is -1.
    const [least, most] = step > 0 ? [0, size] : [-1, size - 1];
    const clamp = (given: number, low: number) => Math.min(Math.max(given < 0 ? given + size : given, low), most);
    const start = clamp(starts[index]!, step > 0 ? least : 0);
    const count = Math.max(0, Math.ceil((clamp(ends[index]!, least) - start) / step));
    ranges[axis] = { start, step, count };
  });
  return ranges;
}

registerInference("Slice", (context) => {
  const x = required(context, 0);
  return [{ dtype: x.dtype, shape: sliceRanges(context, x).map(({ count }) => count) }];
});

/**
 * The elements added before and after each axis; negative ones are taken away. An attribute before opset 11, an input since, which
 * from opset 18 may speak of some axes only.
 */
export function padding(context: InferContext, x: Value): { readonly before: number[]; readonly after: number[] } {
  const rank = x.shape.length;
  const pads = attributeInts(context.attributes, "pads") ?? constantIntegers(context, 1, "pads");
  if (!pads) throw shapeError(context, "pads are required");
  const axes = frontAxes(context, constantIntegers(context, 3, "axes") ?? x.shape.map((_, axis) => axis), rank);
  if (pads.length !== 2 * axes.length)
    throw shapeError(context, `pads [${pads.join(", ")}] must have two entries for each of ${axes.length} axes`);
  const before = x.shape.map(() => 0);
  const after = x.shape.map(() => 0);
  axes.forEach((axis, index) => {
    before[axis] = pads[index]!;
    after[axis] = pads[index + axes.length]!;
  });
  return { before, after };
}

/** The sizes named, of `axes` or, by default, of all axes, in its second input. */
registerInference("CenterCropPad", (context) => {
  const x = required(context, 0);
  const sizes = constantIntegers(context, 1, "shape");
  const axes = frontAxes(
    context,
    attributeInts(context.attributes, "axes") ?? x.shape.map((_, axis) => axis),
    x.shape.length,
  );
  if (sizes?.length !== axes.length || sizes.some((size) => size < 0))
    throw shapeError(context, `shape [${sizes?.join(", ") ?? ""}] must have a size for each of ${axes.length} axes`);
  const shape = [...x.shape];
  axes.forEach((axis, index) => {
    shape[axis] = sizes[index]!;
  });
  return [{ dtype: x.dtype, shape }];
});

registerInference("Pad", (context) => {
  const x = required(context, 0);
  const mode = attributeString(context.attributes, "mode", "constant");
  if (!["constant", "reflect", "edge", "wrap"].includes(mode))
    throw shapeError(context, `mode "${mode}" is none of constant, reflect, edge, wrap`);
  const { before, after } = padding(context, x);
  const shape = x.shape.map((size, axis) => size + before[axis]! + after[axis]!);
  if (shape.some((size) => size < 0))
    throw shapeError(context, `pads [${[...before, ...after].join(", ")}] take away more than there is`);
  if (mode === "reflect" && x.shape.some((size, axis) => Math.max(before[axis]!, after[axis]!) >= Math.max(size, 1)))
    throw shapeError(context, `reflection needs pads [${[...before, ...after].join(", ")}] smaller than the axis`);
  return [{ dtype: x.dtype, shape }];
});
