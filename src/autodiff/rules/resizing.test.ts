import { type Attributes, float, int, ints, string } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

const image = [1, 2, 5, 4] as const;

function resize(
  attributes: Readonly<Record<string, string | number>>,
  target: {
    readonly scales?: readonly number[];
    readonly sizes?: readonly number[];
    readonly axes?: readonly number[];
  },
  shape: readonly number[] = image,
): GradientCheck {
  const given: Attributes = Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => {
      if (typeof value === "string") return [name, string(value)];
      return [name, name === "cubic_coeff_a" ? float(value) : int(value)];
    }),
  );
  return {
    inputs: [randomTensor(shape, { seed: 1 })],
    build: (b, [x]) => {
      const { scales, sizes, axes } = target;
      const factors =
        scales && b.constant({ dtype: "float32", shape: [scales.length], data: Float32Array.from(scales) });
      return b.op("Resize", [x, undefined, factors, sizes && b.int64(sizes)], {
        ...given,
        ...(axes && { axes: ints(axes) }),
      });
    },
  };
}

const transformations = [
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
  "tf_half_pixel_for_nn",
];
const targets = {
  larger: { scales: [1, 1, 2, 1.7] },
  smaller: { scales: [1, 1, 0.6, 0.5] },
  "to sizes": { sizes: [1, 2, 3, 9] },
  "to one pixel": { sizes: [1, 2, 1, 1] },
};
const roundings = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];

const everyWay = ["nearest", "linear", "cubic"].flatMap((mode) =>
  transformations.flatMap((transformation) =>
    Object.entries(targets).map(([name, target]): [string, GradientCheck] => [
      `${mode}, ${transformation}, ${name}`,
      resize({ mode, coordinate_transformation_mode: transformation }, target),
    ]),
  ),
);

describeGradients(
  "Resize",
  {
    ...Object.fromEntries(everyWay),
    ...Object.fromEntries(
      roundings.flatMap((nearest_mode) =>
        ["half_pixel", "asymmetric"].map((coordinate_transformation_mode): [string, GradientCheck] => [
          `nearest, ${coordinate_transformation_mode}, ${nearest_mode}`,
          resize({ nearest_mode, coordinate_transformation_mode }, { scales: [1, 1, 1.5, 2.5] }),
        ]),
      ),
    ),
    "cubic of coefficient -0.5": resize({ mode: "cubic", cubic_coeff_a: -0.5 }, targets.larger),
    "cubic without what lies outside": resize({ mode: "cubic", exclude_outside: 1 }, targets.larger),
    "linear with antialiasing, smaller": resize({ mode: "linear", antialias: 1 }, targets.smaller),
    "linear with antialiasing, larger": resize({ mode: "linear", antialias: 1 }, targets.larger),
    "linear with antialiasing, without what lies outside": resize(
      { mode: "linear", antialias: 1, exclude_outside: 1 },
      targets.smaller,
    ),
    "cubic with antialiasing, smaller": resize({ mode: "cubic", antialias: 1 }, targets.smaller),
    "cubic with antialiasing, without what lies outside": resize(
      { mode: "cubic", antialias: 1, exclude_outside: 1 },
      targets.smaller,
    ),
    "named axes": resize({ mode: "linear" }, { scales: [1.5, 2], axes: [-2, 3] }),
    "the aspect ratio kept, not larger": resize(
      { mode: "linear", keep_aspect_ratio_policy: "not_larger" },
      { sizes: [7, 9], axes: [2, 3] },
    ),
    "the aspect ratio kept, not smaller": resize(
      { mode: "nearest", keep_aspect_ratio_policy: "not_smaller" },
      { sizes: [7, 9], axes: [2, 3] },
    ),
    "linear of three axes": resize({ mode: "linear" }, { scales: [1, 1, 2, 1.5, 0.5] }, [1, 1, 3, 2, 4]),
  },
  "float32",
);
