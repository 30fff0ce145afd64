import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../graph/index.js";
import { type Attributes, float, int, string, type Tensor } from "../../onnx/types.js";
import { differentiate } from "../differentiate.js";
import { describeGradients } from "../testing/describeGradients.js";
import { type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

const rows = (shape: readonly number[], ...values: number[]): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(values),
});
const image = randomTensor([2, 3, 6, 7], { seed: 5 });
/** Boxes (x1, y1, x2, y2) in pixels, one partly outside and one smaller than a pixel; no sample lies at a pixel's middle. */
const boxes = rows([3, 4], 0.33, 0.71, 4.13, 4.57, -1.83, 2.37, 3.11, 7.93, 2.23, 1.31, 2.87, 1.83);
const images = (b: GraphBuilder, dtype: "int64" | "int32" = "int64") =>
  dtype === "int64" ? b.int64([0, 1, 1]) : b.constant({ dtype, shape: [3], data: Int32Array.of(0, 1, 1) });
const size = { output_height: int(2), output_width: int(3) };

const aligned = (attributes: Attributes): GradientCheck => ({
  inputs: [image, boxes],
  build: (b, [x, rois]) => b.op("RoiAlign", [x, rois, images(b)], { ...size, ...attributes }),
});

describeGradients(
  "RoiAlign",
  {
    "two samples a bin": aligned({ sampling_ratio: int(2) }),
    "without the half pixel": aligned({
      sampling_ratio: int(2),
      coordinate_transformation_mode: string("output_half_pixel"),
    }),
    "boxes scaled": aligned({ sampling_ratio: int(1), spatial_scale: float(0.7) }),
    "as many samples as pixels, for constant boxes": {
      inputs: [image],
      build: (b, [x]) => b.op("RoiAlign", [x, b.constant(boxes), images(b)], size),
    },
    "as many samples as pixels, without the half pixel": {
      inputs: [image],
      build: (b, [x]) =>
        b.op("RoiAlign", [x, b.constant(boxes), images(b)], {
          ...size,
          coordinate_transformation_mode: string("output_half_pixel"),
        }),
    },
  },
  "float64",
);

const cropped = rows([3, 4], 0.11, 0.23, 0.83, 0.91, -0.21, 0.31, 0.63, 1.07, 0.77, 0.83, 0.23, 0.17);
const cropAndResize = (extrapolation: number, ...crop: number[]): GradientCheck => ({
  inputs: [image, cropped],
  step: 1 / 512,
  tolerance: 1e-2,
  build: (b, [x, rois]) =>
    b.op(
      "CropAndResize",
      [x, rois, images(b, "int32"), b.constant({ dtype: "int32", shape: [2], data: Int32Array.from(crop) })],
      { extrapolation_value: float(extrapolation) },
      { domain: "com.microsoft" },
    ),
});
describeGradients(
  "CropAndResize, also of boxes upside down and partly outside",
  { "of several pixels": cropAndResize(0, 3, 4), "of one row, with another value outside": cropAndResize(2, 1, 4) },
  "float32",
);

describe("regions without a gradient", () => {
  const refusal = (attributes: Attributes) => {
    const b = new GraphBuilder();
    const x = b.input("x", "float32", [2, 3, 6, 7]);
    const y = b.op("RoiAlign", [x, b.input("boxes", "float32", [3, 4]), images(b)], attributes);
    return () => differentiate(b, b.sum(y), [x]);
  };
  it("are told by name", () => {
    expect(refusal({ sampling_ratio: int(2), mode: string("max") })).toThrow(/no gradient for RoiAlign .*"max"/);
    expect(refusal({})).toThrow(/no gradient for RoiAlign .*boxes that are not constant/);
  });
});
