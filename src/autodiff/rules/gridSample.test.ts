import { int, string } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

/**
 * Positions inside and up to an image's width outside it, none within the step of a pixel's middle, where the slope of interpolation changes, or of its edge,
 * where the nearest pixel does.
 */
const grid = (shape: readonly number[], extents: readonly number[]) => {
  const raw = randomTensor(shape, { seed: 4, low: -2, high: 2 });
  const rank = extents.length;
  const data = raw.data.map((value, index) => {
    const extent = extents[rank - 1 - (index % rank)]!;
    const pixel = (value * extent) / 2;
    const beside = Math.floor(pixel) + 0.1 + 0.3 * (pixel - Math.floor(pixel));
    return (2 * beside) / extent;
  });
  return { ...raw, data };
};

const cases: Record<string, GradientCheck> = {};
for (const mode of ["linear", "nearest", "cubic"])
  for (const padding of ["zeros", "border", "reflection"])
    for (const align of [0, 1])
      cases[`${mode}, ${padding}${align ? ", corners aligned" : ""}`] = {
        // Odd sizes with aligned corners and even ones without put pixels at whole steps from the middle.
        inputs: align
          ? [randomTensor([2, 3, 5, 7], { seed: 2 }), grid([2, 3, 4, 2], [4, 6])]
          : [randomTensor([2, 3, 5, 3], { seed: 2 }), grid([2, 3, 4, 2], [5, 3])],
        build: (b, [x, positions]) =>
          b.op("GridSample", [x, positions], {
            mode: string(mode),
            padding_mode: string(padding),
            align_corners: int(align),
          }),
      };

describeGradients("GridSample", {
  ...cases,
  "of a volume": {
    inputs: [randomTensor([1, 2, 3, 5, 3], { seed: 2 }), grid([1, 2, 2, 2, 3], [3, 5, 3])],
    build: (b, [x, positions]) => b.op("GridSample", [x, positions]),
  },
});

describeGradients(
  "GridSample by its old names",
  {
    "bilinear, operator set 16": {
      inputs: [randomTensor([2, 2, 5, 3], { seed: 2 }), grid([2, 3, 3, 2], [5, 3])],
      opset: 16,
      build: (b, [x, positions]) => b.op("GridSample", [x, positions], { mode: string("bilinear") }),
      step: 1 / 256,
      tolerance: 5e-3,
    },
  },
  "float32",
);

const affine = (align: number, ...size: number[]): GradientCheck => ({
  inputs: [randomTensor([size[0]!, size.length - 2, size.length - 1], { seed: 6 })],
  build: (b, [theta]) => b.op("AffineGrid", [theta, b.int64(size)], { align_corners: int(align) }),
});

describeGradients("AffineGrid", {
  "of an image": affine(0, 2, 3, 4, 5),
  "of an image, corners aligned": affine(1, 2, 3, 4, 5),
  "of a volume": affine(0, 1, 2, 2, 3, 4),
});
