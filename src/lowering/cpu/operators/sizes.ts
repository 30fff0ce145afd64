import { all, type ConvolutionShape, product } from "../../shared/convolution.js";
import { wholeBlocks } from "../blocked/layout.js";
import type { Sizes } from "../operator.js";

/** A convolution without groups of one position, as behind a global average: a matrix product. */
export function isVector({ group, input, kernel, padsBegin, padsEnd }: ConvolutionShape): boolean {
  return group === 1 && all([...input, ...kernel], 1) && all([...padsBegin, ...padsEnd], 0);
}

/**
 * What a convolution's time, and that of its gradients, depends on. Kinds are those that have recipes of their own, or for which recipes behave differently: depthwise and grouped ones, kernels
 * of one element, strides, inputs of few channels, and widths that fill no whole blocks of channels.
 */
export function convolutionSizes(shape: ConvolutionShape, block: number | undefined): Sizes {
  const { images, channels, maps, group, input, output, kernel, strides, dilations } = shape;
  const width = channels / group;
  const [positions, taps] = [product(output), product(kernel)];
  const words = [
    isVector(shape) ? "vector" : group === 1 ? "dense" : group === channels ? "depthwise" : "grouped",
    input.length === 2 ? "" : `${input.length}-D`,
    taps === 1 ? "1x1" : "",
    all(strides, 1) ? "" : "strided",
    all(dilations, 1) ? "" : "dilated",
    block !== undefined && channels < block ? "few channels" : "",
    block !== undefined && maps < block ? "few maps" : "",
    block !== undefined && group > 1 && group !== channels && wholeBlocks(width, block) !== width
      ? "narrow groups"
      : "",
  ];
  return {
    kind: words.filter(Boolean).join(", "),
    sizes: { images, channels, maps, width, positions, taps },
    work: images * maps * width * taps * positions,
  };
}
