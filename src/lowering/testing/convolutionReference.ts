import type { Tensor } from "../../onnx/types.js";
import { offsets, product } from "../shared/convolution.js";

/** A convolution by its sizes; one entry a spatial axis in each list, `pads` with all beginnings, then all ends. */
export interface Convolution {
  readonly images: number;
  readonly channels: number;
  readonly maps: number;
  readonly group: number;
  readonly input: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

export function outputSize({ input, kernel, strides, dilations, pads }: Convolution): readonly number[] {
  return input.map((size, axis) => {
    const span = size + pads[axis]! + pads[axis + input.length]! - dilations[axis]! * (kernel[axis]! - 1) - 1;
    return Math.floor(span / strides[axis]!) + 1;
  });
}

/**
 * Both gradients of a convolution by its definition, in float64.
 *
 * x: [N, C, ...input], w: [K, C / group, ...kernel], dy: [N, K, ...output]
 */
export function convolutionGradients(convolution: Convolution, x: Tensor, w: Tensor, dy: Tensor) {
  const { images, channels, maps, group, input, kernel } = convolution;
  const dx = new Float64Array(images * channels * product(input));
  const dw = new Float64Array((maps * channels * product(kernel)) / group);
  forEachTerm(convolution, (i, t, o) => {
    const gradient = Number(dy.data[o]);
    dx[i]! += gradient * Number(w.data[t]);
    dw[t]! += gradient * Number(x.data[i]);
  });
  return { dx, dw };
}

/** The convolution itself, likewise, [N, K, ...output]. */
export function convolutionResult(convolution: Convolution, x: Tensor, w: Tensor): Float64Array {
  const { images, maps } = convolution;
  const y = new Float64Array(images * maps * product(outputSize(convolution)));
  forEachTerm(convolution, (i, t, o) => {
    y[o]! += Number(x.data[i]) * Number(w.data[t]);
  });
  return y;
}

/** The places in x, w and y of each product that a convolution sums: one for each image, map, channel, window and kernel offset. */
function forEachTerm(convolution: Convolution, visit: (x: number, w: number, y: number) => void): void {
  const { images, channels, maps, group, input, kernel, strides, dilations, pads } = convolution;
  const output = outputSize(convolution);
  const [inChannels, outMaps] = [channels / group, maps / group];
  const pairs = windowPairs(output, kernel, (o, t) =>
    flat(
      o.map((place, axis) => place * strides[axis]! + t[axis]! * dilations[axis]! - pads[axis]!),
      input,
    ),
  );
  for (let n = 0; n < images; n++)
    for (let k = 0; k < maps; k++)
      for (let c = 0; c < inChannels; c++) {
        const channel = Math.floor(k / outMaps) * inChannels + c;
        const [image, kernels, map] = [n * channels + channel, k * inChannels + c, n * maps + k];
        for (const [o, t, i] of pairs)
          visit(image * product(input) + i, kernels * product(kernel) + t, map * product(output) + o);
      }
}

/** [window, kernel offset, input place], as flat indices, for each window and offset whose place lies inside the input. */
function windowPairs(
  output: readonly number[],
  kernel: readonly number[],
  place: (window: readonly number[], offset: readonly number[]) => number | undefined,
): readonly (readonly [number, number, number])[] {
  return offsets(output).flatMap((window, o) =>
    offsets(kernel).flatMap((offset, t) => {
      const i = place(window, offset);
      return i === undefined ? [] : [[o, t, i] as const];
    }),
  );
}

/** The flat index of a place; undefined outside the box. */
export function flat(place: readonly number[], sizes: readonly number[]): number | undefined {
  if (place.some((at, axis) => at < 0 || at >= sizes[axis]!)) return undefined;
  return place.reduce((index, at, axis) => index * sizes[axis]! + at, 0);
}
