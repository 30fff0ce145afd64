import type { Convolution } from "./convolutionReference.js";

/** Sizes that the gradients of a convolution are tested on, by name. */
export const convolutions: Readonly<Record<string, Convolution>> = {
  "3x3, padded": plain({ input: [6, 7], kernel: [3, 3], pads: [1, 1, 1, 1] }),
  "3x3, no padding": plain({ input: [6, 5], kernel: [3, 3] }),
  "3x3, stride 2, divides": plain({ input: [8, 8], kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  "3x3, stride 2, odd input": plain({ input: [7, 9], kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  "3x3, stride 2, last row unread": plain({ input: [8, 6], kernel: [3, 3], strides: [2, 2] }),
  "3x3, stride 3, last rows unread": plain({ input: [11, 8], kernel: [3, 3], strides: [3, 3] }),
  "5x3, strides 3 and 1": plain({ input: [10, 6], kernel: [5, 3], strides: [3, 1], pads: [2, 0, 2, 1] }),
  "2x2, even kernel": plain({ input: [5, 6], kernel: [2, 2], pads: [0, 1, 1, 0] }),
  "4x4, stride 2": plain({ input: [9, 10], kernel: [4, 4], strides: [2, 2], pads: [1, 1, 1, 1] }),
  "2x2, stride 3, elements between windows unread": plain({ input: [8, 9], kernel: [2, 2], strides: [3, 3] }),
  "asymmetric pads": plain({ input: [6, 6], kernel: [3, 3], strides: [2, 1], pads: [0, 2, 1, 0] }),
  "pads as wide as the kernel": plain({ input: [4, 4], kernel: [2, 3], pads: [2, 3, 2, 3] }),
  "dilation 2": plain({ input: [9, 8], kernel: [3, 3], dilations: [2, 2], pads: [2, 2, 2, 2] }),
  "dilation 2, stride 2": plain({
    input: [10, 9],
    kernel: [3, 2],
    dilations: [2, 2],
    strides: [2, 2],
    pads: [1, 0, 1, 1],
  }),
  "dilation 2 and stride 2 on different axes": plain({
    input: [9, 8],
    kernel: [3, 3],
    dilations: [2, 1],
    strides: [1, 2],
    pads: [2, 1, 2, 1],
  }),
  "1x1": plain({ input: [5, 4], kernel: [1, 1] }),
  "1x1, stride 2, divides": plain({ input: [6, 4], kernel: [1, 1], strides: [2, 2] }),
  "1x1, stride 2, odd input": plain({ input: [7, 5], kernel: [1, 1], strides: [2, 2] }),
  "1x1, stride 3, padded": plain({ input: [5, 4], kernel: [1, 1], strides: [3, 3], pads: [1, 1, 1, 2] }),
  "1x1, groups": plain({ input: [4, 4], kernel: [1, 1], group: 2, channels: 4, maps: 6 }),
  groups: plain({ input: [6, 6], kernel: [3, 3], pads: [1, 1, 1, 1], group: 2, channels: 4, maps: 6 }),
  "groups, stride 2": plain({
    input: [7, 8],
    kernel: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    group: 2,
    channels: 4,
    maps: 2,
  }),
  depthwise: plain({ input: [6, 7], kernel: [3, 3], pads: [1, 1, 1, 1], group: 4, channels: 4, maps: 4 }),
  "depthwise, stride 2": plain({
    input: [8, 7],
    kernel: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    group: 4,
    channels: 4,
    maps: 4,
  }),
  "depthwise, two maps a channel": plain({
    input: [6, 6],
    kernel: [5, 5],
    pads: [2, 2, 2, 2],
    group: 3,
    channels: 3,
    maps: 6,
  }),
  "one image": plain({ images: 1, input: [6, 6], kernel: [3, 3], pads: [1, 1, 1, 1] }),
  "many images, tiny maps": plain({ images: 16, input: [2, 2], kernel: [3, 3], pads: [1, 1, 1, 1] }),
  "1-D": plain({ input: [11], kernel: [3], pads: [1, 1] }),
  "1-D, stride 2, dilation 2": plain({ input: [13], kernel: [3], strides: [2], dilations: [2], pads: [1, 2] }),
  "1-D, stride 3, groups": plain({
    input: [12],
    kernel: [4],
    strides: [3],
    pads: [1, 0],
    group: 2,
    channels: 4,
    maps: 4,
  }),
  "3-D": plain({ input: [4, 5, 3], kernel: [3, 2, 3], pads: [1, 0, 1, 1, 1, 1] }),
  "3-D, stride 2": plain({ input: [5, 4, 6], kernel: [3, 3, 2], strides: [2, 2, 2], pads: [1, 1, 0, 1, 1, 0] }),
  "3-D, groups, dilation 2": plain({
    input: [5, 5, 4],
    kernel: [2, 2, 2],
    dilations: [2, 1, 2],
    group: 2,
    channels: 4,
    maps: 4,
  }),
};

/** More, on which the recipes in blocks of so many channels can be tested. */
export function blockedConvolutions(block: number): Readonly<Record<string, Convolution>> {
  const same = { input: [6, 5], kernel: [3, 3], pads: [1, 1, 1, 1], images: 2 * block };
  const wide = { channels: block, maps: 2 * block };
  return {
    "whole blocks": plain({ ...same, channels: 2 * block, maps: block }),
    "channels and maps that fill no whole block": plain({ ...same, channels: block + 3, maps: 2 * block + 5 }),
    "few channels": plain({ ...same, channels: 3, maps: block }),
    "few channels, stride 2": plain({ ...same, channels: 3, maps: block, strides: [2, 2] }),
    "whole blocks, stride 2": plain({ ...same, ...wide, strides: [2, 2] }),
    "whole blocks, 5x3, dilation 2": plain({ ...same, ...wide, kernel: [5, 3], dilations: [1, 2], pads: [2, 2, 2, 2] }),
    "whole blocks, 1x1, stride 2": plain({ ...same, ...wide, kernel: [1, 1], pads: [0, 0, 0, 0], strides: [2, 2] }),
    "whole blocks, one image": plain({ ...same, ...wide, images: 1 }),
    "whole blocks, a broken batch": plain({ ...same, ...wide, images: block + 3 }),
    "few channels, a broken batch": plain({ ...same, channels: 3, maps: block, images: 2 * block - 1 }),
    "a broken batch, stride 2": plain({ ...same, ...wide, images: block - 1, strides: [2, 2] }),
    "groups of whole blocks": plain({ ...same, channels: 2 * block, maps: 4 * block, group: 2 }),
    "groups of two blocks, a broken batch": plain({
      ...same,
      channels: 4 * block,
      maps: 4 * block,
      group: 2,
      images: block + 1,
    }),
    "groups of whole blocks, stride 2": plain({
      ...same,
      channels: 4 * block,
      maps: 2 * block,
      group: 2,
      strides: [2, 2],
    }),
    "groups of half blocks": plain({ ...same, channels: 2 * block, maps: 2 * block, group: 4 }),
    "depthwise in blocks": plain({ ...same, channels: block, maps: block, group: block }),
    "depthwise that fills no whole block": plain({
      ...same,
      channels: block + 3,
      maps: block + 3,
      group: block + 3,
      images: 3,
    }),
    "depthwise 5x5, stride 2": plain({
      ...same,
      channels: block,
      maps: block,
      group: block,
      kernel: [5, 5],
      pads: [2, 2, 2, 2],
      strides: [2, 2],
    }),
    vectors: plain({ images: 5, channels: 2 * block + 1, maps: block, input: [1, 1], kernel: [1, 1] }),
  };
}

function plain(sizes: Partial<Convolution> & Pick<Convolution, "input" | "kernel">): Convolution {
  const ones = sizes.kernel.map(() => 1);
  const pads = sizes.kernel.flatMap(() => [0, 0]);
  return { images: 4, channels: 3, maps: 5, group: 1, strides: ones, dilations: ones, pads, ...sizes };
}
