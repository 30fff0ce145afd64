import type { GraphBuilder, Value } from "../../../graph/index.js";
import { product } from "../../shared/convolution.js";
import { transposeMerged } from "../../shared/transpose.js";
import { interleave, padAxis, wholeBlocks } from "./layout.js";

/** Weights in the orders that the blocked convolution reads, with zeros for lanes without a channel. K maps, C channels, B in a block. */

/** [K, C, kh, kw] as [K / B, C / B, kh, kw, B of C, B of K]. */
export function denseKernels(b: GraphBuilder, w: Value, block: number): Value {
  const [maps, channels] = [wholeBlocks(w.shape[0]!, block), wholeBlocks(w.shape[1]!, block)];
  const kernel = w.shape.slice(2);
  const size = product(kernel);
  const padded = padAxis(b, padAxis(b, w, 0, maps), 1, channels);
  const byMap = interleave(b, b.reshape(padded, [maps / block, block, 1, channels * size]));
  const apart = b.reshape(byMap, [maps / block, channels / block, block, size, block]);
  return b.reshape(size === 1 ? apart : b.transpose(apart, [0, 1, 3, 2, 4]), [maps, channels, ...kernel]);
}

/** [K, C, kh, kw] as [K / B, C, kh, kw, B of K]: for an input of few channels that is not in blocks, and for depthwise convolutions, where C is 1. */
export function kernelsOfFew(b: GraphBuilder, w: Value, block: number): Value {
  const maps = wholeBlocks(w.shape[0]!, block);
  const rest = product(w.shape.slice(1));
  const byMap = interleave(b, b.reshape(padAxis(b, w, 0, maps), [maps / block, block, 1, rest]));
  return b.reshape(byMap, [maps, ...w.shape.slice(1)]);
}

/**
 * [K, C / group, kh, kw] with channels and maps exchanged within each group, as [C / B, K / group / B, kh, kw, B of K, B of C]. More groups than one have whole blocks of channels and maps.
 */
export function exchangedKernels(b: GraphBuilder, w: Value, block: number, group = 1): Value {
  const [maps, channels] = [wholeBlocks(w.shape[0]!, block), wholeBlocks(w.shape[1]!, block)];
  const kernel = w.shape.slice(2);
  const size = product(kernel);
  const padded = padAxis(b, padAxis(b, w, 0, maps), 1, channels);
  const byChannel = interleave(b, b.reshape(padded, [(maps * channels) / block, block, 1, size]));
  const apart = b.reshape(byChannel, [group, maps / group / block, block, channels / block, size, block]);
  return b.reshape(transposeMerged(b, apart, [0, 3, 1, 4, 2, 5]), [channels * group, maps / group, ...kernel]);
}
