import { type Attributes, int, ints, string } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

const x = randomTensor([2, 3, 4], { seed: 1 });
const on = (build: GradientCheck["build"], input = x, opset = 21): GradientCheck => ({ inputs: [input], build, opset });

describeGradients("operators that rename axes", {
  Reshape: on((b, [v]) => b.op("Reshape", [v, b.int64([4, -1])])),
  Flatten: on((b, [v]) => b.op("Flatten", [v])),
  "Flatten at the last axis": on((b, [v]) => b.op("Flatten", [v], { axis: int(-1) })),
  "Squeeze all": on((b, [v]) => b.op("Squeeze", [v]), randomTensor([1, 3, 1, 2], { seed: 2 })),
  "Squeeze one": on((b, [v]) => b.op("Squeeze", [v, b.int64([2])]), randomTensor([1, 3, 1, 2], { seed: 2 })),
  "Squeeze, opset 11": on(
    (b, [v]) => b.op("Squeeze", [v], { axes: ints([0]) }),
    randomTensor([1, 3, 1, 2], { seed: 2 }),
    11,
  ),
  Unsqueeze: on((b, [v]) => b.op("Unsqueeze", [v, b.int64([0, -1])])),
  "Unsqueeze, opset 11": on((b, [v]) => b.op("Unsqueeze", [v], { axes: ints([1]) }), x, 11),
  "Transpose by default": on((b, [v]) => b.op("Transpose", [v])),
  "Transpose by a permutation of order three": on((b, [v]) => b.transpose(v!, [1, 2, 0])),
});

describeGradients("operators that copy", {
  "Expand in front": on((b, [v]) => b.expand(v!, [2, 2, 3, 4])),
  "Expand from 1": on((b, [v]) => b.expand(v!, [2, 5, 3]), randomTensor([2, 1, 3], { seed: 3 })),
  "Expand to a smaller shape": on((b, [v]) => b.expand(v!, [4])),
  "Expand a scalar": on((b, [v]) => b.expand(v!, [2, 3]), randomTensor([], { seed: 4 })),
  Tile: on((b, [v]) => b.op("Tile", [v, b.int64([2, 1, 3])])),
  "Tile once": on((b, [v]) => b.op("Tile", [v, b.int64([1, 1, 1])])),
});

const threeInputs = [
  randomTensor([2, 1, 4], { seed: 5 }),
  randomTensor([2, 3, 4], { seed: 6 }),
  randomTensor([2, 2, 4], { seed: 7 }),
];

/** The first and the last output times different constants; the middle one is not used. */
const splitOf = (attributes: Attributes, sizes?: readonly number[]): GradientCheck["build"] => {
  return (b, [v]) => {
    const names = ["first", "middle", "last"];
    const outputs = b.add("Split", sizes ? [v, b.int64(sizes)] : [v], attributes, { outputNames: names });
    return b.op("Concat", [b.square(outputs[0]!), outputs[2]!], { axis: int(1) });
  };
};
const splittable = randomTensor([2, 6, 2], { seed: 8 });

describeGradients("operators that join and part", {
  "Concat along axis 1": { inputs: threeInputs, build: (b, inputs) => b.op("Concat", inputs, { axis: int(1) }) },
  "Concat along axis -2, opset 9": {
    inputs: threeInputs,
    opset: 9,
    build: (b, inputs) => b.op("Concat", inputs, { axis: int(-2) }),
  },
  "Concat of a value with itself": on((b, [v]) => b.op("Concat", [v, v], { axis: int(0) })),
  "Split by sizes": on(splitOf({ axis: int(1) }, [1, 3, 2]), splittable),
  "Split in equal parts": on(splitOf({ axis: int(1), num_outputs: int(3) }), splittable),
  "Split along a negative axis, opset 11": on(splitOf({ axis: int(-2), split: ints([1, 3, 2]) }), splittable, 11),
});

const slice = (
  starts: readonly number[],
  ends: readonly number[],
  axes?: readonly number[],
  steps?: readonly number[],
): [string, GradientCheck] => [
  `Slice from [${starts}] to [${ends}], axes [${axes ?? ""}], steps [${steps ?? ""}]`,
  on(
    (b, [v]) => b.op("Slice", [v, b.int64(starts), b.int64(ends), axes && b.int64(axes), steps && b.int64(steps)]),
    randomTensor([5, 7], { seed: 9 }),
  ),
];

describeGradients("Slice", {
  ...Object.fromEntries([
    slice([1], [4]),
    slice([1, 2], [4, 5]),
    slice([2], [100], [1]),
    slice([-3], [-1], [-1]),
    slice([0, 1], [5, 7], [0, 1], [2, 3]),
    slice([1], [6], [1], [4]),
    slice([0], [7], [1], [10]),
    slice([-1], [-100], [1], [-1]),
    slice([100, 4], [0, -100], [1, 0], [-2, -3]),
    slice([5], [1], [1], [-1]),
  ]),
  "Slice, opset 9": on(
    (b, [v]) => b.op("Slice", [v], { starts: ints([1, -3]), ends: ints([4, 7]), axes: ints([0, 1]) }),
    randomTensor([5, 7], { seed: 9 }),
    9,
  ),
});

describeGradients("Trilu", {
  "Trilu, upper": on((b, [v]) => b.op("Trilu", [v])),
  "Trilu, lower": on((b, [v]) => b.op("Trilu", [v], { upper: int(0) })),
  "Trilu, upper, above the diagonal": on((b, [v]) =>
    b.op("Trilu", [v, b.constant({ dtype: "int64", shape: [], data: BigInt64Array.of(1n) })]),
  ),
});

const channels = randomTensor([2, 8, 2, 3], { seed: 10 });
const blocks = (op: string, attributes: Attributes): GradientCheck["build"] => {
  return (b, [v]) => b.op(op, [v], { blocksize: int(2), ...attributes });
};

describeGradients("blocks and channels", {
  DepthToSpace: on(blocks("DepthToSpace", {}), channels),
  "DepthToSpace, the block's position last": on(blocks("DepthToSpace", { mode: string("CRD") }), channels),
  SpaceToDepth: on(blocks("SpaceToDepth", {}), randomTensor([2, 2, 4, 6], { seed: 11 })),
});
