import type { GraphBuilder, Value } from "../../graph/index.js";
import { float } from "../../onnx/types.js";
import { describeGradients } from "../testing/describeGradients.js";
import { randomTensor } from "../testing/finiteDifference.js";

const inputs = [randomTensor([5, 4], { seed: 1 }), randomTensor([3, 4], { seed: 2, low: -2, high: 2 })];
const layer = (b: GraphBuilder, x: Value, w: Value, norm: Value) =>
  b.abstract("LinearOverNorm", [x, w, norm], { scale: float(3) })[0]!;

// Finite differences see the norm move with the weight; the rule has to.
describeGradients("LinearOverNorm", {
  "by the norm of the whole weight": {
    inputs,
    build: (b, [x, w]) => layer(b, x!, w!, b.sqrt(b.sum(b.square(w!)))),
  },
  "by the norm of each row": {
    inputs,
    build: (b, [x, w]) => layer(b, x!, w!, b.sqrt(b.sum(b.square(w!), [1]))),
  },
});
