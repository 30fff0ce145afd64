import type { Attributes } from "../../src/onnx/types.js";
import { int, ints } from "../../src/onnx/types.js";

/** A node to be measured: an operator on inputs of those shapes. */
export interface MeasuredNode {
  readonly operator: string;
  readonly title: string;
  readonly inputs: readonly (readonly number[])[];
  readonly attributes: Attributes;
  /** Measured with `--quick` too. */
  readonly quick: boolean;
}

/** images, channels, maps, height and width, kernel, stride, groups; a `*` before: with `--quick` too */
const convolutionText = `
dense, as ResNet-20, the convnet, ResNet-18 at 64x64 and ResNet-50 have them
  *128 16 16 32 3 1 1    *128 32 32 16 3 1 1    *128 64 64 8 3 1 1     64 16 16 32 3 1 1     64 64 64 8 3 1 1
  *100 16 16 32 3 1 1    *100 32 32 16 3 1 1    *100 64 64 8 3 1 1     50 32 32 16 3 1 1     128 32 32 32 3 1 1
  128 64 64 16 3 1 1     128 128 128 8 3 1 1    *128 16 16 14 3 1 1    128 32 32 7 3 1 1     32 64 64 56 3 1 1
  *32 64 64 16 3 1 1     32 128 128 28 3 1 1    *32 128 128 8 3 1 1    32 256 256 14 3 1 1   *32 256 256 4 3 1 1
  *32 512 512 2 3 1 1    32 512 512 7 3 1 1     20 64 64 16 3 1 1      20 256 256 4 3 1 1
with stride 2
  *128 16 32 32 3 2 1    *128 32 64 16 3 2 1    100 16 32 32 3 2 1     100 32 64 16 3 2 1    *32 64 128 16 3 2 1
  32 64 128 56 3 2 1     32 128 256 8 3 2 1     32 256 512 4 3 2 1     32 256 512 14 3 2 1
first layers
  *128 3 16 32 3 1 1     *100 3 16 32 3 1 1     *128 1 16 14 3 1 1     128 1 16 28 3 1 1     *32 3 16 96 3 2 1
  64 3 32 64 3 2 1       *32 3 64 64 7 2 1      32 3 64 112 7 2 1      100 3 32 64 3 2 1
kernels of one element, as MobileNetV2, EfficientNet-B0 and ResNet-50 have them
  *32 16 96 48 1 1 1     32 96 16 48 1 1 1      32 48 16 24 1 1 1      *32 96 16 24 1 1 1    32 16 96 24 1 1 1
  *32 32 192 12 1 1 1    32 192 32 12 1 1 1     32 288 48 6 1 1 1      32 48 288 6 1 1 1     *32 480 80 3 1 1 1
  32 80 480 3 1 1 1      32 160 1280 3 1 1 1    *128 96 24 16 1 1 1    128 576 160 4 1 1 1   64 16 96 32 1 1 1
  64 96 24 16 1 1 1      *64 240 40 8 1 1 1     64 672 112 4 1 1 1     64 1152 192 2 1 1 1   64 320 1280 2 1 1 1
  *100 96 24 16 1 1 1    100 240 40 8 1 1 1     100 672 112 4 1 1 1    32 64 256 28 1 1 1    32 256 64 28 1 1 1
  32 512 2048 7 1 1 1    32 1024 256 14 1 1 1
  *128 16 32 32 1 2 1    32 64 128 16 1 2 1     32 256 512 28 1 2 1    32 256 512 4 1 2 1    100 16 32 32 1 2 1
one position, as squeeze and excitation has them
  *64 96 4 1 1 1 1       *64 4 96 1 1 1 1       *64 480 20 1 1 1 1     64 20 480 1 1 1 1     64 1152 48 1 1 1 1
  64 48 1152 1 1 1 1     32 32 8 1 1 1 1        32 8 32 1 1 1 1        100 240 10 1 1 1 1    100 10 240 1 1 1 1
depthwise
  *32 16 16 48 3 1 16    *32 48 48 48 3 2 48    32 96 96 24 3 1 96     32 96 96 24 3 2 96    *32 192 192 12 3 1 192
  32 192 192 12 3 2 192  32 288 288 6 3 1 288   32 480 480 3 3 1 480   128 96 96 16 3 1 96   *128 192 192 8 3 1 192
  128 576 576 4 3 1 576  64 32 32 32 3 1 32     64 96 96 32 3 2 96     64 144 144 16 3 1 144 *64 144 144 16 5 2 144
  64 240 240 8 5 1 240   64 480 480 4 5 1 480   64 672 672 4 5 2 672   64 1152 1152 2 5 1 1152  100 96 96 16 3 1 96
  100 240 240 8 5 1 240
groups, as RegNet and ResNeXt have them
  *32 48 48 32 3 1 6     *32 104 104 16 3 1 13  32 208 208 8 3 1 26    32 440 440 7 3 1 55   32 72 72 28 3 1 3
  32 168 168 14 3 1 7    32 128 128 28 3 1 32   *32 256 256 14 3 1 32  32 512 512 14 3 1 32  32 1024 1024 7 3 1 32
  *32 104 104 32 3 2 13  32 208 208 16 3 2 26   32 256 256 28 3 2 32   100 104 104 16 3 1 13
`;

function convolutions(): readonly MeasuredNode[] {
  return [...convolutionText.matchAll(/(\*?)(\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)(?!\d)/g)].flatMap((match) => {
    const [images, channels, maps, size, kernel, stride, group] = match.slice(2).map(Number) as [
      ...[number, number, number, number, number, number, number],
    ];
    const pad = Math.floor(kernel / 2);
    const output = Math.floor((size + 2 * pad - kernel) / stride) + 1;
    const [x, w] = [
      [images, channels, size, size],
      [maps, channels / group, kernel, kernel],
    ];
    const dy = [images, maps, output, output];
    const window = {
      kernel_shape: ints([kernel, kernel]),
      strides: ints([stride, stride]),
      dilations: ints([1, 1]),
      pads: ints([pad, pad, pad, pad]),
      group: int(group),
    };
    const title = `[${x}] -> ${maps}, ${kernel}x${kernel}${stride > 1 ? `, stride ${stride}` : ""}${group > 1 ? `, ${group} groups` : ""}`;
    const shared = { title, quick: match[1] === "*" };
    const toInput = { ...window, input_shape: ints(x) };
    return [
      { operator: "Conv", inputs: [x, w], attributes: window, ...shared },
      { operator: "ConvWeightGrad", inputs: [x, dy], attributes: window, ...shared },
      // The first layer's input needs no gradient.
      ...(channels > 3 ? [{ operator: "ConvInputGrad", inputs: [dy, w], attributes: toInput, ...shared }] : []),
    ];
  });
}

const tensors: readonly (readonly number[])[] = [
  [128, 16, 32, 32],
  [128, 32, 16, 16],
  [128, 64, 8, 8],
  [100, 16, 32, 32],
  [32, 64, 16, 16],
  [32, 512, 2, 2],
  [32, 48, 48, 48],
  [32, 96, 24, 24],
  [32, 480, 3, 3],
  [64, 240, 8, 8],
  [64, 1152, 2, 2],
  [256, 1024],
  [128, 64],
];

function byElement(): readonly MeasuredNode[] {
  return tensors.flatMap((shape, index) => {
    const vector = [shape[1]!];
    const shared = { title: `[${shape}]`, attributes: {}, quick: index < 4 };
    return [
      { operator: "BatchNormTraining", inputs: [shape, vector, vector], ...shared },
      { operator: "BatchNormGrad", inputs: [shape, shape, vector, vector, vector], ...shared },
      { operator: "ReluGrad", inputs: [shape, shape], ...shared },
      { operator: "ClipGrad", inputs: [shape, shape, shape], ...shared },
      { operator: "ChannelSum", inputs: [shape], ...shared },
    ];
  });
}

function sumsOfSquares(): readonly MeasuredNode[] {
  const shapes = [
    [16, 16, 3, 3],
    [64, 64, 3, 3],
    [80, 480],
    [512, 512, 3, 3],
    [1024, 1024],
    [1280, 320],
    [4096, 4096],
  ];
  return shapes.map((shape, index) => ({
    operator: "SumOfSquares",
    title: `[${shape}]`,
    inputs: [shape],
    attributes: {},
    quick: index < 3,
  }));
}

/** [images, channels, size, window, stride, padding] */
const pools = [
  [128, 16, 14, 2, 2, 0],
  [128, 32, 32, 2, 2, 0],
  [32, 64, 32, 3, 2, 1],
  [32, 64, 56, 3, 2, 1],
  [32, 128, 28, 2, 2, 0],
  [32, 256, 14, 2, 2, 0],
  [32, 256, 14, 3, 1, 1],
] as const;

function poolings(): readonly MeasuredNode[] {
  return pools.flatMap(([images, channels, size, window, stride, pad], index) => {
    const output = Math.floor((size + 2 * pad - window) / stride) + 1;
    const [x, dy] = [
      [images, channels, size, size],
      [images, channels, output, output],
    ];
    const attributes = {
      kernel_shape: ints([window, window]),
      strides: ints([stride, stride]),
      pads: ints([pad, pad, pad, pad]),
      dilations: ints([1, 1]),
    };
    const average = { ...attributes, count_include_pad: int(1), input_shape: ints(x) };
    const shared = { title: `[${x}], ${window}x${window}, stride ${stride}`, quick: index < 3 };
    return [
      { operator: "MaxPoolGrad", inputs: [x, dy, dy], attributes, ...shared },
      { operator: "AveragePoolGrad", inputs: [dy], attributes: average, ...shared },
    ];
  });
}

/** What is measured: the shapes that the built-in networks and torchvision's have, at usual batch sizes. */
export const measuredNodes: readonly MeasuredNode[] = [
  ...convolutions(),
  ...byElement(),
  ...sumsOfSquares(),
  ...poolings(),
];

/** Tensors whose way into blocks and back is measured. */
export const reorderedTensors: readonly (readonly number[])[] = [
  [128, 16, 32, 32],
  [128, 64, 8, 8],
  [32, 64, 8, 8],
  [32, 96, 24, 24],
  [32, 480, 3, 3],
];
