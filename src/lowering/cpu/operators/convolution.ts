import { attributeInt, type Value, windowGeometry } from "../../../graph/index.js";
import { int, ints } from "../../../onnx/types.js";
import { type ConvolutionShape, convolutionShape } from "../../shared/convolution.js";
import { convolution, convolutionKind } from "../blocked/convolution.js";
import type { CpuOperator, NodeView } from "../operator.js";
import { convolutionSizes, isVector } from "./sizes.js";

function shapeOf({ attributes, inputs, outputs }: NodeView): ConvolutionShape {
  const [x, w] = inputs as [Value, Value];
  const { kernel, strides, dilations, pads } = windowGeometry(attributes, x.shape.slice(2), w.shape.slice(2));
  const group = int(attributeInt(attributes, "group", 1));
  const resolved = { kernel_shape: ints(kernel), strides: ints(strides), dilations: ints(dilations), pads: ints(pads) };
  return convolutionShape({ ...resolved, group }, x.shape, outputs[0]!.shape);
}

/** Conv: x [N, C, ...input], w [K, C / group, ...kernel], bias [K] -> [N, K, ...output] */
export const conv: CpuOperator = {
  name: "Conv",
  activations: { inputs: [0], output: true },
  recipes: [
    { name: "blocks", form: "blocked", fits: (node) => convolutionKind(node) !== undefined, build: convolution },
    { name: "as it is", form: "plain", fits: () => true, build: undefined },
    {
      name: "vector product",
      form: "plain",
      fits: (node) => isVector(shapeOf(node)),
      build: ({ b, inputs, outputs }) => {
        const [x, w, bias] = inputs as [Value, Value, Value?];
        const [rows, weights] = [b.reshape(x, x.shape.slice(0, 2)), b.reshape(w, w.shape.slice(0, 2))];
        return [b.reshape(b.op("Gemm", [rows, weights, bias], { transB: int(1) }), outputs[0]!.shape)];
      },
    },
  ],
  sizes: (node) => convolutionSizes(shapeOf(node), node.block),
  byRule: (node) => {
    const kind = convolutionKind(node);
    return kind === undefined || kind === "grouped" ? "as it is" : "blocks";
  },
};
