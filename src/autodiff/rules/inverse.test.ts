import { ints } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { randomTensor } from "../testing/finiteDifference.js";

const raw = randomTensor([2, 3, 3], { seed: 3 });
// A heavy diagonal keeps the matrices far from singular.
const matrices = {
  ...raw,
  data: raw.data.map((value, i) => value + (i % 9 === 0 || i % 9 === 4 || i % 9 === 8 ? 2 : 0)),
};
describeGradients("Inverse", {
  "of a batch": { inputs: [matrices], build: (b, [a]) => b.op("Inverse", [a], {}, { domain: "com.microsoft" }) },
});

const x = randomTensor([2, 3, 5, 6], { seed: 4 });
describeGradients(
  "CenterCropPad, by odd numbers of elements",
  {
    "cut and put": {
      inputs: [x],
      build: (b, [v]) => b.op("CenterCropPad", [v, b.int64([8, 3])], { axes: ints([2, -1]) }),
    },
    "of all axes": { inputs: [x], build: (b, [v]) => b.op("CenterCropPad", [v, b.int64([1, 6, 2, 9])]) },
  },
  "float64",
);
