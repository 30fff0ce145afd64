import type { GraphBuilder, Value } from "../../graph/index.js";
import { type Attributes, int, string } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { type GradientCheck, randomTensor } from "../testing/finiteDifference.js";

const labels = (b: GraphBuilder, numbers: readonly number[], shape: readonly number[]) =>
  b.constant({ dtype: "int64", shape, data: BigInt64Array.from(numbers, BigInt) }, "labels");
const seed = 1;

/** Scores of two images of three positions and four classes; the label 2 comes up, and -1. */
const images = (op: string, attributes: Attributes, weighted: boolean, outputs = 1): GradientCheck => ({
  inputs: [
    randomTensor([2, 4, 3], { seed, low: -2, high: -0.1 }),
    ...(weighted ? [randomTensor([4], { seed: 2, low: 0.5, high: 2 })] : []),
  ],
  build: (b, [x, w]) => {
    const all = b.add(
      op,
      [x, labels(b, [0, 2, 3, 1, 2, "ignore_index" in attributes ? -1 : 2], [2, 3]), w],
      attributes,
      {
        outputs,
      },
    );
    return outputs === 1 ? all[0]! : both(b, all[0]!, all[1]!);
  },
});
const both = (b: GraphBuilder, loss: Value, p: Value) => b.plus(b.square(loss), b.sum(b.square(p)));

const cases = ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"].flatMap((op) =>
  ["none", "sum", "mean"].flatMap((reduction) =>
    [false, true].flatMap((weighted) =>
      [undefined, 2, -1].map((ignored): [string, GradientCheck] => [
        `${op}, ${reduction}${weighted ? ", weighted" : ""}${ignored === undefined ? "" : `, ${ignored} ignored`}`,
        images(
          op,
          { reduction: string(reduction), ...(ignored !== undefined && { ignore_index: int(ignored) }) },
          weighted,
        ),
      ]),
    ),
  ),
);

describeGradients("losses", {
  ...Object.fromEntries(cases),
  "NegativeLogLikelihoodLoss of a row an example": {
    inputs: [randomTensor([3, 4], { seed: 3 })],
    build: (b, [x]) => b.op("NegativeLogLikelihoodLoss", [x, labels(b, [1, 0, 3], [3])]),
  },
  "SoftmaxCrossEntropyLoss and its log-probabilities": images("SoftmaxCrossEntropyLoss", {}, true, 2),
});
