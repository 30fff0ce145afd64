import type { Attributes } from "../../onnx/types.js";
import { attributeInt, attributeInts, attributeString } from "../attributes.js";

/** How a window moves over the spatial axes of a convolution or pooling, everything resolved. One entry a spatial axis. */
export interface WindowGeometry {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** ONNX order: all beginnings, then all ends. `auto_pad` is resolved into them. */
  readonly pads: readonly number[];
  /** The spatial size of the windowed side's result (for ConvTranspose, of its output). */
  readonly output: readonly number[];
}

/**
 * Geometry of Conv and of the pooling operators.
 *
 * With extent e = (k - 1) d + 1 an axis of size n, padded by p in all, has floor((n + p - e) / s) + 1 windows. With ceil_mode the quotient is
 * rounded up, except that a window that would start in the padding at the end is dropped, as ONNX Runtime does.
 * auto_pad SAME gives ceil(n / s) windows; the padding that this needs is halved, the odd one going to the end (SAME_UPPER) or the beginning.
 *
 * @param input - spatial sizes of the input
 * @param kernel - spatial sizes of the window
 */
export function windowGeometry(
  attributes: Attributes,
  input: readonly number[],
  kernel: readonly number[],
): WindowGeometry {
  const { strides, dilations, extents, pads, autoPad } = common(attributes, kernel);
  const rank = input.length;
  const ceiling = attributeInt(attributes, "ceil_mode", 0) !== 0;
  const output: number[] = [];
  input.forEach((size, axis) => {
    const stride = strides[axis]!;
    const extent = extents[axis]!;
    if (autoPad === "SAME_UPPER" || autoPad === "SAME_LOWER") {
      const windows = Math.ceil(size / stride);
      const total = Math.max(0, (windows - 1) * stride + extent - size);
      const smaller = Math.floor(total / 2);
      pads[axis] = autoPad === "SAME_UPPER" ? smaller : total - smaller;
      pads[axis + rank] = total - pads[axis]!;
      output.push(windows);
      return;
    }
    const span = size + pads[axis]! + pads[axis + rank]! - extent;
    let windows = (ceiling ? Math.ceil(span / stride) : Math.floor(span / stride)) + 1;
    if (ceiling && (windows - 1) * stride >= size + pads[axis]!) windows--;
    output.push(windows);
  });
  return { kernel, strides, dilations, pads, output };
}

/**
 * Geometry of ConvTranspose: the size of which the given input would be the result under Conv,
 * s (n - 1) + output_padding + (k - 1) d + 1 - p. With `output_shape` or auto_pad SAME the padding follows from the size; the odd one goes
 * to the end for SAME_UPPER, else to the beginning. SAME asks for s n, or what there is without padding if that is less, as in ONNX Runtime.
 */
export function transposedWindowGeometry(
  attributes: Attributes,
  input: readonly number[],
  kernel: readonly number[],
): WindowGeometry {
  const { strides, dilations, extents, pads, autoPad } = common(attributes, kernel);
  const rank = input.length;
  const same = autoPad === "SAME_UPPER" || autoPad === "SAME_LOWER";
  const outputPadding = attributeInts(attributes, "output_padding") ?? [];
  const asked = attributeInts(attributes, "output_shape")?.slice(-rank);
  const output = input.map((size, axis) => {
    const full = strides[axis]! * (size - 1) + (outputPadding[axis] ?? 0) + extents[axis]!;
    if (!asked && !same) return full - pads[axis]! - pads[axis + rank]!;
    const wanted = asked?.[axis] ?? Math.min(full, size * strides[axis]!);
    const total = Math.max(0, full - wanted);
    const smaller = Math.floor(total / 2);
    pads[axis] = autoPad === "SAME_UPPER" ? smaller : total - smaller;
    pads[axis + rank] = total - pads[axis]!;
    return wanted;
  });
  return { kernel, strides, dilations, pads, output };
}

function common(attributes: Attributes, kernel: readonly number[]) {
  const ones = kernel.map(() => 1);
  const strides = attributeInts(attributes, "strides") ?? ones;
  const dilations = attributeInts(attributes, "dilations") ?? ones;
  const autoPad = attributeString(attributes, "auto_pad", "NOTSET");
  const explicit = autoPad === "NOTSET" || autoPad === "" ? attributeInts(attributes, "pads") : undefined;
  return {
    strides,
    dilations,
    extents: kernel.map((size, axis) => (size - 1) * dilations[axis]! + 1),
    pads: [...(explicit ?? kernel.flatMap(() => [0, 0]))],
    autoPad,
  };
}
