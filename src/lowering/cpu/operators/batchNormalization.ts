import { elementCount } from "../../../onnx/types.js";
import { batchNormGrad as plainGrad, batchNormTraining as plainTraining } from "../batchNormalization.js";
import { batchNormGrad as gradInBlocks, batchNormTraining as trainingInBlocks } from "../blocked/batchNormalization.js";
import { type CpuOperator, elementSizes, type NodeView } from "../operator.js";

/** Sizes of what is done by channel to x [N, C, ...]. */
export function channelSizes({ inputs }: NodeView, input: number) {
  const { shape } = inputs[input]!;
  const [images, channels] = shape as [number, number];
  const elements = elementCount(shape);
  const positions = elements / images / channels;
  return { ...elementSizes(elements, positions === 1 ? "one position" : ""), sizes: { images, channels, positions } };
}

/** Whether the blocked form of a rule that works on one input's form can be taken: there it costs no conversion of the largest operand. */
export const inBlocks =
  (input: number) =>
  (node: NodeView): boolean =>
    node.block !== undefined && node.isBlocked(input);

/** BatchNormTraining: x [N, C, ...], scale, bias [C] -> y, mean, variance */
export const batchNormTraining: CpuOperator = {
  name: "BatchNormTraining",
  activations: { inputs: [0], output: true },
  recipes: [
    { name: "blocks", form: "blocked", fits: inBlocks(0), build: trainingInBlocks },
    { name: "plain", form: "plain", fits: () => true, build: plainTraining },
  ],
  sizes: (node) => channelSizes(node, 0),
  byRule: (_, fits) => (fits("blocks") ? "blocks" : "plain"),
};

/** BatchNormGrad: dy, x [N, C, ...], scale, mean, variance [C] -> dx, dscale, dbias */
export const batchNormGrad: CpuOperator = {
  name: "BatchNormGrad",
  activations: { inputs: [0, 1], output: true },
  recipes: [
    { name: "blocks", form: "blocked", fits: inBlocks(1), build: gradInBlocks },
    { name: "plain", form: "plain", fits: () => true, build: plainGrad },
  ],
  sizes: (node) => channelSizes(node, 1),
  byRule: (_, fits) => (fits("blocks") ? "blocks" : "plain"),
};
