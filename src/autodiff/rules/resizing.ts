import { attributeFloat, attributeInt, attributeInts, attributeString, type Value } from "../../graph/index.js";
import type { Attributes } from "../../onnx/types.js";
import { type GradientContext, type GradientRule, registerGradient } from "../registry.js";
import { type AxisMatrix, axisMatrix, isIdentity, transposedAlongAxis } from "./axisMatrix.js";
import { constantNumbers, frontAxis, unsupported } from "./operands.js";

/**
 * Resize is linear in x, and along each axis by itself: for images y = A_h x A_w', where row i of A holds the weights with which the old pixels
 * make new pixel i. So dx = A_h' dy A_w.
 *
 * A follows from sizes and attributes (see `interpolation`), so it is a constant.
 */
const Resize: GradientRule = (context) => {
  const { b, attributes, inputs, dy } = context;
  const x = inputs[0]!;
  const scales = scalesOf(context, x);
  let gradient = dy[0]!;
  x.shape.forEach((size, axis) => {
    const matrix = interpolation(attributes, size, gradient.shape[axis]!, scales[axis]!);
    if (!isIdentity(matrix)) gradient = transposedAlongAxis(b, matrix, gradient, axis);
  });
  return [gradient];
};

/** The scale of each axis, as ONNX Runtime uses it: as given, or from the sizes given. */
function scalesOf({ node, attributes, inputs, outputs, opset }: GradientContext, x: Value): readonly number[] {
  if (opset < 11)
    throw unsupported(node, `the model's opset is ${opset}`, "Export the model with opset 11 or later, or upgrade it");
  const rank = x.shape.length;
  const axes =
    attributeInts(attributes, "axes")?.map((axis) => frontAxis(axis, rank)) ?? x.shape.map((_, axis) => axis);
  const given = constantNumbers(inputs[2]) ?? [];
  const sizes = constantNumbers(inputs[3]) ?? [];
  const policy = attributeString(attributes, "keep_aspect_ratio_policy", "stretch");
  const ratios = axes.map((axis, index) => (sizes[index] ?? outputs[0]!.shape[axis]!) / x.shape[axis]!);
  const common = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  const scales = x.shape.map(() => 1);
  axes.forEach((axis, index) => {
    scales[axis] = given[index] ?? (policy === "stretch" ? ratios[index]! : common);
  });
  return scales;
}

/**
 * The weights of `size` old pixels in each of `resized` new ones, [resized, size]. New pixel i lies at position p among the old ones, by
 * coordinate_transformation_mode.
 *
 * nearest: the pixel that p rounds to, by nearest_mode.
 * linear, cubic: pixel j weighs k((j - p) / stretch), divided by the sum, with the kernel k(t) = 1 - |t| up to 1, or Keys' of cubic_coeff_a up to 2.
 * With antialias a smaller image stretches the kernel by 1 / scale. What falls outside counts for the pixel at the border, or not at all with
 * exclude_outside.
 */
export function interpolation(attributes: Attributes, size: number, resized: number, scale: number): AxisMatrix {
  const mode = attributeString(attributes, "mode", "nearest");
  const at = positions(
    attributeString(attributes, "coordinate_transformation_mode", "half_pixel"),
    size,
    resized,
    Math.fround(scale),
  );
  const inside = (j: number) => Math.min(Math.max(j, 0), size - 1);
  if (mode === "nearest") {
    const round = roundings[attributeString(attributes, "nearest_mode", "round_prefer_floor")]!;
    return axisMatrix(
      resized,
      size,
      Array.from({ length: resized }, (_, i) => [i, inside(round(at(i))), 1]),
    );
  }
  const antialias = attributeInt(attributes, "antialias", 0) !== 0;
  const stretch = antialias ? Math.max(1 / scale, 1) : 1;
  const cubic = mode === "cubic";
  const kernel = cubic ? keys(attributeFloat(attributes, "cubic_coeff_a", -0.75)) : triangle;
  const excluded = attributeInt(attributes, "exclude_outside", 0) !== 0 && (cubic || antialias);
  const support = (cubic ? 2 : 1) * stretch;
  return axisMatrix(
    resized,
    size,
    Array.from({ length: resized }, (_, i) => {
      const p = cubic || antialias ? at(i) : inside(at(i));
      const first = Math.ceil(p - support);
      const taps = Array.from({ length: Math.floor(p + support) - first + 1 }, (_, k) => first + k)
        .filter((j) => !excluded || j === inside(j))
        .map((j) => ({ j: inside(j), weight: kernel((j - p) / stretch) }));
      const total = taps.reduce((sum, { weight }) => sum + weight, 0);
      return taps.map(({ j, weight }) => [i, j, weight / total] as const);
    }).flat(),
  );
}

/** Where among the old pixels new pixel i lies. In single precision, as ONNX Runtime computes it: "nearest" rounds the result. */
function positions(mode: string, size: number, resized: number, scale: number): (i: number) => number {
  const f = Math.fround;
  if (scale === 1 && size === resized) return (i) => i;
  const halfPixel = (i: number) => f(f((i + 0.5) / scale) - 0.5);
  switch (mode) {
    case "asymmetric":
      return (i) => f(i / scale);
    case "align_corners":
      return (i) => (resized === 1 ? 0 : f((i * (size - 1)) / (resized - 1)));
    case "pytorch_half_pixel":
      return (i) => (resized > 1 ? halfPixel(i) : 0);
    case "tf_half_pixel_for_nn":
      return (i) => f((i + 0.5) / scale);
    case "half_pixel_symmetric": {
      // The new pixels, a whole number of them, have the same middle as the old ones.
      const shift = (size / 2) * (1 - resized / (scale * size));
      return (i) => f(shift + halfPixel(i));
    }
    default:
      return halfPixel;
  }
}

const roundings: Readonly<Record<string, (p: number) => number>> = {
  round_prefer_floor: (p) => Math.ceil(p - 0.5),
  round_prefer_ceil: (p) => Math.floor(p + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

const triangle = (t: number) => Math.max(0, 1 - Math.abs(t));

/** Keys' cubic: through 1 at 0 and 0 at the other integers, with slope a at 1; a = -0.75 by default. */
const keys = (a: number) => (signed: number) => {
  const t = Math.abs(signed);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
};

registerGradient("Resize", Resize);
